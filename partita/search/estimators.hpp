// Expectations from a sample without replacement: E f = sum_y p(y) f(y) over all sequences (or
// categories), estimated from k distinct ones.
//
//   auto beam = partita::stochastic_beam_search(model, 50, {.seed = 1});
//   std::vector<double> log_prob, length;
//   for (const auto& s : beam.sequences) { ... }
//   partita::Estimate e = partita::estimate(log_prob, beam.threshold, length);
//   e.plain        // unbiased
//   e.normalized   // slightly biased, usually much closer
//
// A sample whose Gumbels are unknown (drawn one after the other by any program) gets them in
// hindsight: hindsight_gumbels().
#pragma once

#include <span>
#include <vector>

#include "partita/random/stream.hpp"

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

struct HindsightGumbels {
  std::vector<double> perturbed;  ///< one per item, descending
  double threshold = 0;           ///< kappa, of what was not drawn; -inf if nothing is left
};

/// The perturbed log-probabilities that k items drawn without replacement might have had, given
/// that they were drawn in this order (Shi, Bieber, Sutton 2020, section 4.1): the first is
/// Gumbel(0), the maximum of all; the next is Gumbel(log of the probability left) truncated at the
/// one before; the last is the threshold.
/// @param log_prob unconditional log-probabilities, in the order drawn.
/// @param log_rest log-probability of everything not drawn; -inf if the items are all there are.
/// @throws InvalidArgument if a log-probability is NaN or above 0.
HindsightGumbels hindsight_gumbels(std::span<const double> log_prob, double log_rest,
                                   Stream stream);

/// The same with log_rest = log(1 - sum of the probabilities), which is -inf where the sum is 1 to
/// rounding. Prefer the first form where the rest is known: it does not cancel.
HindsightGumbels hindsight_gumbels(std::span<const double> log_prob, Stream stream);

}  // namespace partita
