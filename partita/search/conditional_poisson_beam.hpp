// SPDX-License-Identifier: Apache-2.0
// Conditional Poisson stochastic beams: beam search whose every step keeps k prefixes at random,
// as a set, where beam search keeps the k best.
//
//   auto set = partita::conditional_poisson_beam_search(model, {}, 25, {.seed = 1});
//   double mean = 0;             // an unbiased estimate of E f
//   for (std::size_t i = 0; i < set.sequences.size(); ++i)
//     mean += set.weights[i] * f(set.sequences[i].tokens);
//
// Meister, Amini, Vieira, Cotterell, "Conditional Poisson stochastic beams", EMNLP 2021. The
// candidates of a step are the children of the beam's prefixes and its sequences that have ended. A
// set S of k of them is kept with a probability proportional to the product of their odds
// w = p / (1 - p), p the model's probability of the prefix. Where there are no more than k, all are
// kept.
//
// A sequence y weighs p(y) / pi(y), pi(y) its probability of being in the last set S_T (Horvitz,
// Thompson 1952). One step's inclusion probabilities are known (gumbel/conditional_poisson.hpp),
// but pi(y) is a sum over all histories of the beam, for which the authors draw M "hindsight
// samples", histories that lead to y (each step's set is drawn given that it holds the prefix of
// y): the mean of
//
//   W = prod_t P(y_{<=t} in S_t | S_{t-1})
//
// over them is unbiased for pi(y). Its reciprocal is not for 1 / pi(y), so their estimate of E f is
// biased, the less the larger M. Here the history of the search itself is one of the M. Given y, it
// has the others' law times W / pi(y), so that E[M / sum_m W_m; y in S_T] = 1 by symmetry: the
// estimate is unbiased for every M, and M = 1 costs nothing beyond the search.
#pragma once

#include <cstddef>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

struct ConditionalPoissonBeam {
  /// Distinct, most likely first. Fewer than k if the model has fewer sequences.
  std::vector<Hypothesis> sequences;
  /// p(y) times an unbiased estimate of 1 / pi(y): sums of weights * f are unbiased for E f.
  std::vector<double> weights;
};

struct ConditionalPoissonOptions {
  /// M - 1: further histories from which each sequence's pi is estimated. Each costs a search of
  /// width k for each sequence, and lowers the weights' variance toward that of p / pi.
  std::size_t hindsight_samples = 0;
};

/// A step over n candidates takes O(n k) time.
/// @param k      >= 1
/// @param stream the set is a function of the model, the prompt, the options, k and this stream.
/// @throws InvalidArgument if k is 0 or more than the model's most_prefixes(), an option is out of
///         range, or the model gives NaN, +inf or only -inf.
ConditionalPoissonBeam conditional_poisson_beam_search(
    const SequenceModel& model, const Sequence& prompt, std::size_t k, const Stream& stream,
    const SearchOptions& options = {}, const ConditionalPoissonOptions& poisson = {});

/// One search for each prompt, prompt i with streams[i]; the model is called once per step for the
/// searches of a batch.
std::vector<ConditionalPoissonBeam> conditional_poisson_beam_search(
    const SequenceModel& model, Prompts prompts, std::size_t k, const Streams& streams,
    const SearchOptions& options = {}, const ConditionalPoissonOptions& poisson = {});

}  // namespace partita
