// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/batches.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::training {
namespace {

using partita::testing::message_of;

constexpr double kFalseAlarm = 1e-7;

std::vector<std::int64_t> first_steps(Batches batches, std::uint64_t steps) {
  std::vector<std::int64_t> out;
  for (std::uint64_t step = 0; step < steps; ++step) {
    const Tensor rows = batches.at(step);
    const auto* data = rows.data_ptr<std::int64_t>();
    out.insert(out.end(), data, data + rows.numel());
  }
  return out;
}

TEST(Batches, EveryEpochHoldsEveryExampleOnce) {
  for (const std::int64_t batch_size : {1, 3, 10, 25}) {  // also more than there are
    const auto rows = first_steps(Batches(10, batch_size, {.seed = 1}),
                                  static_cast<std::uint64_t>(30 / batch_size + 5));
    for (std::size_t epoch = 0; epoch < 3; ++epoch) {
      const auto from = rows.begin() + static_cast<std::ptrdiff_t>(10 * epoch);
      std::vector<std::int64_t> sorted(from, from + 10);
      std::sort(sorted.begin(), sorted.end());
      for (std::int64_t i = 0; i < 10; ++i) EXPECT_EQ(sorted[static_cast<std::size_t>(i)], i);
    }
    EXPECT_FALSE(std::equal(rows.begin(), rows.begin() + 10, rows.begin() + 10));
  }
}

TEST(Batches, AreAFunctionOfTheStep) {
  Batches batches(100, 7, {.seed = 2});
  const Tensor late = batches.at(90).clone();
  const Tensor early = batches.at(3).clone();
  EXPECT_TRUE(at::equal(Batches(100, 7, {.seed = 2}).at(3), early));
  EXPECT_TRUE(at::equal(batches.at(90), late));
  EXPECT_FALSE(at::equal(Batches(100, 7, {.seed = 3}).at(3), early));
  EXPECT_FALSE(at::equal(Batches(100, 7, {.seed = 2, .id = 1}).at(3), early));
}

TEST(Batches, AllOrdersAreAsLikely) {
  // The 24 orders of four examples, over 24,000 epochs.
  std::vector<double> observed(24);
  const auto rows = first_steps(Batches(4, 4, {.seed = 4}), 24'000);
  for (std::size_t epoch = 0; epoch < 24'000; ++epoch) {
    std::vector<std::int64_t> order(rows.begin() + static_cast<std::ptrdiff_t>(4 * epoch),
                                    rows.begin() + static_cast<std::ptrdiff_t>(4 * epoch + 4));
    std::vector<std::int64_t> at = {0, 1, 2, 3};
    std::size_t index = 0;
    while (at != order && std::next_permutation(at.begin(), at.end())) ++index;
    ++observed[index];
  }
  EXPECT_GT(chi_square_p_value(observed, std::vector<double>(24, 1000)), kFalseAlarm);
}

TEST(Batches, RefuseNothingToDraw) {
  EXPECT_EQ(message_of<InvalidArgument>([] { Batches(0, 1, {}); }),
            "examples: expected 1 or more, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { Batches(1, 0, {}); }),
            "batch_size: expected 1 or more, got 0");
}

}  // namespace
}  // namespace partita::training
