// SPDX-License-Identifier: Apache-2.0
// One row at a time, in double: its log-probabilities, in place, and its probabilities. Not
// installed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <numeric>
#include <span>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/calibration/predictions.hpp"
#include "partita/softmax/internal/kernels.hpp"
#include "partita/softmax/internal/row_kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

class DistributionRow {
 public:
  /// Reads a row of predictions: log_prob() and probabilities() are then its own.
  /// @throws InvalidArgument for a row that is no distribution: of logits, NaN, +inf or all -inf
  void read(const Predictions& predictions, std::size_t row) {
    load(predictions, row);
    predictions.are_probabilities ? take_probabilities() : softmax();
  }

  /// Reads logits, or the logarithms of probabilities, into log_prob(), for softmax() to make
  /// log-probabilities of what has been done to them.
  /// @throws InvalidArgument for probabilities as above
  void read_logits(const Predictions& predictions, std::size_t row) {
    load(predictions, row);
    if (predictions.are_probabilities) take_probabilities();
  }

  /// Whatever log_prob() holds are logits now: makes them log-probabilities; -inf stays. Equal ones
  /// have the probability 1/K to the last digit.
  /// @throws InvalidArgument for NaN, +inf or all -inf
  void softmax() {
    const auto& kernels = kernels::of<double>();
    std::fill(log_prob_.begin() + static_cast<std::ptrdiff_t>(columns_), log_prob_.end(),
              -std::numeric_limits<double>::infinity());
    terms_.resize(log_prob_.size());
    const auto [max, sum, proper] =
        kernels.exp_sum(log_prob_.data(), log_prob_.size(), terms_.data());
    const auto is_nan = [](double z) { return std::isnan(z); };
    if (!std::isfinite(max) || (!proper && std::ranges::any_of(log_prob_, is_nan))) {
      throw InvalidArgument("logits", "NaN, +inf, or -inf in every column");
    }
    const double inverse = 1 / sum;  // and what its rounding leaves out: as good as a division
    kernels.scale(terms_.data(), terms_.size(), {inverse, inverse * std::fma(-inverse, sum, 1)},
                  terms_.data());
    const double log_sum = std::log(sum);
    kernels::row_kernels<double>().subtract(log_prob_.data(), log_prob_.size(), max, log_sum,
                                            log_prob_.data());
    largest_ = -log_sum;
  }

  /// Whatever log_prob() holds are probabilities now, to be taken as they are.
  void take_probabilities() {
    std::fill(log_prob_.begin() + static_cast<std::ptrdiff_t>(columns_), log_prob_.end(), 0);
    terms_ = log_prob_;
    for (double& value : log_prob_) value = std::log(value);
    largest_ = *std::max_element(log_prob_.begin(), log_prob_.end());
  }

  /// Makes log_prob() finite: see least_probability().
  void clip_zeros(DType precision) {
    for (double& value : log_prob_) {
      if (std::isinf(value)) value = std::log(least_probability(precision));
    }
  }

  /// Room for so many logits, to be written to log_prob().
  void resize(std::size_t columns) {
    columns_ = columns;
    log_prob_.resize(kernels::round_up(columns, kernels::kLanes));
  }

  std::size_t columns() const { return columns_; }
  std::span<double> log_prob() { return {log_prob_.data(), columns_}; }
  std::span<const double> log_prob() const { return {log_prob_.data(), columns_}; }
  std::span<const double> probabilities() const { return {terms_.data(), columns_}; }
  /// The same, and zeros up to a multiple of kernels::kLanes.
  std::span<const double> padded_probabilities() const { return terms_; }
  /// The most likely class, the lowest of those that tie.
  std::size_t top() const {
    return static_cast<std::size_t>(std::ranges::find(log_prob_, largest_) - log_prob_.begin());
  }

 private:
  void load(const Predictions& predictions, std::size_t row) {
    resize(predictions.rows.columns());
    RowReader<double>(predictions.rows, row).gather(0, 1, columns_, log_prob_.data());
    if (!predictions.are_probabilities) return;
    if (const std::string defect = distribution_defect(predictions.rows, row); !defect.empty()) {
      throw InvalidArgument("probabilities", defect);
    }
  }

  std::size_t columns_ = 0;
  double largest_ = 0;            // of log_prob_
  std::vector<double> log_prob_;  // both filled up to a multiple of kLanes
  std::vector<double> terms_;
};

/// In nats.
inline double entropy_of(const DistributionRow& row) {
  const auto p = row.probabilities();
  const auto log_prob = row.log_prob();
  double entropy = 0;
  for (std::size_t k = 0; k < p.size(); ++k) {
    if (p[k] > 0) entropy -= p[k] * log_prob[k];
  }
  return entropy;
}

class Calibrator;

/// Reads a row of predictions, and calibrates it unless `calibrator` is null.
void read_row(const Predictions& predictions, std::size_t r, const Calibrator* calibrator,
              DistributionRow& row);

/// What a row's distribution says, and what its label says of it.
struct JudgedRow {
  double confidence;  // the largest probability
  double right;       // 1 if its class, the lowest of those that tie, is the label, else 0
  double nll;
  double brier;
};
JudgedRow judge(const DistributionRow& row, std::int64_t label);

}  // namespace partita
