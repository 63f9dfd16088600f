// SPDX-License-Identifier: Apache-2.0
// Feature rows as columns of Eigen matrices. Not installed.
#pragma once

#include <Eigen/Core>
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/base/internal/parallel_progress.hpp"
#include "partita/base/rows.hpp"

namespace partita {

/// Feature rows [first, first + count) in double, one per column: [columns, count].
Eigen::MatrixXd feature_columns(Rows features, std::size_t first, std::size_t count);

enum class Need : std::uint8_t {
  finite,
  direction,    ///< and not all zero
  activations,  ///< and neither negative nor all zero, as after a ReLU
  logits,       ///< or -inf, but not all
};

/// 0 for a row that meets the need. Any other is a row error of argument `name`, and NaN here.
std::vector<double> check_features(const char* name, Rows features, Need need,
                                   const RowOptions& options);

/// sum += x x', of which only the lower half is kept; some columns of it by each thread.
void add_outer_products(const Eigen::MatrixXd& x, int threads, Eigen::MatrixXd& sum);

/// Calls body(first, count) for blocks of at most `size` rows. The blocks, and so the sums inside
/// them, do not depend on the number of threads.
template <class Body>
void for_each_block(std::size_t rows, std::size_t size, int threads, const Body& body,
                    const Progress& progress = {}) {
  const auto some = [&](std::size_t begin, std::size_t end) {
    for (std::size_t b = begin; b < end; ++b) body(b * size, std::min(size, rows - b * size));
  };
  parallel_for((rows + size - 1) / size, threads, progress, "blocks of rows", some);
}

}  // namespace partita
