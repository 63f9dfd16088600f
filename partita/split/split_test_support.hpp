// SPDX-License-Identifier: Apache-2.0
// What the tests of split/ share: a matrix of logits, and the same call on every rank of a group.
#pragma once

#include <mutex>
#include <random>
#include <vector>

#include "partita/base/thread_group.hpp"
#include "partita/split/columns.hpp"

namespace partita::testing {

inline std::vector<float> normal_logits(std::size_t rows, std::size_t columns, double sigma) {
  std::mt19937 random(7);
  std::normal_distribution<double> normal(0, sigma);
  std::vector<float> z(rows * columns);
  for (float& each : z) each = static_cast<float>(normal(random));
  return z;
}

/// This rank's part of rows that a test has whole.
template <class T>
Rows own_part(const std::vector<T>& z, std::size_t rows, const SplitColumns& columns) {
  return columns.part_of({z.data(), rows, columns.columns()});
}

/// call(columns) of every rank, in the order of ranks.
template <class Call>
auto on_ranks(int ranks, std::size_t vocabulary, std::size_t shards, const Call& call) {
  using Result = decltype(call(std::declval<const SplitColumns&>()));
  std::vector<Result> results(static_cast<std::size_t>(ranks));
  run_threads(ranks, [&](Group& group) {
    const SplitColumns columns(vocabulary, group, shards);
    results[static_cast<std::size_t>(group.rank())] = call(columns);
  });
  return results;
}

}  // namespace partita::testing
