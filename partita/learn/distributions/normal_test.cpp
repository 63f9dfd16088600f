// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/normal.hpp"

#include <gtest/gtest.h>

#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

TEST(Normal, Draws) { testing::expect_draws_follow_cdf(Normal(1.5, 0.3)); }

TEST(Normal, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<Normal>(p[0], p[1]); }, {0.5, 2});
}

TEST(Normal, TailsDoNotUnderflow) {
  const Normal normal(at::scalar_tensor(0., at::kDouble), 1);
  const Tensor far = at::scalar_tensor(-40., at::kDouble);
  // log Phi(-40), mpmath: log(erfc(40 / sqrt(2)) / 2).
  EXPECT_NEAR(normal.log_cdf(far).item<double>(), -804.6084420137538, 1e-10);
  EXPECT_NEAR(normal.log_survival(-far).item<double>(), -804.6084420137538, 1e-10);
}

}  // namespace
}  // namespace partita::distributions
