// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/noise_distribution.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;

const std::vector<std::uint64_t>& counts() {
  static const std::vector<std::uint64_t> it = {1000, 1, 0, 30, 200, 16};
  return it;
}

TEST(NoiseDistribution, HasTheProbabilitiesOfItsWeights) {
  constexpr std::int64_t kDraws = 1'000'000;
  for (const double alpha : {0.75, 1.0, 0.0}) {
    const auto noise = NoiseDistribution::unigram(counts(), alpha);
    double sum = 0;
    for (const auto count : counts()) {
      sum += count == 0 ? 0 : std::pow(static_cast<double>(count), alpha);
    }
    const Tensor drawn = noise.draw({kDraws}, Stream{.seed = 1});
    std::vector<double> observed;
    std::vector<double> expected;
    for (std::size_t i = 0; i < counts().size(); ++i) {
      const double q =
          counts()[i] == 0 ? 0 : std::pow(static_cast<double>(counts()[i]), alpha) / sum;
      observed.push_back((drawn == static_cast<std::int64_t>(i)).sum().item<double>());
      expected.push_back(q * kDraws);
      const Tensor log_q =
          noise.log_prob(at::scalar_tensor(static_cast<std::int64_t>(i), at::kLong), at::kDouble);
      EXPECT_EQ(log_q.dim(), 0);
      if (q > 0) {
        EXPECT_NEAR(log_q.item<double>(), std::log(q), 1e-14);
      } else {
        EXPECT_EQ(log_q.item<double>(), -std::numeric_limits<double>::infinity());
      }
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  }
}

TEST(NoiseDistribution, UniformTimesItsSizeIsOneToTheLastBit) {
  for (std::int64_t v = 1; v < 100'000; v = v * 9 / 8 + 1) {
    const auto noise = NoiseDistribution::uniform(v);
    EXPECT_EQ(noise.size(), v);
    EXPECT_EQ(noise.log_expected_count(at::tensor({v - 1}), v, at::kDouble).item<double>(), 0) << v;
  }
}

TEST(NoiseDistribution, DrawsAreThoseOfTheirPlace) {
  const NoiseDistribution noise(std::vector<double>{0.5, 2, 0, 1});
  const Stream stream{.seed = 3, .id = 9};
  const Tensor whole = noise.draw({3000, 25}, stream);
  EXPECT_EQ(whole.scalar_type(), at::kLong);
  EXPECT_TRUE(noise.draw({10, 25}, stream).equal(whole.narrow(0, 0, 10)));
  const int before = at::get_num_threads();
  for (const int threads : {1, 3}) {
    at::set_num_threads(threads);
    EXPECT_TRUE(noise.draw({3000, 25}, stream).equal(whole)) << threads;
  }
  at::set_num_threads(before);
  EXPECT_FALSE(noise.draw({3000, 25}, Stream{.seed = 3, .id = 10}).equal(whole));
  // A source that is read in order continues.
  const Random random(stream);
  EXPECT_TRUE(noise.draw({3000, 25}, random).equal(whole));
  EXPECT_FALSE(noise.draw({3000, 25}, random).equal(whole));
}

TEST(NoiseDistribution, Refusals) {
  const auto refusal = [](const auto& make) { return message_of<InvalidArgument>(make); };
  EXPECT_EQ(refusal([] { NoiseDistribution::uniform(0); }),
            "categories: expected 1 or more, got 0");
  EXPECT_EQ(refusal([] { NoiseDistribution::unigram(counts(), std::nan("")); }),
            "alpha: expected a number in (-inf, inf), got nan");
  EXPECT_EQ(refusal([] { NoiseDistribution::unigram(std::vector<std::uint64_t>(3), 1); }),
            "weights: expected one above 0, all are 0");
  EXPECT_EQ(refusal([] {
              NoiseDistribution(std::vector<double>{1, -1});
            }),
            "weights: category 1: expected 0 or a positive number, got -1");
}

}  // namespace
}  // namespace partita::losses
