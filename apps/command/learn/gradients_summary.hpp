// SPDX-License-Identifier: Apache-2.0
// What `partita gradients` prints.
#pragma once

#include <string>

#include "apps/command/terminal.hpp"
#include "apps/experiments/gradients/experiment.hpp"

namespace partita::app {

std::string summary_text(const GradientsResult& result);
Json summary_json(const GradientsResult& result, const GradientsOptions& options,
                  const std::string& report);

}  // namespace partita::app
