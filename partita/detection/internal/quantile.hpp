// SPDX-License-Identifier: Apache-2.0
// A quantile of more numbers than memory holds. Not installed.
#pragma once

#include "partita/base/rows.hpp"

namespace partita {

/// The smallest value that at least a share of all values do not exceed (Hyndman and Fan 1996, type
/// 1): exact, in four passes over the rows.
/// @param values finite, and at least one
/// @param share  in [0, 1]
double quantile(Rows values, double share);

}  // namespace partita
