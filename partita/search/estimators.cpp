#include "partita/search/estimators.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/softmax/scalar.hpp"

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
  if (threshold == -kInfinity) return std::exp(log_prob);
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
  if (log_prob.size() != values.size()) {
    throw InvalidArgument("values", fmt::format("expected {} (one a log-probability), got {}",
                                                log_prob.size(), values.size()));
  }
  if (log_prob.empty()) throw InvalidArgument("log_prob", "expected one or more, got none");
  check_log_prob(log_prob);
  const std::vector<double> weights = importance_weights(log_prob, threshold);
  const double sum = std::inner_product(weights.begin(), weights.end(), values.begin(), 0.0);
  return {sum, sum / std::accumulate(weights.begin(), weights.end(), 0.0)};
}

HindsightGumbels hindsight_gumbels(std::span<const double> log_prob, double log_rest,
                                   Stream stream) {
  check_log_prob(log_prob);
  check_log_prob({&log_rest, 1});
  // left[i]: log of the probability left before draw i, summed from the far end so that it shrinks
  // exactly to log_rest.
  std::vector<double> left(log_prob.size() + 1, log_rest);
  for (std::size_t i = log_prob.size(); i > 0; --i) {
    left[i - 1] = log_add_exp(left[i], log_prob[i - 1]);
  }
  HindsightGumbels out;
  Draws draws(stream);
  double last = kInfinity;
  for (const double location : left) {
    last = truncated_gumbel(draws.exponential(), location, last);
    out.perturbed.push_back(last);
  }
  out.threshold = last;
  out.perturbed.pop_back();
  return out;
}

HindsightGumbels hindsight_gumbels(std::span<const double> log_prob, Stream stream) {
  double sum = 0;
  for (const double phi : log_prob) sum += std::exp(phi);
  const double rest = 1 - sum;
  const double rounding =
      static_cast<double>(log_prob.size() + 1) * std::numeric_limits<double>::epsilon();
  return hindsight_gumbels(log_prob, rest > rounding ? std::log(rest) : -kInfinity, stream);
}

}  // namespace partita
