// Vectors in the plane, so that neighbors stay neighbors.
//
//   auto places = partita::tsne({vectors.data(), 400, 100}, {.perplexity = 30});
//   places[i].x, places[i].y
#pragma once

#include <cstddef>
#include <vector>

#include "partita/base/progress.hpp"
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

struct TsneOptions {
  double perplexity = 30;  ///< about how many neighbors a point has; > 0, at most (rows - 1) / 3
  int iterations = 750;    ///< >= 1; the first 250 with attraction exaggerated 12 times
};

/// t-SNE (van der Maaten, Hinton 2008) of rows of float, which it takes by their directions, from
/// their principal components on: there is no chance in it. Exact, hence O(rows^2): for a few
/// thousand points.
/// @throws InvalidArgument
std::vector<Place> tsne(Rows rows, const TsneOptions& options = {}, const Progress& progress = {});

}  // namespace partita
