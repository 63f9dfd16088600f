// SPDX-License-Identifier: Apache-2.0
// The sampler's steps as plain code: one row of doubles, in place, a removed category becoming -inf
// and the rest not being renormalized (softmax does that).
//
//   partita::SamplerSettings settings{.temperature = 0.8, .top_k = 40, .top_p = 0.95};
//   settings.check(row.size());
//   partita::apply_settings(settings, stream.child(request), row);       // std::span<double>
//
// sample() keeps exactly the same categories at the cost of a pass over the row; the tests compare
// it with this code, which defines what each setting means.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/sampler/settings.hpp"

namespace partita {

/// Bias, allowed tokens, and the steps of settings.order that are in use, on one row.
/// @param logits finite or -inf, at least one of them finite; at least one is left.
/// @param stream decides whether XTC happens; nothing else is random.
/// @throws InvalidArgument if the row holds NaN or +inf, or bias and allowed tokens leave nothing.
void apply_settings(const SamplerSettings& settings, const Stream& stream,
                    std::span<double> logits);

namespace sampler {

/// Categories and their logits, in the order of their columns.
struct Candidates {
  std::vector<std::int64_t> ids;
  std::vector<double> logits;

  /// Removes the impossible ones (-inf).
  void compact();
};

/// Whether XTC happens: the row's own coin, at position 0 of its stream.
bool excludes_top_choices(const SamplerSettings& settings, const Stream& stream);

/// low + (high - low) (H / log n)^exponent, of the entropy H of n possible categories.
double dynamic_temperature(const SamplerSettings& settings, double entropy, std::size_t possible);

/// Applies one step to all candidates.
/// @param categories columns of the row
/// @param ids        empty: logits are those of the columns 0, 1, ...
void apply_step(SamplerStep step, const SamplerSettings& settings, const Stream& stream,
                std::size_t categories, std::span<const std::int64_t> ids,
                std::span<double> logits);

}  // namespace sampler
}  // namespace partita
