// SPDX-License-Identifier: Apache-2.0
// A C++ function as a sequence model: strings of balanced brackets, no two alike.
//
// The function below is all that a search needs to know: given a prefix, the logits of what may
// come next, -inf for what may not. The same searches run over an n-gram model, a TorchScript
// module or llama.cpp (partita/search/sequence_model.hpp says how).
#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdio>
#include <limits>
#include <span>
#include <string>
#include <vector>

#include "partita/search/importance_weights.hpp"
#include "partita/search/sequence_model.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

namespace {

enum : partita::Token { kOpen, kClose, kEnd, kTokens };

std::vector<double> brackets(std::span<const partita::Token> prefix) {
  const double never = -std::numeric_limits<double>::infinity();
  const auto opened = std::count(prefix.begin(), prefix.end(), kOpen);
  const auto depth = 2 * opened - static_cast<std::ptrdiff_t>(prefix.size());
  return {
      -0.5 * static_cast<double>(depth),            // "(": the deeper, the rarer
      depth > 0 ? 0.0 : never,                      // ")": something must be open
      depth == 0 && !prefix.empty() ? 0.0 : never,  // the end: nothing may be
  };
}

std::string text(const partita::Sequence& tokens) {
  std::string out;
  for (const partita::Token token : tokens) out += token == kOpen ? '(' : ')';
  return out;
}

}  // namespace

int main() {
  const partita::CallableModel model(kTokens, kEnd, brackets);
  const partita::SearchOptions options{.max_length = 200};

  std::puts("Eight different strings, an exact sample without replacement:\n");
  const partita::StochasticBeam beam =
      partita::stochastic_beam_search(model, {}, 8, {.seed = 1}, options);
  std::puts("probability   weight   string");
  for (std::size_t i = 0; i < beam.sequences.size(); ++i) {
    const partita::PerturbedHypothesis& h = beam.sequences[i];
    std::printf("%11.5f %8.4f   %s\n", std::exp(h.log_prob), beam.weights[i],
                text(h.tokens).c_str());
  }

  std::puts("\nMean length, estimated from so many of them:\n");
  partita::UniqueSampler sampler(model, {}, {.seed = 2}, options);
  std::vector<double> log_prob;
  std::vector<double> length;
  for (const std::size_t k : {10U, 100U, 1000U}) {
    while (log_prob.size() < k) {
      const auto next = sampler.next();  // the next one that has not been returned
      if (!next) break;
      log_prob.push_back(next->log_prob);
      length.push_back(static_cast<double>(next->tokens.size()));
    }
    const partita::Estimate mean = partita::estimate(log_prob, sampler.threshold(), length);
    std::printf("%5zu strings: %.3f (plain), %.3f (normalized)\n", log_prob.size(), mean.plain,
                mean.normalized);
  }
}
