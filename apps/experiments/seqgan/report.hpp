// SPDX-License-Identifier: Apache-2.0
// The reports of `partita seqgan`; `command` is what made one, for its foot.
#pragma once

#include <string>

#include "apps/experiments/seqgan/experiment.hpp"

namespace partita::app {

std::string seqgan_report(const SeqganOracleResult& result, const SeqganOptions& options,
                          const std::string& command);
std::string seqgan_report(const SeqganTextResult& result, const SeqganOptions& options,
                          const std::string& command);
std::string seqgan_report(const SeqganContinuousResult& result, const SeqganOptions& options,
                          const std::string& command);

}  // namespace partita::app
