// One row at a time, in double: its log-probabilities, in place, and its probabilities. Not
// installed.
#pragma once

#include <algorithm>
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/softmax/internal/kernels.hpp"

namespace partita {

class LogSoftmaxRow {
 public:
  /// Turns logits into log-probabilities; -inf stays. @throws InvalidArgument for NaN, +inf or all
  /// -inf
  void operator()(std::span<double> logits) {
    const double max = load(logits);
    const double log_sum = std::log(exp(max));
    double total = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      total += logits[i];
      logits[i] = (logits[i] - max) - log_sum;
    }
    if (std::isnan(total) || !std::isfinite(max)) {
      throw InvalidArgument("logits", "NaN, +inf, or -inf in every column");
    }
    const double scale = std::exp(-log_sum);
    for (double& p : terms_) p *= scale;
  }

  /// Takes log-probabilities as they are.
  void exponentiate(std::span<const double> log_prob) {
    load(log_prob);
    exp(0);
  }

  /// The probabilities of the last row.
  std::span<const double> probabilities() const { return {terms_.data(), columns_}; }

 private:
  double load(std::span<const double> row) {
    columns_ = row.size();
    terms_.assign(kernels::round_up(columns_, kernels::kLanes),
                  -std::numeric_limits<double>::infinity());
    std::copy(row.begin(), row.end(), terms_.begin());
    return *std::max_element(row.begin(), row.end());
  }
  double exp(double max) {
    return kernels::of<double>()
        .exp_accurate(terms_.data(), terms_.size(), max, terms_.data())
        .high;
  }

  std::vector<double> terms_;
  std::size_t columns_ = 0;
};

}  // namespace partita
