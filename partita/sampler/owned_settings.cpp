// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/owned_settings.hpp"

namespace partita {

OwnedSamplerSettings::OwnedSamplerSettings(const SamplerSettings& settings)
    : values(settings),
      order(settings.order.begin(), settings.order.end()),
      logit_bias(settings.logit_bias.begin(), settings.logit_bias.end()),
      allowed(settings.allowed.begin(), settings.allowed.end()),
      history(settings.history.begin(), settings.history.end()),
      dry_breakers(settings.dry_breakers.begin(), settings.dry_breakers.end()) {
  if (settings.mirostat_state != nullptr) mirostat = *settings.mirostat_state;
  if (settings.adaptive_state != nullptr) adaptive = *settings.adaptive_state;
}

SamplerSettings OwnedSamplerSettings::settings() {
  SamplerSettings s = values;
  s.order = order;
  s.logit_bias = logit_bias;
  s.allowed = allowed;
  s.history = history;
  s.dry_breakers = dry_breakers;
  s.mirostat_state = &mirostat;
  s.adaptive_state = &adaptive;
  return s;
}

}  // namespace partita
