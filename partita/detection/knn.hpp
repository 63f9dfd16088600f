// SPDX-License-Identifier: Apache-2.0
// How far a row of features lies from its k-th nearest neighbor in training, by direction (Sun,
// Ming, Zhu, Li, "Out-of-distribution detection with deep nearest neighbors", ICML 2022).
//
//   std::vector<double> scores = partita::knn_scores(features, training, 50);   // larger: nearer
#pragma once

#include <cstddef>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/progress.hpp"
#include "partita/base/rows.hpp"

namespace partita {

/// -|x / |x| - t / |t||, with t the k-th nearest of the training rows: from -2 to 0. The search is
/// exhaustive, over blocks of rows, so that only a few rows at a time are in memory as double. It
/// compares cosines: the error is about 1e-15 / distance, and at most 1e-7 where distances are near
/// 0. A row of `features` that is also in `training` is its own first neighbor. A row that is not
/// finite, or all zero, is a row error, and its score NaN.
/// @param features [rows, columns]
/// @param training [training rows, columns], each finite and not all zero
/// @param progress hears how many blocks of rows are done
/// @throws InvalidArgument if the columns differ, unless 1 <= k <= training rows, or if a training
///         row is bad.
std::vector<double> knn_scores(Rows features, Rows training, std::size_t k,
                               const RowOptions& options = {}, const Progress& progress = {});

}  // namespace partita
