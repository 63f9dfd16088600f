// SPDX-License-Identifier: Apache-2.0
// What `partita openset train` prints.
#pragma once

#include <string>

#include "apps/command/terminal.hpp"
#include "apps/experiments/openset/experiment.hpp"

namespace partita::app {

std::string summary_text(const OpensetResult& result, const OpensetOptions& options);
Json summary_json(const OpensetResult& result, const OpensetOptions& options,
                  const std::string& report);

}  // namespace partita::app
