// SPDX-License-Identifier: Apache-2.0
// The draw of sample_without_replacement(), from a row or a split one. Not installed.
#pragma once

#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/gumbel/top_down.hpp"
#include "partita/sampler/filter.hpp"

namespace partita::sampler {

/// Row r of `sample`, from what the settings have kept of it.
/// @throws InvalidArgument if that is fewer than sample.k.
void draw_without_replacement(const Candidates& kept, const SamplerSettings& settings,
                              const Stream& stream, TopDown& top_down, TopKSample& sample,
                              std::size_t r);

}  // namespace partita::sampler
