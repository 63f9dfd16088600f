// SPDX-License-Identifier: Apache-2.0
// What `partita vae train` prints.
#pragma once

#include <string>

#include "apps/command/terminal.hpp"
#include "apps/experiments/vae/experiment.hpp"

namespace partita::app {

std::string summary_text(const VaeResult& result, const VaeTrainOptions& options);
Json summary_json(const VaeResult& result, const VaeTrainOptions& options,
                  const std::string& report);

}  // namespace partita::app
