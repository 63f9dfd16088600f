// SPDX-License-Identifier: Apache-2.0
// Texts of a language model given that they meet a constraint, by the model's own law: p(text) /
// P(constraint) for each text that meets it.
//
//   const partita::Constraint no_repeat = [](std::span<const partita::Token> text, bool) {
//     return text.size() < 2 || text.back() != text[text.size() - 2];
//   };
//   partita::ConstrainedSampler sampler(model, {}, no_repeat);
//   partita::Hypothesis text = sampler.draw(partita::Stream{.seed = 1});   // exact
//
// The usual way masks the tokens that would violate the constraint and draws from what is left.
// That has another law: it favors prefixes that the model likes and that then leave it few allowed
// tokens, since nothing is paid for being cornered. Here are two ways without that bias, which look
// only at what is drawn:
//
//   ConstrainedSampler     Independent exact draws: whole texts are rejected, but no dead prefix is
//                          met twice, since its probability is taken out of a tree of prefixes
//                          (CARS, arXiv 2510.01902). Best where a fair share of texts meets the
//                          constraint.
//   constrained_particles  Weighted texts by sequential Monte Carlo: particles never violate the
//                          constraint and are weighed by the probability that they avoided (AWRS:
//                          Lipkin et al. 2025, arXiv 2504.05410), resampled when few carry the
//                          weight. For rare constraints; estimates are consistent, and that of
//                          P(constraint) is unbiased.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

/// Whether a text, without its prompt and end token, meets the constraint if it is complete (ended,
/// or as long as allowed), or else may still come to. It may say yes to a prefix that no text
/// continues, at the price of time; what it says no to, no longer text may meet. Called from
/// several threads if the search is.
using Constraint = std::function<bool(std::span<const Token> text, bool complete)>;

struct AllowedDraw {
  Token token = 0;
  double log_prob = 0;  ///< by the row, among all tokens
  /// log of an unbiased estimate of the mass that is allowed, also given the token.
  double log_mass = 0;
  std::size_t looks = 0;  ///< calls of `allowed`
};

/// Draws a token from the allowed ones, in proportion to softmax(logits), without looking at all of
/// them: tokens come without replacement until one is allowed (adaptive weighted rejection
/// sampling, Lipkin et al. 2025). One token more is looked at for the estimate: with m the mass of
/// what had not been rejected before the token, it is m if the next token is allowed as well, and
/// else the token's own probability. Its expectation is the allowed mass, whatever the token.
/// @param logits [1, V].
/// @return nothing if no token is allowed: after looking at all that are possible.
/// @throws InvalidArgument if the row holds NaN, +inf or only -inf.
std::optional<AllowedDraw> allowed_draw(Rows logits, const std::function<bool(Token)>& allowed,
                                        const Stream& stream);

/// Independent texts from p(text | constraint), exactly.
class ConstrainedSampler {
 public:
  /// @param model must outlive the sampler, and so must what the filter points to.
  /// @param most_attempts texts that are drawn in vain before draw() gives up, 1 or more.
  /// @throws InvalidArgument as ancestral_samples(), or if there is no constraint.
  ConstrainedSampler(const SequenceModel& model, const Sequence& prompt, Constraint constraint,
                     const SearchOptions& options = {}, std::size_t most_attempts = 10'000);
  ~ConstrainedSampler();
  ConstrainedSampler(ConstrainedSampler&&) noexcept;
  ConstrainedSampler& operator=(ConstrainedSampler&&) noexcept;

  /// The text of a stream. Its log_prob is the unconstrained model's. Its law does not depend on
  /// earlier draws, but the text itself does: they have shown which prefixes are dead.
  /// @throws InvalidArgument naming the constraint, with the bound of its probability, if no text
  ///         met it in most_attempts, or none can.
  Hypothesis draw(const Stream& stream);

  /// An upper bound of P(constraint): 1 less the probability of all prefixes known to be dead.
  double mass_bound() const;

  /// Texts drawn so far, those that were rejected included.
  std::size_t attempts() const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct WeightedTexts {
  std::vector<Hypothesis> sequences;  ///< some may be equal; log-probabilities are the model's
  std::vector<double> weights;        ///< of each, in sum 1; empty if no particle survived
  double log_mass =
      -std::numeric_limits<double>::infinity();  ///< log of the estimate of P(constraint)
  std::size_t looks = 0;                         ///< calls of the constraint
};

/// Sequential Monte Carlo with `particles` texts. Every step, each draws an allowed token and is
/// weighed by the mass that was allowed; where the effective number, (sum w)^2 / sum w^2, falls
/// below half of them, they are resampled (systematically).
/// @throws InvalidArgument as ancestral_samples(), or if there is no constraint or particle.
WeightedTexts constrained_particles(const SequenceModel& model, const Sequence& prompt,
                                    const Constraint& constraint, std::size_t particles,
                                    const Stream& stream, const SearchOptions& options = {});

}  // namespace partita
