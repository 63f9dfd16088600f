#include "partita/base/parallel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>

namespace partita {
namespace {

struct NoWorkspace {};

TEST(ParallelFor, CoversEveryIndexOnce) {
  for (const int threads : {1, 2, 7}) {
    for (const std::size_t n : {0U, 1U, 5U, 100U}) {
      std::vector<std::atomic<int>> seen(n);
      parallel_for(n, threads, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) ++seen[i];
      });
      for (const auto& count : seen) EXPECT_EQ(count, 1);
    }
  }
}

TEST(ParallelFor, PassesOnWhatABodyThrows) {
  EXPECT_THROW(parallel_for(4, 4,
                            [](std::size_t first, std::size_t) {
                              if (first == 3) throw IoError("disk", "full");
                            }),
               IoError);
}

TEST(ParallelFor, RefusesNoThreads) { EXPECT_THROW(parallel_for(1, 0, {}), InvalidArgument); }

void fail_odd(std::size_t row, NoWorkspace&) {
  if (row % 2 == 1) throw InvalidArgument("logits", "odd: " + std::to_string(row));
}

TEST(ForEachRow, ListsBadRowsInOrder) {
  std::vector<RowError> errors;
  for_each_row<NoWorkspace>(6, {.threads = 3, .errors = &errors}, fail_odd);
  ASSERT_EQ(errors.size(), 3);
  EXPECT_EQ(errors[0].row, 1);
  EXPECT_EQ(errors[1].row, 3);
  EXPECT_EQ(errors[2].reason, "odd: 5");
}

TEST(ForEachRow, ThrowsTheFirstBadRowAfterDoingTheOthers) {
  std::atomic<int> done = 0;
  try {
    for_each_row<NoWorkspace>(6, {.threads = 2}, [&](std::size_t row, NoWorkspace& w) {
      fail_odd(row, w);
      ++done;
    });
    FAIL() << "nothing thrown";
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "logits: row 1: odd: 1");
  }
  EXPECT_EQ(done, 3);
}

}  // namespace
}  // namespace partita
