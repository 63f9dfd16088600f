// SPDX-License-Identifier: Apache-2.0
// What the library's exceptions become in Python.
#pragma once

#include <pybind11/pybind11.h>

#include <exception>

#include "partita/base/error.hpp"

namespace partita::python {

/// InvalidArgument is a ValueError, any other Error an OSError.
// NOLINTNEXTLINE(performance-unnecessary-value-param): pybind11's signature
inline void translate_error(std::exception_ptr thrown) {
  try {
    if (thrown) std::rethrow_exception(thrown);
  } catch (const InvalidArgument& error) {
    PyErr_SetString(PyExc_ValueError, error.what());
  } catch (const Error& error) {
    PyErr_SetString(PyExc_OSError, error.what());
  }
}

}  // namespace partita::python
