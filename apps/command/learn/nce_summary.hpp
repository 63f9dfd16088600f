// SPDX-License-Identifier: Apache-2.0
// What `partita nce` prints.
#pragma once

#include <string>

#include "apps/command/terminal.hpp"
#include "apps/experiments/nce/experiment.hpp"

namespace partita::app {

std::string summary_text(const NceExperimentResult& result);
Json summary_json(const NceExperimentResult& result, const NceExperimentOptions& options,
                  const std::string& report);

}  // namespace partita::app
