// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/draw_without_replacement.hpp"

#include <fmt/format.h>

#include <cstdint>
#include <span>

#include "partita/base/error.hpp"

namespace partita::sampler {

void draw_without_replacement(const Candidates& kept, const SamplerSettings& settings,
                              const Stream& stream, TopDown& top_down, TopKSample& sample,
                              std::size_t r) {
  const std::size_t k = sample.k;
  if (kept.ids.size() < k) {
    throw InvalidArgument(
        "settings", fmt::format("k = {}, but only {} categories are kept", k, kept.ids.size()));
  }
  const Normalizer normalizer = top_down.reset(Rows(std::span(kept.logits)));
  // XTC's coin is the stream's first word: where it is read, noise begins after it.
  const std::uint64_t position = settings.uses(SamplerStep::xtc) ? 4 : 0;
  top_down.start(stream, {.position = position});
  for (std::size_t j = 0; j < k; ++j) {
    const auto item = top_down.next();
    sample.indices[r * k + j] = kept.ids[static_cast<std::size_t>(item->index)];
    sample.perturbed[r * k + j] = item->perturbed;
    sample.log_prob[r * k + j] = normalizer.log_prob(item->logit);
  }
  sample.log_sum_exp[r] = normalizer.max + normalizer.log_sum;
  sample.threshold[r] = top_down.peek();
}

}  // namespace partita::sampler
