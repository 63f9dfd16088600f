// SPDX-License-Identifier: Apache-2.0
#include "partita/split/columns.hpp"

#include <fmt/format.h>

#include <array>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {

SplitColumns::SplitColumns(std::size_t columns, Group& group, std::size_t shards)
    : columns_(columns), shards_(shards), group_(&group) {
  const std::array<double, 2> own = {static_cast<double>(columns), static_cast<double>(shards)};
  const std::vector<double> all = group.all_gather(own);
  for (std::size_t i = 0; i < all.size(); ++i) {
    if (all[i] == all[i % 2]) continue;
    throw InvalidArgument(i % 2 == 0 ? "columns" : "shards",
                          fmt::format("expected the same on every rank, got {} on rank 0 and {} on "
                                      "rank {}",
                                      all[i % 2], all[i], i / 2));
  }
  check_at_least("columns", columns, 1);
  check_between("shards", shards, static_cast<std::size_t>(group.size()), std::size_t{1} << 20,
                "ranks ... 2^20");
}

Rows SplitColumns::shard_of(Rows own, std::size_t s) const {
  const std::size_t begin = shard_begin(s);
  const auto offset = static_cast<std::ptrdiff_t>((begin - first()) * element_size(own.dtype())) *
                      own.column_stride();
  return {static_cast<const std::byte*>(own.data()) + offset,
          own.dtype(),
          own.rows(),
          shard_begin(s + 1) - begin,
          own.row_stride(),
          own.column_stride()};
}

}  // namespace partita
