// SPDX-License-Identifier: Apache-2.0
// One row at a time, in double: its log-probabilities, in place, and its probabilities. Not
// installed.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/calibration/predictions.hpp"
#include "partita/softmax/internal/kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

/// The sum of f(x), or the largest value, of eight chains side by side: one alone would wait for
/// itself at every step.
template <class F>
double sum_of(std::span<const double> x, const F& f) {
  double lanes[8] = {};
  std::size_t i = 0;
  for (; i + 8 <= x.size(); i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) lanes[lane] += f(x[i + lane]);
  }
  for (; i < x.size(); ++i) lanes[i % 8] += f(x[i]);
  return ((lanes[0] + lanes[4]) + (lanes[1] + lanes[5])) +
         ((lanes[2] + lanes[6]) + (lanes[3] + lanes[7]));
}
inline double largest_of(std::span<const double> x) {
  double lanes[8];
  std::fill(std::begin(lanes), std::end(lanes), -std::numeric_limits<double>::infinity());
  const auto keep = [&](std::size_t lane, double value) {
    lanes[lane] = value > lanes[lane] ? value : lanes[lane];
  };
  std::size_t i = 0;
  for (; i + 8 <= x.size(); i += 8) {
    for (std::size_t lane = 0; lane < 8; ++lane) keep(lane, x[i + lane]);
  }
  for (; i < x.size(); ++i) keep(i % 8, x[i]);
  return *std::max_element(std::begin(lanes), std::end(lanes));
}

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
    terms_.resize(columns());
    const double max = largest_of(log_prob_);
    const double nans = sum_of(log_prob_, [](double z) { return std::isnan(z) ? 1.0 : 0.0; });
    if (nans > 0 || !std::isfinite(max)) {
      throw InvalidArgument("logits", "NaN, +inf, or -inf in every column");
    }
    const double sum =
        kernels::of<double>().exp_accurate(log_prob_.data(), columns(), max, terms_.data()).high;
    const double log_sum = std::log(sum);
    for (double& value : log_prob_) value = (value - max) - log_sum;
    const double inverse =
        1 / sum;  // and what its rounding leaves out, which is as good as a division
    kernels::of<double>().scale(terms_.data(), terms_.size(),
                                {inverse, inverse * std::fma(-inverse, sum, 1)}, terms_.data());
  }

  /// Whatever log_prob() holds are probabilities now, to be taken as they are.
  void take_probabilities() {
    terms_ = log_prob_;
    for (double& value : log_prob_) value = std::log(value);
  }

  /// Makes log_prob() finite: see least_probability().
  void clip_zeros(DType precision) {
    for (double& value : log_prob_) {
      if (std::isinf(value)) value = std::log(least_probability(precision));
    }
  }

  std::size_t columns() const { return log_prob_.size(); }
  std::vector<double>& log_prob() { return log_prob_; }
  std::span<const double> log_prob() const { return log_prob_; }
  std::span<const double> probabilities() const { return {terms_.data(), columns()}; }

 private:
  void load(const Predictions& predictions, std::size_t row) {
    const std::size_t columns = predictions.rows.columns();
    log_prob_.resize(columns);
    RowReader<double>(predictions.rows, row).gather(0, 1, columns, log_prob_.data());
    if (!predictions.are_probabilities) return;
    if (const std::string defect = distribution_defect(predictions.rows, row); !defect.empty()) {
      throw InvalidArgument("probabilities", defect);
    }
  }

  std::vector<double> log_prob_;
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
