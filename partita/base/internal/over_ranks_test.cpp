// SPDX-License-Identifier: Apache-2.0
#include "partita/base/internal/over_ranks.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>

#include "errors.hpp"
#include "partita/base/thread_group.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

TEST(OrderStatistics, AreThoseOfAllValuesTogether) {
  std::mt19937 random(3);
  std::vector<double> all = {-kInfinity, kInfinity, 0, -0.0, 1e-320, -1e300, kInfinity};
  std::normal_distribution<double> normal;
  for (int i = 0; i < 500; ++i) all.push_back(normal(random));
  for (int i = 0; i < 100; ++i) all.push_back(0.25);
  std::vector<double> sorted = all;
  std::sort(sorted.begin(), sorted.end());
  std::vector<std::uint64_t> every;
  for (std::uint64_t rank = 1; rank <= all.size(); ++rank) every.push_back(rank);
  for (const int ranks : {1, 2, 5}) {
    run_threads(ranks, [&](Group& group) {
      std::vector<double> own;  // the last rank has none
      for (std::size_t i = 0; i < all.size(); ++i) {
        const int holders = std::max(1, ranks - 1);
        if (static_cast<int>(i) % holders == group.rank()) own.push_back(all[i]);
      }
      std::sort(own.begin(), own.end());
      EXPECT_EQ(order_statistics(own, every, group), sorted) << ranks;
    });
  }
}

TEST(Together, TheFirstErrorIsThrownOnEveryRank) {
  run_threads(3, [](Group& group) {
    EXPECT_NO_THROW(together(group, [] {}));
    EXPECT_EQ(testing::message_of<InvalidArgument>([&] {
                together(group, [&] {
                  if (group.rank() > 0) throw InvalidArgument("k", std::to_string(group.rank()));
                });
              }),
              "k: rank 1: 1");
  });
  EXPECT_EQ(testing::message_of<InvalidArgument>(
                [] { together(Group::alone(), [] { throw InvalidArgument("k", "bad"); }); }),
            "k: bad");
}

}  // namespace
}  // namespace partita
