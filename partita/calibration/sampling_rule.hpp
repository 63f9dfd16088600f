// SPDX-License-Identifier: Apache-2.0
// Conformal language modeling: when to stop drawing answers to a prompt, and which of them to keep,
// so that one of those kept is admissible (right, by whatever is asked) as often as promised.
//
//   std::vector<partita::Candidates> prompts = ...;   // what was drawn for each held-out prompt
//   auto rule = partita::fit_sampling_rule(prompts, {.seed = 1}, {.epsilon = 0.2, .delta = 0.05});
//
//   partita::SampledSet set = partita::sample_set(rule, candidates);
//   for (std::size_t i : set.kept) ...                // of set.draws candidates that were needed
//
// A rule goes through candidates in the order in which they are drawn. It rejects those that are
// too similar to one that it has kept, or of too low a quality, and ends once it trusts what it has
// kept (Quach, Fisch, Schuster, Yala, Sohn, Jaakkola, Barzilay, "Conformal language modeling", ICLR
// 2024, algorithm 1). The risk of a rule is the probability that its set holds no admissible
// candidate. With probability 1 - delta over the held-out prompts
//
//   P(the set of a new prompt holds no admissible candidate) <= epsilon,
//
// whatever the model, if prompts are independent draws of one distribution and their candidates are
// drawn in the same way. The candidates of a prompt may depend on each other: they may be distinct,
// as those of stochastic_beam_search and UniqueSampler are.
//
// Half of the prompts, drawn at random, propose rules: of a grid of thresholds, those that no other
// rule beats in both misses and cost, the mean number of draws and kept candidates. The other half
// tests "the risk exceeds epsilon" for one after the other, beginning with the rule that keeps
// everything, in the order of their misses (Pareto testing: Laufer-Goldshtein, Fisch, Barzilay,
// Jaakkola, ICLR 2023). The p-value of m misses among n prompts is
//
//   P(Binomial(n, epsilon) <= m).
//
// Tests in an order that was fixed before need no correction: each is at delta, up to the first
// that does not reject (Angelopoulos, Bates, Candes, Jordan, Lei, "Learn then test", 2021). The
// last rule that passed is the cheapest, and is the one returned.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "partita/random/stream.hpp"

namespace partita {

/// How far a set is trusted (Quach et al., section 4.4).
enum class SetConfidence : std::uint8_t {
  first_k,  ///< by the number of those kept
  max,      ///< by their highest quality
  sum,      ///< by the sum of their qualities: of distinct sequences, the probability of them all
};

/// "first-k", "max", "sum".
std::string_view name_of(SetConfidence confidence);

struct SamplingRuleOptions {
  double epsilon = 0.1;  ///< the largest share of sets without an admissible candidate, in (0, 1)
  double delta = 0.05;   ///< the probability that a rule breaks this promise, in (0, 1)
  SetConfidence confidence = SetConfidence::sum;
};

/// The k candidates of a prompt, in the order drawn.
struct Candidates {
  std::vector<double> quality;  ///< [k], finite: a probability, say; not negative for `sum`
  /// [k, k], row-major, finite: how similar candidate i is to j, used for j < i. Empty: none is
  /// rejected for its similarity.
  std::vector<double> similarity = {};
  std::vector<bool> admissible = {};  ///< [k]; only fits read it
};

struct SamplingRule {
  SamplingRuleOptions options;
  /// More similar than this to one that is kept: rejected.
  double similarity = std::numeric_limits<double>::infinity();
  /// Of a lower quality than this: rejected.
  double quality = -std::numeric_limits<double>::infinity();
  /// Once the confidence is this, or more, nothing more is drawn.
  double confidence = std::numeric_limits<double>::infinity();
  std::size_t max_draws = 0;  ///< nor after so many candidates: as many as held-out prompts had
  std::size_t tested = 0;     ///< the prompts that tested the rule
  std::size_t misses = 0;     ///< those of them without an admissible candidate in their set

  /// P(Binomial(tested, epsilon) <= misses), at most delta.
  double p_value() const;
};

/// @param prompts two or more, each with all candidates that one is ready to draw; one without any
///                counts as a miss
/// @throws InvalidArgument naming the first bad prompt, or an option out of its range; or naming
///         epsilon if not even the sets of all candidates are shown to keep the promise: it says
///         how often these miss, and the least epsilon that they do keep
SamplingRule fit_sampling_rule(std::span<const Candidates> prompts, const Stream& stream,
                               const SamplingRuleOptions& options = {});

struct SampledSet {
  std::vector<std::size_t> kept;  ///< indices of candidates, ascending
  std::size_t draws = 0;          ///< how many candidates were looked at
};

/// @throws InvalidArgument if a candidate is not as described, or similarities are missing where
///         the rule rejects by them.
SampledSet sample_set(const SamplingRule& rule, const Candidates& candidates);

/// The same as they are drawn, and no more than are needed.
/// @param draw       draws the next candidate and returns its quality, or nothing if there is none
/// @param similarity of candidate i to j < i, both drawn; may be empty if the rule needs none
SampledSet sample_set(const SamplingRule& rule, const std::function<std::optional<double>()>& draw,
                      const std::function<double(std::size_t i, std::size_t j)>& similarity = {});

}  // namespace partita
