// SPDX-License-Identifier: Apache-2.0
// The report of `partita openset train`; `command` is what made it, for its foot.
#pragma once

#include <string>

#include "apps/experiments/openset/experiment.hpp"
#include "apps/report/page.hpp"

namespace partita::app {

/// Confidence over the plane, with the points that were learned from, given and generated.
CaptionedFigure openset_map(const OpensetResult& result, const OpensetVariant& variant);

std::string openset_report(const OpensetResult& result, const OpensetOptions& options,
                           const std::string& command);

}  // namespace partita::app
