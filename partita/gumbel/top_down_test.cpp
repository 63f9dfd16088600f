// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/top_down.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <vector>

#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/internal/sum_tree.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

TEST(TopDown, GivenMaximumIsTheFirstValueAndTheRestFollow) {
  // The distribution of sample_given_maximum: the arg max from the softmax, the others truncated
  // Gumbels.
  const std::vector<double> logits = {0.3, -1.0, 1.2};
  const double maximum = 0.7;
  const double location = -0.4;
  double total = 0;
  for (const double z : logits) total += std::exp(z);
  constexpr std::size_t kSets = 200'000;
  std::vector<double> first(3);
  std::vector<std::vector<double>> others(3);
  TopDown top_down;
  for (std::size_t set = 0; set < kSets; ++set) {
    top_down.reset({logits.data(), 1, 3});
    top_down.start({1, set}, {.location = location + std::log(total), .maximum = maximum});
    EXPECT_EQ(top_down.peek(), maximum);
    const auto item = top_down.next();
    ASSERT_EQ(item->perturbed, maximum);
    ++first[static_cast<std::size_t>(item->index)];
    while (const auto other = top_down.next()) {
      others[static_cast<std::size_t>(other->index)].push_back(other->perturbed);
    }
  }
  std::vector<double> expected;
  for (const double z : logits) expected.push_back(kSets * std::exp(z) / total);
  EXPECT_GT(chi_square_p_value(first, expected), kFalseAlarm);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(ks_p_value(
                  others[i],
                  [&](double g) { return truncated_gumbel_cdf(g, location + logits[i], maximum); }),
              kFalseAlarm);
  }
}

TEST(TopDown, PeekForetellsNext) {
  std::vector<float> logits(3000);
  for (std::size_t i = 0; i < logits.size(); ++i) logits[i] = static_cast<float>(i % 17);
  TopDown top_down;
  top_down.reset({logits.data(), 1, logits.size()});
  top_down.start({2, 0});
  for (int i = 0; i < 100; ++i) {
    const double peeked = top_down.peek();
    EXPECT_EQ(top_down.peek(), peeked);
    EXPECT_EQ(top_down.next()->perturbed, peeked);
  }
}

TEST(TopDown, PositionSelectsOtherDraws) {
  const std::vector<double> logits(50);
  TopDown top_down;
  const auto first = [&](std::uint64_t position) {
    top_down.reset({logits.data(), 1, logits.size()});
    top_down.start({3, 0}, {.position = position});
    return top_down.next()->perturbed;
  };
  EXPECT_EQ(first(0), first(0));
  EXPECT_NE(first(0), first(400));
}

TEST(SumTree, FindsInProportion) {
  SumTree tree;
  tree.reset(5);
  const std::vector<double> weights = {1, 0, 2, 0, 4};
  for (std::size_t i = 0; i < 5; ++i) tree.set_leaf(i, weights[i]);
  tree.build();
  EXPECT_EQ(tree.total(), 7);
  EXPECT_EQ(tree.find(0), 0);
  EXPECT_EQ(tree.find(0.999), 0);
  EXPECT_EQ(tree.find(1), 2);
  EXPECT_EQ(tree.find(2.999), 2);
  EXPECT_EQ(tree.find(3), 4);
  EXPECT_EQ(tree.find(7), 4);  // a target rounded up to the total
  tree.update(4, 0);
  EXPECT_EQ(tree.find(2.9999), 2);
  EXPECT_EQ(tree.find(3.5), 2);  // never a weight of zero
  tree.update(0, 0);
  tree.update(2, 0);
  EXPECT_EQ(tree.total(), 0);
}

}  // namespace
}  // namespace partita
