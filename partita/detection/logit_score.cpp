// SPDX-License-Identifier: Apache-2.0
#include "partita/detection/logit_score.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <span>
#include <type_traits>

#include "partita/base/internal/check.hpp"
#include "partita/softmax/internal/expectation.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

namespace {

/// Scores rows one after the other, in arithmetic of T.
template <class T>
class RowScorer {
 public:
  double operator()(LogitScore score, Rows logits, std::size_t r, double temperature) {
    const RowReader<T> row(logits, r);
    if (score == LogitScore::max_logit) return largest(row);
    if (temperature == 1) return score_softmax(score, row);
    // (z - max z) / temperature does not overflow, whatever the size of the logits.
    const double max = largest(row);
    tempered_.resize(row.columns());
    row.gather(0, 1, tempered_.size(), tempered_.data());
    for (T& z : tempered_) z = static_cast<T>((static_cast<double>(z) - max) / temperature);
    const double relative =
        score_softmax(score, RowReader<T>(Rows(std::span<const T>(tempered_)), 0));
    return score == LogitScore::energy ? max + temperature * relative : relative;
  }

 private:
  double largest(const RowReader<T>& row) {
    pass_.find_max(row);
    check_possible(row);
    return pass_.max();
  }

  double score_softmax(LogitScore score, const RowReader<T>& row) {
    if constexpr (std::is_same_v<T, double>) {
      if (score == LogitScore::entropy) return -row_entropy(row, normalize(pass_, row));
      pass_.sum_exp_accurate(row);
    } else {
      pass_.sum_exp(row);  // its logarithm is good to the digits of float
    }
    check_possible(row);
    const double log_sum = pass_.log_sum(row);  // log of the sum of exp(z - max)
    return score == LogitScore::energy ? pass_.max() + log_sum : -log_sum;
  }

  void check_possible(const RowReader<T>& row) const {
    if (std::isinf(pass_.max())) row.fail("every category is impossible (all -inf)");
  }

  RowPass<T> pass_;
  std::vector<T> tempered_;
};

}  // namespace

std::vector<double> logit_scores(LogitScore score, Rows logits, double temperature,
                                 const RowOptions& options) {
  check_in("temperature", temperature, "(0, inf)");
  std::vector<double> result(logits.rows(), std::numeric_limits<double>::quiet_NaN());
  const bool wide = temperature != 1 || score == LogitScore::entropy;
  with_arithmetic_type(logits.dtype(), wide ? DType::f64 : logits.dtype(), [&](auto zero) {
    using Scorer = RowScorer<decltype(zero)>;
    for_each_row<Scorer>(logits.rows(), options, [&](std::size_t r, Scorer& scorer) {
      result[r] = scorer(score, logits, r, temperature);
    });
  });
  return result;
}

namespace {

/// Minus the generalized entropy of rows, one after the other.
class GeneralizedEntropy {
 public:
  double operator()(const RowReader<double>& row, double gamma, std::size_t largest) {
    const Normalizer n = normalize(pass_, row);
    logits_.resize(row.columns());
    row.gather(0, 1, logits_.size(), logits_.data());
    if (largest < logits_.size()) {
      const auto end = logits_.begin() + static_cast<std::ptrdiff_t>(largest);
      std::nth_element(logits_.begin(), end, logits_.end(), std::greater<>());
      logits_.resize(largest);
    }
    double sum = 0;
    for (const double z : logits_) {
      const double log_p = n.log_prob(z);
      if (std::isinf(log_p)) continue;  // 0^gamma
      sum += std::exp(gamma * (log_p + std::log(-std::expm1(log_p))));
    }
    return -sum;
  }

 private:
  RowPass<double> pass_;
  std::vector<double> logits_;
};

}  // namespace

std::vector<double> generalized_entropy_scores(Rows logits, double gamma, std::size_t largest,
                                               const RowOptions& options) {
  check_in("gamma", gamma, "(0, inf)");
  check_at_least("largest", largest, 1);
  std::vector<double> result(logits.rows(), std::numeric_limits<double>::quiet_NaN());
  for_each_row<GeneralizedEntropy>(
      logits.rows(), options, [&](std::size_t r, GeneralizedEntropy& score) {
        result[r] = score(RowReader<double>(logits, r), gamma, largest);
      });
  return result;
}

}  // namespace partita
