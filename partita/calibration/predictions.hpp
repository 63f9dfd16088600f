// SPDX-License-Identifier: Apache-2.0
// What a network says about its classes, row by row: logits, or probabilities.
//
//   partita::evaluate_calibration(logits, labels);                                    // Rows
//   partita::evaluate_calibration(partita::Predictions::probabilities(p), labels);
//
// Probabilities are taken as they are. Passed as logarithms they would come back from the softmax a
// rounding away, and a forest's .4 would leave the bin (.3, .4].
#pragma once

#include <concepts>
#include <cstddef>
#include <span>
#include <string>
#include <utility>

#include "partita/base/rows.hpp"

namespace partita {

struct Predictions {
  Rows rows;
  bool are_probabilities = false;
  /// A number for each row, such as its position in a text, which binned_temperature.hpp tells rows
  /// apart by; empty: none.
  std::span<const double> by = {};

  /// Rows of logits or log-probabilities, as Rows is made.
  template <class... Args>
  requires std::constructible_from<Rows, Args...> Predictions(Args&&... args)
      : rows(std::forward<Args>(args)...) {}

  static Predictions probabilities(Rows rows) {
    Predictions out(rows);
    out.are_probabilities = true;
    return out;
  }

  /// `count` of the rows, from `first` on.
  Predictions slice(std::size_t first, std::size_t count) const {
    Predictions out(*this);
    out.rows = rows.slice(first, count);
    if (!by.empty()) out.by = by.subspan(first, count);
    return out;
  }

  /// @throws InvalidArgument if there is none, or NaN
  double by_of(std::size_t row) const;

  /// The precision in which a probability is exact: that of given ones, else double.
  DType precision() const { return are_probabilities ? rows.dtype() : DType::f64; }
};

/// The distance from 1 to the next number of a precision: what a probability of 0 counts as where
/// its logarithm must be finite: see Calibrator::transform.
double least_probability(DType precision);

/// Why a row is no distribution ("probabilities add up to 1.3, expected 1"); empty if it is one:
/// numbers of [0, 1] that add up to 1, both within 0.001, which is what half precision leaves.
std::string distribution_defect(Rows rows, std::size_t row);

}  // namespace partita
