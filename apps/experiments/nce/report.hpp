// SPDX-License-Identifier: Apache-2.0
// The page of `partita nce`.
#pragma once

#include <string>

#include "apps/experiments/nce/experiment.hpp"

namespace partita::app {

/// A self-contained HTML page. @param command that made it, for its foot
/// @throws IoError if gnuplot, which draws the figures, is missing
std::string report_html(const NceExperimentResult& result, const NceExperimentOptions& options,
                        const std::string& command);

}  // namespace partita::app
