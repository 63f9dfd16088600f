// SPDX-License-Identifier: Apache-2.0
// Speculative sampling: a small model drafts several tokens ahead, the large one judges them all in
// one call, and the text has exactly the large model's distribution.
//
//   auto drawn = partita::speculative_samples(target, draft, {}, 10, partita::Stream{.seed = 1},
//                                             {.draft_length = 4});
//   drawn.sequences[3].tokens, drawn.tokens_per_call()
//
// Two ways to judge, both exact:
//
//   rejection   A drafted token x is accepted with probability min(1, p(x) / q(x)), p the target's
//               distribution and q the draft's; else one is drawn from the residual, (p - q)+
//               normalized (Leviathan, Kalman, Matias 2023; Chen et al. 2023). No scheme accepts a
//               single draft more often than 1 - TV(p, q), and this one does. Several drafts are a
//               tree of prefixes without replacement, by stochastic beam search over the draft, and
//               are judged by recursive rejection (Jeon et al. 2024, arXiv 2402.14160).
//   coupling    Both models draw with the same addressed noise (gumbel/addressed.hpp), and a draft
//               is accepted as long as it is what the target draws (Daliri, Musco, Suresh 2024,
//               arXiv 2408.07978). The text is that of the target alone under this noise: another
//               draft makes it slower or faster, never different. One draft is accepted with
//               probability at least (1 - TV) / (1 + TV). Of several, draft k has a noise of its
//               own, and the target adds to each logit the largest of these noises (Rowan, Phan,
//               Khisti 2025, arXiv 2506.05632).
//
// A round is one call of the target for all drafted prefixes. What is saved is calls: a model that
// keeps a state still reads each of these prefixes from its beginning.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

/// What became of drafted candidates for one token.
struct SpeculativeDraw {
  Token token = 0;                      ///< the token: distributed as softmax(target)
  std::optional<std::size_t> accepted;  ///< which candidate it is; nothing: all were rejected
};

/// Judges candidates for the next token by recursive rejection: for each in turn, accept x with
/// probability min(1, p(x) / q(x)); else p <- (p - q)+ normalized, q <- q without x normalized;
/// when all are rejected, draw from p.
/// @param target     [1, V] logits of p.
/// @param draft      [1, V] logits of q.
/// @param candidates distinct tokens drawn from q without replacement, in the order drawn (an
///                   ordinary draw, if it is one); if there are none, the token is drawn from p.
/// @throws InvalidArgument if the sizes differ, a row holds NaN, +inf or only -inf, or a candidate
///         is no token, or one that the draft cannot draw.
SpeculativeDraw judge_drafts(Rows target, Rows draft, std::span<const Token> candidates,
                             const Stream& stream);

/// A draw from softmax(logits), [1, V], that tends to agree with draws of others that use one of
/// these addresses: arg max_i (z_i + max_k G_i^k), G^k the noise at the k-th address.
/// @throws InvalidArgument as addressed_gumbel_max(), or if there is no address.
Token coupled_draw(Rows logits, std::span<const Stream> addresses);

enum class SpeculativeMethod : std::uint8_t { rejection, coupling };

struct SpeculativeOptions {
  SpeculativeMethod method = SpeculativeMethod::rejection;
  std::size_t draft_length = 4;  ///< tokens that are drafted ahead, 1 or more
  std::size_t drafts = 1;        ///< sequences that are drafted side by side, 1 or more
};

struct SpeculativeSamples {
  std::vector<Hypothesis> sequences;  ///< log-probabilities are the target's
  std::size_t tokens = 0;             ///< of all sequences, ends included
  std::size_t calls = 0;              ///< of the target: rounds of all sequences
  std::size_t accepted = 0;           ///< tokens that had been drafted

  /// How many tokens a call of the target yields: between 1 and draft_length + 1.
  double tokens_per_call() const {
    return static_cast<double>(tokens) / static_cast<double>(calls);
  }
};

/// Draws n sequences of the target that begin with `prompt`, with tokens drafted by `draft`; the
/// filter of `options` is applied to both. Sample i depends on streams[i] alone.
/// @throws InvalidArgument as ancestral_samples(), or if the models' vocabularies or end tokens
///         differ, a number of `speculation` is 0, or the target cannot hold a round's prefixes.
SpeculativeSamples speculative_samples(const SequenceModel& target, const SequenceModel& draft,
                                       const Sequence& prompt, std::size_t n,
                                       const Streams& streams,
                                       const SpeculativeOptions& speculation = {},
                                       const SearchOptions& options = {});

}  // namespace partita
