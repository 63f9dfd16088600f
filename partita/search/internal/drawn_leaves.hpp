// SPDX-License-Identifier: Apache-2.0
// Internal: what a stochastic beam search returns, from the leaves that it ended with.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

#include "partita/search/importance_weights.hpp"
#include "partita/search/internal/beam_steps.hpp"
#include "partita/search/stochastic_beam.hpp"

namespace partita {

/// @param leaves in descending order of their perturbed log-probabilities
/// @param prompt how many of their tokens are the prompt's
inline StochasticBeam drawn_leaves(std::vector<Prefix> leaves, std::size_t prompt,
                                   double threshold) {
  StochasticBeam out;
  out.threshold = threshold;
  std::vector<double> log_prob;
  for (Prefix& leaf : leaves) {
    strip_prompt(leaf.tokens, prompt);
    log_prob.push_back(leaf.log_prob);
    out.sequences.push_back(
        {{std::move(leaf.tokens), leaf.finished, leaf.log_prob}, leaf.perturbed});
  }
  out.weights = importance_weights(log_prob, threshold);
  return out;
}

}  // namespace partita
