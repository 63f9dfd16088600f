// SPDX-License-Identifier: Apache-2.0
// Counterfactual texts: given that a model wrote this text, what would another one have written
// with the same luck?
//
//   auto others = partita::counterfactual_samples(model, {}, observed, other_model, {}, 10,
//                                                 partita::Stream{.seed = 1});
//
// A model with Gumbel-max is a structural model: token t is the arg max of logits plus noise, and
// the noise is what the model does not decide. Given the text, the noise of each position is drawn
// from its posterior; then anything else may change (the weights, the prompt, the temperature), and
// the tokens are drawn anew with that noise (Oberst, Sontag, "Counterfactual off-policy evaluation
// with Gumbel-max structural causal models", ICML 2019; Ravfogel, Svete, Snæbjarnarson, Cotterell,
// "Gumbel counterfactual generation from language models", ICLR 2025, arXiv 2411.07180).
//
// If nothing changes, the text comes back. If the observed texts are the first model's, their
// counterfactuals have the second model's distribution. And no token changes without a reason: it
// becomes j only if j's probability has grown, relatively, by more than its own (counterfactual
// stability, Oberst and Sontag, theorem 2).
#pragma once

#include <cstddef>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

/// The Gumbels G_i of a row, [V], given that the arg max of z_i + G_i was `token`: with Z the
/// maximum, Gumbel(log sum exp z), and E_i independent standard exponentials,
///   G_token = Z - z_token,    G_i = -log(E_i + exp(z_i - Z)),
/// a Gumbel truncated where z_i + G_i = Z (Kool et al. 2019, eq. 20). For an impossible category
/// (-inf) that is an ordinary Gumbel: the draw says nothing of its noise.
/// @param logits [1, V].
/// @throws InvalidArgument if the row holds NaN, +inf or only -inf, or the token is not possible.
std::vector<double> noise_given_draw(Rows logits, Token token, const Stream& stream);

/// n texts of `other` after `other_prompt`, each with a noise of its own from the posterior given
/// that `model` has continued `prompt` by `observed`. Beyond the observed text noise is fresh.
/// Noise of token t of sample i comes from streams[i].child(t).
/// @param observed its tokens, and whether it ended there (its log_prob is not read).
/// @param options  of the observed text's model: only its filter is used.
/// @param other_options of the other.
/// @throws InvalidArgument as ancestral_samples(), or if the models' vocabularies or end tokens
///         differ, or the model cannot have written the observed text.
std::vector<Hypothesis> counterfactual_samples(
    const SequenceModel& model, const Sequence& prompt, const Hypothesis& observed,
    const SequenceModel& other, const Sequence& other_prompt, std::size_t n, const Streams& streams,
    const SearchOptions& options = {}, const SearchOptions& other_options = {});

}  // namespace partita
