// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/shell.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita::openset {
namespace {

using partita::testing::message_of;

Tensor normal(std::int64_t n, std::uint64_t id) {
  return Random(Stream{.seed = 4, .id = id}).normal({n, 2}, at::kDouble);
}

/// Of a Gaussian in the plane, r^2 / 2 is exponential: beyond the share's quantile t = -2 log share
/// of r^2 its mean is t + 2 and its deviation 2. With 4000 draws kept, and the quantile from as
/// many, the mean's standard error is .05; the covariance from 40,000 points adds 1 %, or .11.
TEST(Shell, HoldsTheTailOfAGaussian) {
  const Tensor shear = at::tensor({2.0, 0.0, 1.5, 0.5}, at::kDouble).view({2, 2});
  const Tensor x = normal(40'000, 1).mm(shear.t()) + 7;
  const Tensor labels = at::zeros({40'000}, at::kLong);
  for (const double share : {0.01, 0.1}) {
    const Tensor kept = shell(x, labels, 4000, Stream{.seed = 5}, share);
    const Tensor squared =
        at::linalg_solve_triangular(shear, (kept - 7).t(), /*upper=*/false).square().sum(0);
    EXPECT_NEAR(squared.mean().item<double>(), 2 - 2 * std::log(share), 0.5);
    EXPECT_GT(squared.min().item<double>(), -2 * std::log(share) - 0.5);
    // All around, not on one side: the mean direction of 4000 is 0 within 4.9 / sqrt(8000).
    const Tensor z = at::linalg_solve_triangular(shear, (kept - 7).t(), /*upper=*/false);
    EXPECT_LT((z / z.norm(2, 0, true)).mean(1).abs().max().item<double>(), 0.06);
  }
}

TEST(Shell, KeepsNothingOfOneClassWithinAnother) {
  const Tensor center = at::tensor({2.0, 0.0}, at::kDouble);
  const Tensor x = at::cat({normal(5000, 1) - center, normal(5000, 2) + center});
  const Tensor labels = at::arange(2, at::kLong).repeat_interleave(5000) * 3;  // 1 and 2 are empty
  const Tensor kept = shell(x, labels, 2000, Stream{.seed = 5});
  const Tensor left = (kept + center).square().sum(1);
  const Tensor right = (kept - center).square().sum(1);
  EXPECT_GT(at::minimum(left, right).min().item<double>(), 7);
  EXPECT_NEAR((left < right).to(at::kDouble).mean().item<double>(), 0.5, 0.07);
}

TEST(Shell, TakesFeaturesThatSpanNoSpace) {
  const Tensor line =
      at::cat({normal(100, 1).narrow(1, 0, 1), at::zeros({100, 3}, at::kDouble)}, 1);
  const Tensor kept = shell(line, at::zeros({100}, at::kLong), 5, Stream{.seed = 5});
  EXPECT_EQ(kept.sizes(), (std::vector<std::int64_t>{5, 4}));
  EXPECT_TRUE(at::isfinite(kept).all().item<bool>());
}

TEST(Shell, RefusesWhatCannotBe) {
  const Tensor x = normal(4, 1);
  const Tensor y = at::zeros({4}, at::kLong);
  EXPECT_EQ(message_of<InvalidArgument>([&] { shell(x, y, 0, Stream{}); }),
            "count: expected 1 or more, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { shell(x, y, 1, Stream{}, 0); }),
            "share: expected a number in (0, 1], got 0");
}

}  // namespace
}  // namespace partita::openset
