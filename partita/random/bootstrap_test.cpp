// SPDX-License-Identifier: Apache-2.0
#include "partita/random/bootstrap.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

using testing::message_of;

TEST(Resample, SmallOnesAreMultinomial) {
  // Three rows: ten outcomes (c0, c1, c2), of probability 3! / (c0! c1! c2!) / 27.
  constexpr std::size_t kResamples = 100000;
  std::vector<double> observed(16);
  std::vector<double> expected(16);
  for (std::size_t r = 0; r < kResamples; ++r) {
    std::vector<std::uint32_t> counts(3);
    resample({.seed = 1, .id = r}, counts);
    ASSERT_EQ(counts[0] + counts[1] + counts[2], 3U);
    ++observed[counts[0] * 4 + counts[1]];
  }
  for (int a = 0; a <= 3; ++a) {
    for (int b = 0; a + b <= 3; ++b) {
      const double ways = 6 / (std::tgamma(a + 1) * std::tgamma(b + 1) * std::tgamma(4 - a - b));
      expected[static_cast<std::size_t>(a) * 4 + static_cast<std::size_t>(b)] =
          ways / 27 * kResamples;
    }
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

TEST(Resample, EveryRowOfALargeOneIsAsLikely) {
  // Two whole blocks and a rest. The mean of a thousand resamples shows a row's count of 1 within
  // 0.03, and that of a block, of standard deviation 50 and 39, within 1.6 and 1.2.
  constexpr std::size_t kRows = 10000;
  constexpr std::size_t kResamples = 1000;
  std::vector<double> total(kRows);
  std::vector<double> squares;
  std::vector<double> first_block;
  std::vector<double> rest;
  for (std::size_t r = 0; r < kResamples; ++r) {
    std::vector<std::uint32_t> counts(kRows);
    resample({.seed = 2, .id = r}, counts);
    ASSERT_EQ(std::accumulate(counts.begin(), counts.end(), std::uint64_t{0}), kRows);
    double square = 0;
    for (std::size_t i = 0; i < kRows; ++i) {
      total[i] += counts[i];
      square += static_cast<double>(counts[i]) * counts[i];
    }
    squares.push_back(square / kRows);
    first_block.push_back(std::accumulate(counts.begin(), counts.begin() + 4096, 0.0));
    rest.push_back(std::accumulate(counts.begin() + 8192, counts.end(), 0.0));
  }
  const std::vector<double> expected(kRows, kResamples);
  EXPECT_GT(chi_square_p_value(total, expected), kFalseAlarm);
  EXPECT_LT(z_score(first_block, 4096), kFiveSigma);
  EXPECT_LT(z_score(rest, 1808), kFiveSigma);
  EXPECT_LT(z_score(squares, 1 + (1 - 1.0 / kRows)), kFiveSigma);  // E c^2 = variance + mean^2
  for (double& count : first_block) count = (count - 4096) * (count - 4096);
  EXPECT_LT(z_score(first_block, kRows * 0.4096 * (1 - 0.4096)), kFiveSigma);
}

TEST(Resample, GroupsAreMultinomial) {
  // Groups of 1, 0 and 2 rows: c0 of 3 draws fall into the first with probability 1/3 each.
  constexpr std::size_t kResamples = 100000;
  const std::vector<std::uint32_t> sizes{1, 0, 2};
  std::vector<double> observed(4);
  std::vector<double> of_large;
  for (std::size_t r = 0; r < kResamples; ++r) {
    Draws draws({.seed = 4, .id = r});
    std::vector<std::uint32_t> counts(3);
    resample_groups(draws, sizes, counts);
    ASSERT_EQ(counts[1], 0U);
    ASSERT_EQ(counts[0] + counts[2], 3U);
    ++observed[counts[0]];
    if (r >= 10000) continue;
    // The second of three groups: binomial of its own share, whatever fell into the first.
    resample_groups(draws, std::vector<std::uint32_t>{5000, 3000, 2000}, counts);
    ASSERT_EQ(counts[0] + counts[1] + counts[2], 10000U);
    of_large.push_back(counts[1]);
  }
  const std::vector<double> expected{kResamples * 8.0 / 27, kResamples * 12.0 / 27,
                                     kResamples * 6.0 / 27, kResamples * 1.0 / 27};
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  EXPECT_LT(z_score(of_large, 3000), kFiveSigma);
  for (double& count : of_large) count = (count - 3000) * (count - 3000);
  EXPECT_LT(z_score(of_large, 2100), kFiveSigma);
}

TEST(Bootstrap, CoversTheTruthAsOftenAsItSays) {
  // The mean of 100 exponentials, 1000 times over. The percentile interval of level .95 covers it
  // .93 to .95 of the time (it is a little short for skewed data); one of half the width .7.
  constexpr std::size_t kRows = 100;
  int covered = 0;
  for (std::uint64_t trial = 0; trial < 1000; ++trial) {
    std::vector<double> x(kRows);
    Draws draws({.seed = 3, .id = trial});
    for (double& value : x) value = draws.exponential();
    const auto mean = [&](std::span<const std::uint32_t> counts, std::span<double> out) {
      out[0] = std::inner_product(x.begin(), x.end(), counts.begin(), 0.0) / kRows;
    };
    const Interval interval = bootstrap(kRows, 1, mean, Stream{4, trial}, {.resamples = 400})[0];
    covered += interval.low <= 1 && 1 <= interval.high ? 1 : 0;
  }
  EXPECT_GT(covered, 890);  // 5 standard deviations under .93
  EXPECT_LT(covered, 985);
}

TEST(Bootstrap, DoesNotDependOnThreads) {
  std::vector<double> x(5000);
  Draws draws({.seed = 5});
  for (double& value : x) value = draws.normal();
  const auto two = [&](std::span<const std::uint32_t> counts, std::span<double> out) {
    out[0] = std::inner_product(x.begin(), x.end(), counts.begin(), 0.0);
    out[1] = counts[7];
  };
  const auto one = bootstrap(x.size(), 2, two, {6}, {.resamples = 50, .threads = 1});
  const auto four = bootstrap(x.size(), 2, two, {6}, {.resamples = 50, .threads = 4});
  for (std::size_t i = 0; i < 2; ++i) {
    EXPECT_EQ(one[i].low, four[i].low);
    EXPECT_EQ(one[i].high, four[i].high);
  }
}

TEST(Bootstrap, Percentiles) {
  const Interval interval = percentile_interval({5, 1, 2, NAN, 4, 3}, 0.5);
  EXPECT_DOUBLE_EQ(interval.low, 2);
  EXPECT_DOUBLE_EQ(interval.high, 4);
  const Interval between = percentile_interval({0, 1}, 0.5);
  EXPECT_DOUBLE_EQ(between.low, 0.25);
  EXPECT_DOUBLE_EQ(between.high, 0.75);
  EXPECT_TRUE(std::isnan(percentile_interval({NAN}, 0.5).low));
  EXPECT_EQ(percentile_interval({INFINITY, INFINITY}, 0.5).high, INFINITY);
}

TEST(Bootstrap, Refusals) {
  const auto nothing = [](std::span<const std::uint32_t>, std::span<double>) {};
  EXPECT_EQ(message_of<InvalidArgument>([&] { bootstrap(0, 1, nothing, {}, {}); }),
            "rows: expected 1 or more, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { bootstrap(1, 1, nothing, {}, {.resamples = 1}); }),
            "resamples: expected 2 or more, got 1");
  EXPECT_EQ(message_of<InvalidArgument>([&] { bootstrap(1, 1, nothing, {}, {.level = 1}); }),
            "level: expected a number in (0, 1), got 1");
}

}  // namespace
}  // namespace partita
