// SPDX-License-Identifier: Apache-2.0
// torch, as far as the module uses it: through Python, and only if the caller has imported it.
#pragma once

#include <pybind11/pybind11.h>

namespace partita::python {

namespace py = pybind11;

struct Torch {
  py::object tensor;
  py::object from_numpy;
  py::object empty;
  py::object is_grad_enabled;
};

/// Null as long as nobody has imported it.
const Torch* imported_torch();

}  // namespace partita::python
