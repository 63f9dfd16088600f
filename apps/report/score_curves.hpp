// SPDX-License-Identifier: Apache-2.0
// Curves of scores, for the pages of detect and openset.
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "apps/report/figure.hpp"
#include "partita/detection/roc.hpp"

namespace partita::app {

/// The points of a curve to draw: all, or an even selection that keeps both ends.
RocCurve thinned(const RocCurve& curve);

/// part / whole
double share(std::size_t part, std::size_t whole);

/// True positive rate against false positive rate.
Series roc_series(const RocCurve& curve, std::string name);

/// The share of the values in each of so many equal bins, as steps; values beyond low or high are
/// in the first or last bin.
Series histogram(std::string name, std::span<const double> values, double low, double high,
                 std::size_t bins);

}  // namespace partita::app
