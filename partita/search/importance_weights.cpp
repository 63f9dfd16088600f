// SPDX-License-Identifier: Apache-2.0
#include "partita/search/importance_weights.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void check_log_prob(std::span<const double> log_prob) {
  for (std::size_t i = 0; i < log_prob.size(); ++i) {
    // Rounding may leave the log-probability of something certain a little above 0.
    if (!(log_prob[i] <= 1e-6)) {
      throw InvalidArgument("log_prob",
                            fmt::format("expected 0 or less, got {} at {}", log_prob[i], i));
    }
  }
}

}  // namespace

double importance_weight(double log_prob, double threshold) {
  if (threshold == -kInfinity || log_prob == -kInfinity) return std::exp(log_prob);
  // For a tiny p both p and q underflow; their quotient, in logarithms, does not.
  return std::exp(log_prob - inclusion_log_prob(log_prob, threshold));
}

std::vector<double> importance_weights(std::span<const double> log_prob, double threshold) {
  std::vector<double> weights(log_prob.size());
  std::transform(log_prob.begin(), log_prob.end(), weights.begin(),
                 [&](double phi) { return importance_weight(phi, threshold); });
  return weights;
}

Estimate estimate(std::span<const double> log_prob, double threshold,
                  std::span<const double> values) {
  check_at_least("log_prob", log_prob.size(), 1);
  check_size("values", values.size(), log_prob.size(), "one for each log-probability");
  check_log_prob(log_prob);
  return estimate(importance_weights(log_prob, threshold), values);
}

Estimate estimate(std::span<const double> weights, std::span<const double> values) {
  check_at_least("weights", weights.size(), 1);
  check_size("values", values.size(), weights.size(), "one for each weight");
  const double sum = std::inner_product(weights.begin(), weights.end(), values.begin(), 0.0);
  return {sum, sum / std::accumulate(weights.begin(), weights.end(), 0.0)};
}

}  // namespace partita
