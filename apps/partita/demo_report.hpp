// The pages and lines of `partita demo`.
#pragma once

#include <string>

#include "demo_experiment.hpp"
#include "terminal.hpp"

namespace partita::app {

/// A self-contained HTML page. @throws IoError if gnuplot, which draws the figures, is missing
std::string report_html(const DemoResult& result, const DemoOptions& options);

/// A summary for a terminal.
std::string summary_text(const DemoResult& result, const DemoOptions& options);

Json summary_json(const DemoResult& result, const DemoOptions& options);

}  // namespace partita::app
