// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/test_support.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>
#include <utility>

namespace partita::distributions {
namespace {

using testing::kInfinity;
Tensor some_rows(at::ScalarType type) {
  return at::linspace(-3, 3, 2000, at::kDouble).mul(50).cos().mul(4).view({2, 2, 500}).to(type);
}

Tensor gradient(const Tensor& y, const Tensor& x, bool create_graph = false) {
  return torch::autograd::grad({y}, {x}, {}, create_graph, create_graph)[0];
}

TEST(LogSumExp, IsLibtorchs) {
  for (const auto type : {at::kFloat, at::kDouble}) {
    const Tensor x = some_rows(type);
    const double tolerance = 4 * epsilon(type);
    EXPECT_TRUE(at::allclose(log_sum_exp(x), x.logsumexp(-1), tolerance, tolerance));
    const Tensor strided = x.transpose(0, 2);
    EXPECT_TRUE(at::equal(log_sum_exp(x.transpose(0, 1)), log_sum_exp(x).transpose(0, 1)));
    EXPECT_EQ(log_sum_exp(strided).sizes(), IntArrayRef({500, 2}));
    EXPECT_EQ(log_sum_exp(x).scalar_type(), type);
  }
}

TEST(LogSumExp, RowsWithoutAFiniteSum) {
  // Rows of the core, and rows that are too short for it.
  for (const std::int64_t n : {500, 5}) {
    Tensor x = some_rows(at::kDouble).slice(-1, 0, n).clone();
    x[0][0].fill_(-kInfinity);
    x[0][1][3] = kInfinity;
    x[1][0][2] = std::numeric_limits<double>::quiet_NaN();
    x[1][1][1] = -kInfinity;
    x.requires_grad_();
    const Tensor y = log_sum_exp(x);
    EXPECT_TRUE(at::equal(log_sum_exp(x.detach())[0], y.detach()[0]));
    EXPECT_EQ(y[0][0].item<double>(), -kInfinity);
    EXPECT_EQ(y[0][1].item<double>(), kInfinity);
    EXPECT_TRUE(std::isnan(y[1][0].item<double>()));
    const Tensor slopes = gradient(y[1][1] + y[0][0], x);
    EXPECT_EQ(slopes[0][0].abs().max().item<double>(), 0);
    EXPECT_EQ(slopes[1][1][1].item<double>(), 0);
    EXPECT_NEAR(slopes[1][1].sum().item<double>(), 1, 1e-12);
  }
}

TEST(LogSumExp, DerivativesOfBothOrders) {
  const Tensor x = some_rows(at::kDouble).requires_grad_();
  const Tensor direction = at::linspace(-1, 1, x.numel(), at::kDouble).sin().view_as(x);
  const auto twice = [&](const Tensor& y) {
    const Tensor first = gradient(y.square().sum(), x, true);
    return std::pair(first.detach(), gradient((first * direction).sum(), x));
  };
  const auto [first, second] = twice(log_sum_exp(x));
  const auto [wanted_first, wanted_second] = twice(x.logsumexp(-1));
  EXPECT_TRUE(at::allclose(first, wanted_first, 1e-12, 1e-14));
  EXPECT_TRUE(at::allclose(second, wanted_second, 1e-12, 1e-14));
  EXPECT_GT(second.abs().max().item<double>(), 1e-3);
}

}  // namespace
}  // namespace partita::distributions
