// SPDX-License-Identifier: Apache-2.0
// What the measures of predictions share: predictions, a calibrator, the bootstrap, its intervals.
#pragma once

#include <fmt/format.h>

#include <utility>
#include <vector>

#include "arguments.hpp"
#include "partita/calibration/calibrator.hpp"
#include "partita/random/bootstrap.hpp"

namespace partita::python {

/// Whether an object is true.
inline bool flag(py::handle object) {
  return py::bool_(py::reinterpret_borrow<py::object>(object));
}

inline Predictions predictions(const FloatArray& array, py::handle probabilities) {
  return flag(probabilities) ? Predictions::probabilities(array.rows()) : Predictions(array.rows());
}

/// The same with a number for each row, unless None. @param numbers must outlive what is returned
inline Predictions predictions(const FloatArray& array, py::handle probabilities, py::handle by,
                               std::vector<double>& numbers) {
  Predictions out = predictions(array, probabilities);
  if (by.is_none()) return out;
  numbers = Doubles(by, "by").values;
  if (numbers.size() != out.rows.rows()) {
    refuse("by",
           fmt::format("expected {} (one for each row), got {}", out.rows.rows(), numbers.size()));
  }
  out.by = numbers;
  return out;
}

/// Null for None.
inline const Calibrator* calibrator_of(py::handle object) {
  return object.is_none() ? nullptr : object.cast<const Calibrator*>();
}

inline BootstrapOptions bootstrap_options(py::handle resamples, py::handle level,
                                          py::handle threads, const Progress& progress = {}) {
  return {.resamples = count(resamples, "resamples"),
          .level = number(level, "level"),
          .threads = thread_count(threads),
          .progress = progress};
}

/// (low, high)
inline py::tuple ends(const Interval& interval) {
  return py::make_tuple(interval.low, interval.high);
}

inline py::array numbers(std::vector<double> values, const Shape& shape) {
  return to_numpy(std::move(values), shape);
}

/// [values.size()]
inline py::array numbers(std::vector<double> values) {
  const auto size = static_cast<py::ssize_t>(values.size());
  return numbers(std::move(values), {size});
}

}  // namespace partita::python
