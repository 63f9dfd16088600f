// SPDX-License-Identifier: Apache-2.0
// Expectations from a sample without replacement: E f = sum_y p(y) f(y) over all sequences (or
// categories), estimated from k distinct ones.
//
//   auto beam = partita::stochastic_beam_search(model, {}, 50, {.seed = 1});
//   std::vector<double> log_prob, length;
//   for (const auto& s : beam.sequences) { ... }
//   partita::Estimate e = partita::estimate(log_prob, beam.threshold, length);
//   e.plain        // unbiased
//   e.normalized   // slightly biased, usually much closer
#pragma once

#include <span>
#include <vector>

namespace partita {

/// p / q: p = exp(log_prob), q = 1 - exp(-exp(log_prob - threshold)) the probability that an item
/// is among the k of largest perturbed log-probability given kappa, the (k+1)-th (Kool et al. 2019,
/// eq. 12; Duffield, Lund, Thorup 2007). A threshold of -inf (k covers the support) gives p.
double importance_weight(double log_prob, double threshold);

std::vector<double> importance_weights(std::span<const double> log_prob, double threshold);

struct Estimate {
  double plain;       ///< sum_i w_i f_i: unbiased
  double normalized;  ///< sum_i w_i f_i / sum_i w_i: exact for a constant f
};

/// Estimates of E f from k items with the given log-probabilities and values of f.
/// @throws InvalidArgument if the sizes differ, there are no items, or a log-probability is NaN.
Estimate estimate(std::span<const double> log_prob, double threshold,
                  std::span<const double> values);

/// The same from weights, of whatever search gave them.
/// @throws InvalidArgument if the sizes differ, or there are no items.
Estimate estimate(std::span<const double> weights, std::span<const double> values);

}  // namespace partita
