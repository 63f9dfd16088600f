// SPDX-License-Identifier: Apache-2.0
// SamplerSettings together with what they point to, for whoever keeps them beyond a call.
//
//   partita::OwnedSamplerSettings kept(settings);      // a copy of all, states included
//   kept.history.push_back(token);
//   sample(logits, kept.settings(), stream);
#pragma once

#include <cstdint>
#include <vector>

#include "partita/sampler/settings.hpp"

namespace partita {

struct OwnedSamplerSettings {
  SamplerSettings values;  ///< all but what follows
  std::vector<SamplerStep> order{std::begin(kDefaultOrder), std::end(kDefaultOrder)};
  std::vector<LogitBias> logit_bias;
  std::vector<std::uint8_t> allowed;
  std::vector<std::int32_t> history;
  std::vector<std::int32_t> dry_breakers;
  MirostatState mirostat;
  AdaptiveState adaptive;

  OwnedSamplerSettings() = default;
  explicit OwnedSamplerSettings(const SamplerSettings& settings);

  /// A view, valid while this stays where it is. Draws by it update the states.
  SamplerSettings settings();
};

}  // namespace partita
