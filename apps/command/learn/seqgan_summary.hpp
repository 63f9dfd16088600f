// SPDX-License-Identifier: Apache-2.0
// What `partita seqgan` prints.
#pragma once

#include <string>

#include "apps/command/terminal.hpp"
#include "apps/experiments/seqgan/experiment.hpp"

namespace partita::app {

std::string summary_text(const SeqganOracleResult& result);
std::string summary_text(const SeqganTextResult& result);
std::string summary_text(const SeqganContinuousResult& result);
Json summary_json(const SeqganOracleResult& result, const SeqganOptions& options,
                  const std::string& report);
Json summary_json(const SeqganTextResult& result, const SeqganOptions& options,
                  const std::string& report);
Json summary_json(const SeqganContinuousResult& result, const SeqganOptions& options,
                  const std::string& report);

}  // namespace partita::app
