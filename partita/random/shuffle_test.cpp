// SPDX-License-Identifier: Apache-2.0
#include "partita/random/shuffle.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <numeric>
#include <vector>

#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

TEST(Shuffle, MakesAllOrdersAsLikely) {
  std::vector<double> observed(24);
  for (std::uint64_t i = 0; i < 24'000; ++i) {
    std::array<int, 4> order = {0, 1, 2, 3};
    shuffle(order, {.seed = 1, .id = i});
    std::array<int, 4> at = {0, 1, 2, 3};
    std::size_t index = 0;
    while (at != order && std::next_permutation(at.begin(), at.end())) ++index;
    ++observed[index];
  }
  EXPECT_GT(chi_square_p_value(observed, std::vector<double>(24, 1000)), kFalseAlarm);
}

TEST(Shuffle, KeepsEveryItemAndIsAFunctionOfTheStream) {
  std::vector<std::uint64_t> items(1000);
  std::iota(items.begin(), items.end(), std::uint64_t{0});
  std::vector<std::uint64_t> one = items;
  std::vector<std::uint64_t> same = items;
  std::vector<std::uint64_t> other = items;
  shuffle(one, {.seed = 2});
  shuffle(same, {.seed = 2});
  shuffle(other, {.seed = 3});
  EXPECT_EQ(one, same);
  EXPECT_NE(one, other);
  EXPECT_NE(one, items);
  std::sort(one.begin(), one.end());
  EXPECT_EQ(one, items);
}

TEST(Shuffle, TakesWhatCanOnlyBeMovedAndHasNothingToDoForOne) {
  std::vector<std::unique_ptr<int>> items;
  shuffle(items, {});
  items.push_back(std::make_unique<int>(7));
  shuffle(items, {});
  EXPECT_EQ(*items[0], 7);
}

}  // namespace
}  // namespace partita
