// The page and lines of `partita gradients`.
#pragma once

#include <string>

#include "apps/command/terminal.hpp"
#include "apps/experiments/gradients/experiment.hpp"

namespace partita::app {

/// A self-contained HTML page. @throws IoError if gnuplot, which draws the figures, is missing
std::string report_html(const GradientsResult& result, const GradientsOptions& options);

/// A summary for a terminal.
std::string summary_text(const GradientsResult& result);

Json summary_json(const GradientsResult& result, const GradientsOptions& options);

}  // namespace partita::app
