// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/truncated_normal.hpp"

#include <gtest/gtest.h>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;
using testing::number;

DistributionPtr make(const std::vector<Tensor>& p) {
  return std::make_shared<TruncatedNormal>(p[0], p[1], p[2], p[3]);
}

TEST(TruncatedNormal, Draws) {
  testing::expect_draws_follow_cdf(TruncatedNormal(number(0.3), 2, -1, 2.5), 50'000);
  testing::expect_draws_follow_cdf(TruncatedNormal(number(0), 1, 3, kInfinity), 50'000);
  testing::expect_draws_follow_cdf(TruncatedNormal(number(0), 1, -kInfinity, 1e-9), 50'000);
  testing::expect_draws_follow_cdf(TruncatedNormal(number(0), 1, 100, kInfinity), 50'000);
  testing::expect_draws_follow_cdf(TruncatedNormal(number(5), 1, -2, -1.5), 50'000);
}

/// Of an interval so narrow that its density is constant, whose ends have no digits in Phi.
TEST(TruncatedNormal, NarrowIntervalsAreUniform) {
  const double u = 0.3;
  for (const double width : {1e-30, 1e-12, 1e-3}) {
    const TruncatedNormal q(number(0), 1, -0.25 * width, 0.75 * width);
    EXPECT_NEAR(q.icdf(number(u)).item<double>(), 0.05 * width, 1e-6 * width) << width;
    EXPECT_NEAR(q.sample({10'000}, Stream{.seed = 4}).mean().item<double>(), 0.25 * width,
                6 * width / std::sqrt(12 * 1e4));
  }
}

TEST(TruncatedNormal, PathwiseGradient) {
  testing::expect_pathwise_gradient(make, {0.3, 2, -1, 2.5}, 1e-4);
  testing::expect_pathwise_gradient(make, {0, 1, 3, 5}, 1e-4);
  testing::expect_pathwise_gradient(make, {5, 1, -1, 2}, 1e-4);
}

TEST(TruncatedNormal, Gradients) {
  for (const std::vector<double>& p :
       {std::vector<double>{0.3, 2, -1, 2.5}, {0, 1, 3, 7}, {0, 1, 30, 40}, {9, 1, -1, 2.5}}) {
    const Tensor inside = p[2] + doubles({0.1, 0.5, 0.8}) * (p[3] - p[2]);
    testing::expect_gradient(
        [](const auto& x) {
          const TruncatedNormal q(x[1], x[2], x[3], x[4]);
          const Tensor& at = x[0];
          return q.log_prob(at) + q.log_cdf(at) + q.log_survival(at) + q.mean() + q.variance() +
                 q.entropy();
        },
        {inside, number(p[0]), number(p[1]), number(p[2]), number(p[3])}, 1e-5);
  }
}

TEST(TruncatedNormal, DrawsStayInside) {
  const Tensor low = at::full({10'000}, 0.1F);
  const Tensor high = at::nextafter(low, low + 1);  // no room between
  const TruncatedNormal q(0, 1, low, high);
  const Tensor x = q.sample(Stream{});
  EXPECT_TRUE((x >= low).logical_and(x <= high).all().item<bool>());
  EXPECT_TRUE(q.log_prob(x).isfinite().all().item<bool>());
}

TEST(TruncatedNormal, RefusesAnEmptyInterval) {
  EXPECT_EQ(message_of<InvalidArgument>([] { TruncatedNormal(0, 1, 2, 2); }),
            "low, high: TruncatedNormal: expected low < high, got 2 and 2");
}

}  // namespace
}  // namespace partita::distributions
