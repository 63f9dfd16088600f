// SPDX-License-Identifier: Apache-2.0
// Points of a plane, each drawn as its class: more points and classes than a figure's series can
// tell apart.
#pragma once

#include <string>
#include <vector>

namespace partita::app {

/// @param points [n, 2]. @param labels one per point. @param prior circles of radius 1, 2, 3 around
/// 0.
std::string latent_map_svg(const std::vector<double>& points,
                           const std::vector<std::string>& labels, const std::string& title,
                           bool prior);

}  // namespace partita::app
