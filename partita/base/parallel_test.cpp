// SPDX-License-Identifier: Apache-2.0
#include "partita/base/parallel.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <numeric>
#include <thread>
#include <vector>

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

TEST(ParallelFor, MayBeCalledFromABody) {
  std::vector<std::atomic<int>> seen(std::size_t{40} * 25);
  parallel_for(40, 4, [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) {
      parallel_for(25, 3, [&](std::size_t from, std::size_t to) {
        for (std::size_t j = from; j < to; ++j) ++seen[i * 25 + j];
      });
    }
  });
  for (const auto& count : seen) EXPECT_EQ(count, 1);
}

// A thread that waits for its inner ranges must not begin another outer one: it holds a lock here.
TEST(ParallelFor, WaitsOnlyForItsOwnRanges) {
  std::mutex mutex;
  int sum = 0;
  for (int repeat = 0; repeat < 100; ++repeat) {
    parallel_for(8, 8, [&](std::size_t, std::size_t) {
      const std::scoped_lock lock(mutex);
      std::vector<int> out(64);
      parallel_for(64, 4, [&](std::size_t first, std::size_t last) {
        for (std::size_t i = first; i < last; ++i) out[i] = 1;
      });
      sum += std::accumulate(out.begin(), out.end(), 0);
    });
  }
  EXPECT_EQ(sum, 100 * 8 * 64);
}

TEST(ParallelFor, ServesSeveralCallersAtOnce) {
  std::vector<std::vector<std::size_t>> results(6, std::vector<std::size_t>(1000));
  {
    std::vector<std::jthread> callers;
    for (std::size_t caller = 0; caller < results.size(); ++caller) {
      callers.emplace_back([&, caller] {
        for (int repeat = 0; repeat < 50; ++repeat) {
          parallel_for(1000, 3, [&](std::size_t first, std::size_t last) {
            for (std::size_t i = first; i < last; ++i) results[caller][i] += caller * i;
          });
        }
      });
    }
  }
  for (std::size_t caller = 0; caller < results.size(); ++caller) {
    for (std::size_t i = 0; i < 1000; ++i) ASSERT_EQ(results[caller][i], 50 * caller * i);
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
