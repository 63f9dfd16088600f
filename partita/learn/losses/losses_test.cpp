// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/losses.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/losses/output_loss_test_support.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::kInfinity;
using testing::largest_difference;

using Loss = std::function<Tensor(const Tensor&)>;

Tensor gradient_of(const Loss& loss, const Tensor& at) {
  const Tensor leaf = at.detach().clone().set_requires_grad(true);
  loss(leaf).sum().backward();
  return leaf.grad();
}

/// Central differences: an error of about 1e-10 for losses of order 1 in double.
Tensor slope_of(const Loss& loss, const Tensor& at) {
  constexpr double kStep = 1e-5;
  Tensor slope = at::zeros_like(at);
  for (std::int64_t i = 0; i < at.numel(); ++i) {
    const Tensor step = at::zeros_like(at);
    step.view(-1)[i] = kStep;
    slope.view(-1)[i] = (loss(at + step).sum() - loss(at - step).sum()) / (2 * kStep);
  }
  return slope;
}

Tensor row(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

const Tensor& logits() {
  static const Tensor it =
      at::tensor({0.3, -1.2, 2.0, 0.0, 4.0, -3.0, 0.5, 0.5}, at::kDouble).view({2, 4});
  return it;
}
const Tensor& probabilities() {
  static const Tensor it =
      at::tensor({0.1, 0.2, 0.3, 0.4, 0.0, 1.0, 0.0, 0.0}, at::kDouble).view({2, 4});
  return it;
}
const Tensor& classes() {
  static const Tensor it = at::tensor({2, 1}, at::kLong);
  return it;
}

TEST(Losses, GradientsAreFiniteDifferencesAndTheClosedForm) {
  for (const Tensor& target : {classes(), probabilities()}) {
    const Tensor t = target.dim() == 1 ? at::one_hot(target, 4).to(at::kDouble) : target;
    const Tensor p = logits().softmax(-1);
    const Tensor d = p - t;

    const Loss entropy = [&](const Tensor& z) { return cross_entropy(z, target, Reduction::none); };
    EXPECT_LT(largest_difference(gradient_of(entropy, logits()), slope_of(entropy, logits())),
              1e-9);
    EXPECT_LT(largest_difference(gradient_of(entropy, logits()), p - t), 1e-15);

    const Loss square = [&](const Tensor& z) { return softmax_square(z, target, Reduction::none); };
    EXPECT_LT(largest_difference(gradient_of(square, logits()), slope_of(square, logits())), 1e-9);
    EXPECT_LT(largest_difference(gradient_of(square, logits()),
                                 2 * p * (d - (p * d).sum(-1, /*keepdim=*/true))),
              1e-15);
  }
  const Tensor y = at::tensor({1.0, 0.0, 0.25, 0.5, 0.0, 1.0, 0.9, 0.1}, at::kDouble).view({2, 4});
  const Loss logistic = [&](const Tensor& x) {
    return losses::binary_cross_entropy_with_logits(x, y, Reduction::none);
  };
  EXPECT_LT(largest_difference(gradient_of(logistic, logits()), slope_of(logistic, logits())),
            1e-9);
  EXPECT_LT(largest_difference(gradient_of(logistic, logits()), logits().sigmoid() - y), 1e-15);

  const Loss gaussian = [&](const Tensor& x) { return gaussian_nll(x, y, 0.7, Reduction::none); };
  EXPECT_LT(largest_difference(gradient_of(gaussian, logits()), (logits() - y) / 0.7), 1e-14);
}

TEST(Losses, ValuesAndReductions) {
  const Tensor by_class = cross_entropy(logits(), classes(), Reduction::none);
  EXPECT_EQ(by_class.sizes(), IntArrayRef({2}));
  // 7 - log-sum-exp of row 1 written out: -(-3) + log(e^4 + e^-3 + 2 e^0.5).
  EXPECT_NEAR(by_class[1].item<double>(),
              3 + std::log(std::exp(4) + std::exp(-3) + 2 * std::exp(0.5)), 1e-14);
  const Tensor one_hot = at::one_hot(classes(), 4).to(at::kDouble);
  EXPECT_LT(largest_difference(cross_entropy(logits(), one_hot, Reduction::none), by_class), 1e-15);
  EXPECT_NEAR(cross_entropy(logits(), classes()).item<double>(),
              cross_entropy(logits(), classes(), Reduction::sum).item<double>() / 2, 1e-15);

  // Two classes are one logit.
  const Tensor x = row({-3, 0, 0.5});
  const Tensor two = at::stack({at::zeros_like(x), x}, -1);
  const Tensor y = row({0.2, 1, 0});
  EXPECT_LT(largest_difference(losses::binary_cross_entropy_with_logits(x, y, Reduction::none),
                               cross_entropy(two, at::stack({1 - y, y}, -1), Reduction::none)),
            1e-15);

  // Least squares is a Gaussian's likelihood.
  EXPECT_NEAR(gaussian_nll(x, y, 0.09, Reduction::sum).item<double>(),
              -distributions::Normal(x, 0.3).log_prob(y).sum().item<double>(), 1e-12);
}

TEST(Losses, AnImpossibleClassCostsNothingUntilAskedFor) {
  const Tensor z = row({1, -kInfinity, 0}).view({1, 3});
  const Tensor without = row({0.4, 0, 0.6}).view({1, 3});
  const double expected = 0.4 * std::log1p(std::exp(-1)) + 0.6 * std::log1p(std::exp(1));
  EXPECT_NEAR(cross_entropy(z, without).item<double>(), expected, 1e-15);
  const Loss loss = [&](const Tensor& at) { return cross_entropy(at, without); };
  EXPECT_LT(largest_difference(gradient_of(loss, z), z.softmax(-1) - without), 1e-15);
  EXPECT_EQ(cross_entropy(z, at::tensor({1}, at::kLong)).item<double>(), kInfinity);
  EXPECT_EQ(cross_entropy(z, row({0.4, 0.1, 0.5}).view({1, 3})).item<double>(), kInfinity);
  EXPECT_NEAR(softmax_square(z, at::tensor({1}, at::kLong)).item<double>(),
              1 + z.softmax(-1).square().sum().item<double>(), 1e-15);

  const Tensor x = row({kInfinity, -kInfinity, -kInfinity});
  const Tensor y = row({1, 0, 0.5});
  const Tensor binary = losses::binary_cross_entropy_with_logits(x, y, Reduction::none);
  EXPECT_EQ(binary[0].item<double>(), 0);
  EXPECT_EQ(binary[1].item<double>(), 0);
  EXPECT_EQ(binary[2].item<double>(), kInfinity);
  const Loss certain = [&](const Tensor& at) {
    return losses::binary_cross_entropy_with_logits(at, row({1, 0}));
  };
  EXPECT_EQ(gradient_of(certain, x.slice(0, 0, 2)).abs().max().item<double>(), 0);
}

// The lecture's question: why not the squares of a softmax's errors?
TEST(Losses, SquaresOfASoftmaxAreNotConvexAndForgetConfidentMistakes) {
  const Tensor right = at::tensor({0}, at::kLong);
  const auto at_margin = [](double m) { return row({0, m}).view({1, 2}); };  // class 1 leads by m
  const auto square = [&](double m) { return softmax_square(at_margin(m), right).item<double>(); };
  const auto entropy = [&](double m) { return cross_entropy(at_margin(m), right).item<double>(); };
  // The middle of 0 and 8 lies above the chord, by 1.93 to 1.25: no convex function does that.
  EXPECT_GT(square(4), (square(0) + square(8)) / 2 + 0.6);
  EXPECT_LT(entropy(4), (entropy(0) + entropy(8)) / 2);

  const auto slope = [&](auto loss, double m) {
    return gradient_of([&](const Tensor& z) { return loss(z, right, Reduction::mean); },
                       at_margin(m))[0][1]
        .template item<double>();
  };
  for (const double m : {10.0, 20.0, 30.0}) {
    const double p = 1 / (1 + std::exp(-m));  // the wrong class's probability
    EXPECT_NEAR(slope(cross_entropy, m), p, 1e-15);
    const double expected = 4 * p * p * std::exp(-m) * p;    // 4 p^2 (1 - p)
    EXPECT_NEAR(slope(softmax_square, m), expected, 1e-15);  // rounding of p - 1
  }
}

TEST(Losses, HalfPrecision) {
  for (const at::ScalarType type : {at::kFloat, at::kBFloat16}) {
    const Tensor loss = cross_entropy(logits().to(type), classes());
    EXPECT_EQ(loss.scalar_type(), type);
    // A few units of the type's last place, for a loss of 3.7.
    EXPECT_NEAR(loss.item<double>(), cross_entropy(logits(), classes()).item<double>(),
                type == at::kFloat ? 2e-6 : 0.06);
  }
}

TEST(Losses, ClassesOfAnyIntegerType) {
  const Tensor right = cross_entropy(logits(), classes());
  for (const auto type : {at::kInt, at::kShort, at::kByte}) {
    EXPECT_TRUE(at::equal(cross_entropy(logits(), classes().to(type)), right));
    EXPECT_TRUE(at::equal(softmax_square(logits(), classes().to(type)),
                          softmax_square(logits(), classes())));
  }
}

TEST(Losses, RefusalsNameRowAndValue) {
  const auto entropy = [](const Tensor& z, const Tensor& t) {
    return message_of<InvalidArgument>([&] { cross_entropy(z, t); });
  };
  Tensor bad = logits().clone();
  bad[1][2] = std::nan("");
  EXPECT_EQ(entropy(bad, classes()),
            "logits: row 1: expected logits, each < +inf and not all -inf, got nan at column 2");
  bad[1][2] = kInfinity;
  EXPECT_EQ(message_of<InvalidArgument>([&] { softmax_square(bad, classes()); }),
            "logits: row 1: expected logits, each < +inf and not all -inf, got inf at column 2");
  EXPECT_EQ(entropy(at::full({1, 3}, -kInfinity), at::tensor({0}, at::kLong)),
            "logits: row 0: expected logits, each < +inf and not all -inf, got -inf in every "
            "column");
  EXPECT_EQ(entropy(logits(), at::tensor({0, 4}, at::kLong)),
            "target: row 1: expected a class of 0..3, got 4");
  EXPECT_EQ(entropy(logits(), at::tensor({0, 1, 2}, at::kLong)),
            "target: expected shape [2], a class for each row of logits, got [3]");
  EXPECT_EQ(entropy(logits(), at::tensor({0, 1}).to(at::kBool)),
            "target: expected classes as integers, or probabilities, got Bool");
  EXPECT_EQ(entropy(logits(), probabilities() * 1.5),
            "target: row 0: expected probabilities that sum to 1, got a sum of 1.5");
  EXPECT_EQ(entropy(logits(), probabilities() * -1),
            "target: row 0: expected probabilities that sum to 1, got -0.1 at column 0");
  EXPECT_EQ(entropy(logits(), at::ones({2}, at::kDouble)),
            "target: expected the shape of logits, [2, 4], got [2]");
  EXPECT_EQ(entropy(classes(), classes()), "logits: expected a floating-point tensor, got Long");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              losses::binary_cross_entropy_with_logits(row({0, 1}), row({0, 1.5}));
            }),
            "target: expected a number in [0, 1], got 1.5 at element 1");
  EXPECT_EQ(message_of<InvalidArgument>([] { gaussian_nll(row({0}), row({0}), -1.0); }),
            "variance: expected a number > 0, got -1 at element 0");
}

}  // namespace
}  // namespace partita::losses
