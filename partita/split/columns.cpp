// SPDX-License-Identifier: Apache-2.0
#include "partita/split/columns.hpp"

#include <fmt/format.h>

#include <cstddef>

#include "partita/base/internal/check.hpp"

namespace partita {

namespace {

Rows between(Rows rows, std::size_t first, std::size_t last) {
  const auto offset =
      static_cast<std::ptrdiff_t>(first * element_size(rows.dtype())) * rows.column_stride();
  return {static_cast<const std::byte*>(rows.data()) + offset,
          rows.dtype(),
          rows.rows(),
          last - first,
          rows.row_stride(),
          rows.column_stride()};
}

}  // namespace

SplitColumns::SplitColumns(std::size_t columns, Group& group, std::size_t shards)
    : columns_(columns), shards_(shards), group_(&group) {
  check_same(group, "columns", fmt::to_string(columns));
  check_same(group, "shards", fmt::to_string(shards));
  check_at_least("columns", columns, 1);
  check_between("shards", shards, static_cast<std::size_t>(group.size()), std::size_t{1} << 20,
                "ranks ... 2^20");
}

Rows SplitColumns::part_of(Rows whole) const {
  check_size("logits", whole.columns(), columns_, "columns");
  return between(whole, first(), last());
}

Rows SplitColumns::shard_of(Rows own, std::size_t s) const {
  return between(own, shard_begin(s) - first(), shard_begin(s + 1) - first());
}

}  // namespace partita
