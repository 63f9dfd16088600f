// SPDX-License-Identifier: Apache-2.0
// The page of `partita gradients`.
#pragma once

#include <string>

#include "apps/experiments/gradients/experiment.hpp"

namespace partita::app {

/// A self-contained HTML page. @param command that made it, for its foot
/// @throws IoError if gnuplot, which draws the figures, is missing
std::string report_html(const GradientsResult& result, const GradientsOptions& options,
                        const std::string& command);

}  // namespace partita::app
