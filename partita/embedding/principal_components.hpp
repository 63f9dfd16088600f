// SPDX-License-Identifier: Apache-2.0
// Vectors as points in the plane.
//
//   auto places = partita::principal_components({vectors.data(), 400, 100});
//   places[i].x, places[i].y
#pragma once

#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

struct Place {
  double x;
  double y;
};

/// The first two principal components of rows of float: projections on the directions of largest
/// variance, found by orthogonal iteration. The sign of a direction is that of its largest element.
/// @throws InvalidArgument for fewer than 2 rows or columns, or elements that are not float
std::vector<Place> principal_components(Rows rows);

}  // namespace partita
