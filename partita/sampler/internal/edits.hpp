// SPDX-License-Identifier: Apache-2.0
// The steps that change the logits of single tokens: bias, penalties, bans. Not installed.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "partita/sampler/settings.hpp"

namespace partita::sampler {

/// Where a token's logit stands, until the next lookup; null if the token is not, or no longer,
/// there.
using Lookup = std::function<double*(std::int32_t token)>;

void apply_logit_bias(const SamplerSettings& settings, const Lookup& lookup);

/// Allowed tokens, on the columns of the row from `first` on.
void apply_allowed(const SamplerSettings& settings, std::span<double> logits,
                   std::size_t first = 0);

void apply_penalties(const SamplerSettings& settings, const Lookup& lookup);

/// Whether repeat_penalty, which asks where 0 is, comes after the temperature, which is otherwise
/// free to move the row.
bool penalizes_after_temperature(const SamplerSettings& settings);
void apply_dry(const SamplerSettings& settings, const Lookup& lookup);

/// The tokens that no_repeat_ngram forbids.
std::vector<std::int32_t> banned_tokens(const SamplerSettings& settings);

/// @param logits those of all tokens that are left, of which one stays.
void apply_no_repeat_ngram(const SamplerSettings& settings, std::span<double> logits,
                           const Lookup& lookup);

}  // namespace partita::sampler
