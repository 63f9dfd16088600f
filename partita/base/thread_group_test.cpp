// SPDX-License-Identifier: Apache-2.0
#include "partita/base/thread_group.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <string>
#include <vector>

#include "partita/base/error.hpp"

namespace partita {
namespace {

using ::testing::ElementsAre;
using ::testing::ThrowsMessage;

TEST(ThreadGroup, GathersReducesAndBroadcasts) {
  for (const int size : {1, 2, 3, 8}) {
    run_threads(size, [&](Group& group) {
      ASSERT_EQ(group.size(), size);
      for (int round = 0; round < 100; ++round) {  // whoever is early must not see the next round
        const double own = 10 * round + group.rank();
        const std::vector<double> mine = {own, -own};
        const auto all = group.all_gather(mine);
        ASSERT_EQ(all.size(), 2U * static_cast<unsigned>(size));
        for (int rank = 0; rank < size; ++rank) {
          ASSERT_EQ(all[2 * static_cast<std::size_t>(rank)], 10 * round + rank);
        }
        std::vector<double> sum = {own, 1};
        group.all_reduce(sum, Reduction::sum);
        ASSERT_EQ(sum[0], 10 * round * size + size * (size - 1) / 2);
        ASSERT_EQ(sum[1], size);
        std::vector<double> most = mine;
        group.all_reduce(most, Reduction::max);
        ASSERT_EQ(most[0], 10 * round + size - 1);
        ASSERT_EQ(most[1], -10 * round);
        std::vector<float> narrow = {static_cast<float>(own), 1};
        group.all_reduce(narrow, Reduction::sum);
        ASSERT_EQ(narrow[0], static_cast<float>(sum[0]));
        std::vector<double> last = mine;
        group.broadcast(last, size - 1);
        ASSERT_EQ(last[0], 10 * round + size - 1);
      }
    });
  }
}

TEST(ThreadGroup, CarriesBytes) {
  run_threads(3, [&](Group& group) {
    const std::string own(static_cast<std::size_t>(7 * group.rank()),
                          static_cast<char>(0xF0 + group.rank()));
    EXPECT_THAT(all_gather_bytes(own, group),
                ElementsAre("", std::string(7, '\xF1'), std::string(14, '\xF2')));
    EXPECT_EQ(broadcast_bytes(own, 2, group), std::string(14, '\xF2'));
    EXPECT_EQ(broadcast_bytes(own, 0, group), "");
  });
}

TEST(ThreadGroup, ABarrierWaitsForAll) {
  std::atomic<int> before = 0;
  run_threads(4, [&](Group& group) {
    for (int round = 1; round <= 50; ++round) {
      ++before;
      group.barrier();
      ASSERT_GE(before, 4 * round);
      group.barrier();
    }
  });
}

TEST(ThreadGroup, AFailureEndsTheOthersAndSaysWhy) {
  const auto run = [](int failing) {
    run_threads(3, [&](Group& group) {
      group.barrier();
      if (group.rank() == failing) throw InvalidArgument("x", "broken");
      group.barrier();
      FAIL();
    });
  };
  for (const int failing : {0, 1, 2}) {
    EXPECT_THAT([&] { run(failing); }, ThrowsMessage<InvalidArgument>("x: broken"));
  }
}

TEST(ThreadGroup, WrongCallsAreRefused) {
  EXPECT_THAT(([] {
                run_threads(2, [](Group& group) {
                  if (group.rank() == 0) group.barrier();  // and the other leaves
                });
              }),
              ThrowsMessage<Error>("group: another rank has failed, or has left"));
  EXPECT_THAT(([] {
                run_threads(2, [](Group& group) {
                  group.all_gather(std::vector<double>(static_cast<std::size_t>(group.rank()) + 1));
                });
              }),
              ThrowsMessage<InvalidArgument>("values: expected as many on every rank"));
  EXPECT_THROW(run_threads(0, [](Group&) {}), InvalidArgument);
}

TEST(Group, AloneIsAGroupOfOne) {
  Group& group = Group::alone();
  EXPECT_EQ(group.rank(), 0);
  EXPECT_EQ(group.size(), 1);
  std::vector<double> x = {3, 4};
  EXPECT_THAT(group.all_gather(x), ElementsAre(3, 4));
  group.all_reduce(x, Reduction::sum);
  group.broadcast(x, 0);
  group.barrier();
  EXPECT_THAT(x, ElementsAre(3, 4));
}

TEST(CheckSame, NamesTheFirstThatSaysSomethingElse) {
  run_threads(3, [&](Group& group) {
    check_same(group, "options", "-k 10");
    const std::string said = group.rank() == 2 ? "-k 1000" : "-k 10";
    EXPECT_THAT([&] { check_same(group, "options", said); },
                ThrowsMessage<InvalidArgument>("options: expected the same on every rank, got "
                                               "-k 10 on rank 0 and -k 1000 on rank 2"));
  });
  check_same(Group::alone(), "options", "");
}

}  // namespace
}  // namespace partita
