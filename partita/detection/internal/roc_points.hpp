// SPDX-License-Identifier: Apache-2.0
// The points of a ROC curve: of scores in one place, and of scores that lie on several ranks. Not
// installed.
#pragma once

#include <cstddef>
#include <functional>
#include <span>
#include <vector>

#include "partita/base/group.hpp"
#include "partita/detection/roc.hpp"

namespace partita {

/// @throws InvalidArgument if a score is NaN
std::vector<double> descending(const char* name, std::span<const double> scores);

/// roc_curve() of scores that are sorted already, of which there may be none.
RocCurve points_of(std::span<const double> positive, std::span<const double> negative);

/// Calls visit(point) for all points but the first of the curve that the scores of all ranks have
/// together, from the highest score down: the same calls on every rank.
/// @param own   points_of() this rank's scores
/// @param block how many distinct scores of a rank others hold at a time, or so
void visit_points(const RocCurve& own, Group& group,
                  const std::function<void(const OperatingPoint&)>& visit,
                  std::size_t block = std::size_t{1} << 16U);

}  // namespace partita
