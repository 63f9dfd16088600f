// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/confidence.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/output_loss_test_support.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::kInfinity;
using testing::largest_difference;

const Tensor& two_rows() {
  static const Tensor it =
      at::tensor({0.3, -1.2, 2.0, 0.0, 40.0, -30.0, 0.5, 0.5}, at::kDouble).view({2, 4});
  return it;
}

TEST(KlFromUniform, IsItsDefinition) {
  const Tensor p = two_rows().softmax(-1);
  const Tensor definition = (0.25 * (std::log(0.25) - p.log())).sum(-1);
  const Tensor closed_form = two_rows().logsumexp(-1) - two_rows().mean(-1) - std::log(4);
  const Tensor value = kl_from_uniform(two_rows(), Reduction::none);
  EXPECT_LT(largest_difference(value, definition), 1e-13);
  EXPECT_LT(largest_difference(value, closed_form), 1e-13);
  EXPECT_NEAR(kl_from_uniform(two_rows()).item<double>(), definition.mean().item<double>(), 1e-13);
  EXPECT_NEAR(kl_from_uniform(two_rows(), Reduction::sum).item<double>(),
              definition.sum().item<double>(), 1e-13);
  // Not the other way round.
  const Tensor reversed = (p * (p.log() - std::log(0.25))).sum(-1);
  EXPECT_GT(largest_difference(value, reversed), 1);
  EXPECT_EQ(kl_from_uniform(at::full({1, 8}, 7.0, at::kDouble)).item<double>(), 0);
}

TEST(KlFromUniform, GradientIsTheSoftmaxMinusOneOverK) {
  const Tensor leaf = two_rows().clone().set_requires_grad(true);
  kl_from_uniform(leaf, Reduction::sum).backward();
  EXPECT_LT(largest_difference(leaf.grad(), two_rows().softmax(-1) - 0.25), 1e-15);
  // And that is its slope.
  constexpr double kStep = 1e-5;
  for (std::int64_t i = 0; i < 8; ++i) {
    Tensor step = at::zeros({2, 4}, at::kDouble);
    step.view(-1)[i] = kStep;
    const double slope = (kl_from_uniform(two_rows() + step, Reduction::sum) -
                          kl_from_uniform(two_rows() - step, Reduction::sum))
                             .item<double>() /
                         (2 * kStep);
    EXPECT_NEAR(leaf.grad().view(-1)[i].item<double>(), slope, 1e-9);
  }
}

TEST(KlFromUniform, AnImpossibleClassIsInfinitelyFarFromUniform) {
  const Tensor z = at::tensor({0.0, -kInfinity}, at::kDouble).view({1, 2});
  EXPECT_EQ(kl_from_uniform(z).item<double>(), kInfinity);
  EXPECT_EQ(message_of<InvalidArgument>([] {
              kl_from_uniform(at::full({1, 2}, NAN));
            }),
            "logits: row 0: expected logits, each < +inf and not all -inf, got nan at column 0");
}

TEST(ConfidenceLoss, IsTheSumOfItsTerms) {
  const Tensor labels = at::tensor({2, 0}, at::kLong);
  const Tensor unknown = two_rows().flip(0) * 0.1;
  const double right = cross_entropy(two_rows(), labels).item<double>();
  const double unsure = kl_from_uniform(unknown).item<double>();
  EXPECT_NEAR(confidence_loss(two_rows(), labels, unknown, 0.3).item<double>(),
              right + 0.3 * unsure, 1e-14);
  EXPECT_EQ(confidence_loss(two_rows(), labels, unknown, 0).item<double>(), right);
  EXPECT_EQ(message_of<InvalidArgument>([&] { confidence_loss(two_rows(), labels, unknown, -1); }),
            "beta: expected a number in [0, inf), got -1");
}

}  // namespace
}  // namespace partita::losses
