// SPDX-License-Identifier: Apache-2.0
// Stochastic beam search: k distinct sequences from a sequence model, an exact ordered sample
// without replacement, at the cost of a beam search of width k.
//
//   partita::StochasticBeam beam = partita::stochastic_beam_search(model, {}, 25, {.seed = 1});
//   beam.sequences[0].tokens     // the first one drawn: with probability exp(log_prob)
//   beam.sequences[1]            // the second: with its probability among the rest, and so on
//
//   double mean = 0;             // an unbiased estimate of E f: see importance_weights.hpp
//   for (std::size_t i = 0; i < beam.sequences.size(); ++i)
//     mean += beam.weights[i] * f(beam.sequences[i].tokens);
//
// Kool, van Hoof, Welling, "Stochastic beams and where to find them", ICML 2019. Every sequence y
// has a perturbed log-probability G_y = phi_y + Gumbel noise, and the k largest are the sample.
// Nobody lists all sequences: the largest G below a prefix S is Gumbel(phi_S), so it is drawn
// first, and the children of S are drawn given that the largest of them is G_S. A beam that keeps
// the k prefixes of largest G_S ends with the k sequences of largest G_y.
//
// The noise below a prefix is a function of the stream and the prefix alone. Hence, under the same
// stream, the beam for k is a prefix of the beam for k + 1, UniqueSampler returns the same
// sequences in the same order, and the batch makes no difference.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

struct StochasticBeam {
  /// In the order drawn: `perturbed` descends. Fewer than k if the model has fewer sequences.
  std::vector<PerturbedHypothesis> sequences;
  /// kappa: the perturbed log-probability of the (k+1)-th sequence; -inf when there is none.
  double threshold = 0;
  /// Importance weights p / q, with p = exp(log_prob) and q = 1 - exp(-exp(log_prob - kappa)) the
  /// probability of being in the sample given kappa (Kool et al. 2019, section 4.1).
  std::vector<double> weights;
};

/// @param k      >= 1
/// @param stream the sample is a function of the model, the prompt, the options, k and this stream.
/// @throws InvalidArgument if k is 0 or more than the model's most_prefixes(), an option is out of
///         range, or the model gives NaN, +inf or only -inf.
StochasticBeam stochastic_beam_search(const SequenceModel& model, const Sequence& prompt,
                                      std::size_t k, const Stream& stream,
                                      const SearchOptions& options = {});

/// One search for each prompt, prompt i with streams[i]; the model is called once per step for the
/// searches of a batch.
std::vector<StochasticBeam> stochastic_beam_search(const SequenceModel& model, Prompts prompts,
                                                   std::size_t k, const Streams& streams,
                                                   const SearchOptions& options = {});

}  // namespace partita
