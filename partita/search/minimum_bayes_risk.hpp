// SPDX-License-Identifier: Apache-2.0
// Minimum Bayes risk: of several sequences, the one that agrees best with all of them, where the
// most likely one may be an outlier.
//
//   auto beam = partita::stochastic_beam_search(model, {}, 50, {.seed = 1});
//   std::vector<partita::Sequence> sequences;
//   for (const auto& s : beam.sequences) sequences.push_back(s.tokens);
//   auto risk = partita::minimum_bayes_risk(sequences, beam.weights);
//   sequences[risk.choice]
//
// The sequence y of highest expected utility E u(y, Y), Y the model's (Kumar, Byrne 2004; Eikema,
// Aziz 2022), with the expectation estimated from the sequences themselves:
//
//   arg max_i sum_j w_j u(y_i, y_j) / sum_j w_j
//
// The weights are 1 for independent samples, and the importance weights of distinct ones.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "partita/search/sequence_model.hpp"

namespace partita {

/// How good `hypothesis` is where `reference` is right; any finite number.
using Utility =
    std::function<double(std::span<const Token> hypothesis, std::span<const Token> reference)>;

/// F_beta = (1 + beta^2) P R / (beta^2 P + R) of the n-grams of both for n = 1 ... max_n, in
/// [0, 1]: P is the share of the hypothesis's n-grams that the reference has as well, as often, and
/// R that of the reference's that the hypothesis has, each a mean over those n of which both have
/// n-grams. Of characters, it is chrF (Popovic, "chrF: character n-gram F-score for automatic MT
/// evaluation", WMT 2015; with sacreBLEU's defaults). Two empty sequences agree wholly.
struct NgramFScore {
  std::size_t max_n = 6;  ///< >= 1
  double beta = 2;        ///< how many times as important R is as P: in (0, inf)

  /// @throws InvalidArgument if a member is out of range.
  double operator()(std::span<const Token> hypothesis, std::span<const Token> reference) const;
};

/// F_1 of the tokens, whatever their order: NgramFScore{1, 1}. Of words, it is SQuAD's (Rajpurkar
/// et al. 2016).
inline constexpr NgramFScore kTokenF1{.max_n = 1, .beta = 1};

struct MinimumBayesRisk {
  std::size_t choice;             ///< which sequence to choose; of equal ones, the first
  std::vector<double> utilities;  ///< each sequence's expected utility
};

/// Computes n^2 utilities.
/// @throws InvalidArgument if there are no sequences, the sizes differ, a weight is negative, NaN
///         or infinite, all weights are 0, or a utility is not finite.
MinimumBayesRisk minimum_bayes_risk(std::span<const Sequence> sequences,
                                    std::span<const double> weights,
                                    const Utility& utility = NgramFScore{});

}  // namespace partita
