// SPDX-License-Identifier: Apache-2.0
// A vocabulary that no rank holds whole: its columns are split over the ranks of a group.
//
//   partita::SplitColumns columns(250'000, group);             // the same on every rank
//   auto w = load_columns(columns.first(), columns.last());    // this rank's part, of the weights
//   auto logits = ...;                                         // [rows, columns.size()]
//
// The vocabulary is first cut into a fixed number of shards, and each rank holds some of them, one
// after the other. What is drawn and added up belongs to a shard, never to a rank: so that with 1,
// 2, 3 or 64 ranks the results are the same bits, as long as the number of shards is. Shard s draws
// from child s of a row's stream.
#pragma once

#include <cstddef>

#include "partita/base/group.hpp"
#include "partita/base/rows.hpp"

namespace partita {

class SplitColumns {
 public:
  static constexpr std::size_t kShards = 64;

  /// @param columns of the whole vocabulary
  /// @param group   must outlive this
  /// @param shards  from the number of ranks on; fewer columns make some of them empty
  /// @throws InvalidArgument on every rank if they do not agree about columns and shards, or there
  ///         are more ranks than shards.
  explicit SplitColumns(std::size_t columns, Group& group = Group::alone(),
                        std::size_t shards = kShards);

  std::size_t columns() const { return columns_; }
  std::size_t shards() const { return shards_; }
  Group& group() const { return *group_; }

  // This rank's own columns and shards: [first, last).
  std::size_t first() const { return shard_begin(first_shard()); }
  std::size_t last() const { return shard_begin(last_shard()); }
  std::size_t size() const { return last() - first(); }
  std::size_t first_shard() const { return first_shard_of(group_->rank()); }
  std::size_t last_shard() const { return first_shard_of(group_->rank() + 1); }

  std::size_t first_shard_of(int rank) const {
    return shards_ * static_cast<std::size_t>(rank) / static_cast<std::size_t>(group_->size());
  }
  /// The first column of a shard; columns() for s = shards().
  std::size_t shard_begin(std::size_t s) const { return columns_ * s / shards_; }

  /// This rank's columns of rows that stand here whole, [rows, columns()].
  Rows part_of(Rows whole) const;
  /// One of the own shards' columns of `own`, [rows, size()].
  Rows shard_of(Rows own, std::size_t s) const;

 private:
  std::size_t columns_;
  std::size_t shards_;
  Group* group_;
};

}  // namespace partita
