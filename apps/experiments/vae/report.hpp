// SPDX-License-Identifier: Apache-2.0
// The pages of `partita vae`; `command` is what made one, for its foot.
#pragma once

#include <string>
#include <vector>

#include "apps/experiments/vae/experiment.hpp"
#include "apps/report/page.hpp"

namespace partita::app {

std::string vae_report(const VaeResult& result, const VaeTrainOptions& options,
                       const std::string& command);

/// Images of rows x columns pixels of 0 to 1 as a figure, so many in a row.
CaptionedFigure image_figure(const std::vector<double>& images, std::size_t rows,
                             std::size_t columns, std::size_t across, const std::string& title,
                             const std::string& caption);

}  // namespace partita::app
