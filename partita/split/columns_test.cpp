// SPDX-License-Identifier: Apache-2.0
#include "partita/split/columns.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "partita/base/error.hpp"
#include "partita/split/split_test_support.hpp"

namespace partita {
namespace {

using ::testing::ThrowsMessage;

TEST(SplitColumns, EveryColumnBelongsToOneShardOfOneRank) {
  for (const std::size_t vocabulary : {1UL, 5UL, 64UL, 1000UL, 50257UL}) {
    for (const int ranks : {1, 2, 3, 4, 64}) {
      struct Part {
        std::size_t first, last, first_shard, last_shard;
      };
      const auto parts = testing::on_ranks(ranks, vocabulary, 64, [](const SplitColumns& c) {
        return Part{c.first(), c.last(), c.first_shard(), c.last_shard()};
      });
      std::size_t column = 0;
      std::size_t shard = 0;
      for (const Part& part : parts) {
        EXPECT_EQ(part.first, column);
        EXPECT_EQ(part.first_shard, shard);
        column = part.last;
        shard = part.last_shard;
      }
      EXPECT_EQ(column, vocabulary);
      EXPECT_EQ(shard, 64U);
    }
  }
}

TEST(SplitColumns, RefusesWhatRanksDoNotAgreeAbout) {
  EXPECT_THAT(([] {
                run_threads(2, [](Group& group) {
                  SplitColumns(100 + static_cast<std::size_t>(group.rank()), group);
                });
              }),
              ThrowsMessage<InvalidArgument>(
                  "columns: expected the same on every rank, got 100 on rank 0 and 101 on rank 1"));
  EXPECT_THAT(([] {
                run_threads(2, [](Group& group) {
                  SplitColumns(100, group, 8U - static_cast<unsigned>(group.rank()));
                });
              }),
              ThrowsMessage<InvalidArgument>(
                  "shards: expected the same on every rank, got 8 on rank 0 and 7 on rank 1"));
  EXPECT_THAT(
      ([] { run_threads(3, [](Group& group) { SplitColumns(100, group, 2); }); }),
      ThrowsMessage<InvalidArgument>("shards: expected 3..1048576 (ranks ... 2^20), got 2"));
  EXPECT_THAT([] { SplitColumns(0); },
              ThrowsMessage<InvalidArgument>("columns: expected 1 or more, got 0"));
}

}  // namespace
}  // namespace partita
