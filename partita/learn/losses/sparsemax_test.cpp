// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/sparsemax.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/output_loss_test_support.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::integers;
using testing::kInfinity;
using testing::largest_difference;
using testing::leaf;
using testing::normal;

struct Golden {
  double alpha;
  std::vector<double> logits;
  std::vector<double> p;
  std::vector<double> losses;
};
const std::vector<Golden> kGolden = {
#include "partita/learn/losses/sparsemax_golden.inc"
};

/// One of the two, by its alpha.
struct Entmax {
  double alpha;
  double margin;  ///< of the target's logit over all others, from which the loss is 0
  Tensor (*p)(const Tensor&);
  Tensor (*loss)(const Tensor&, const Tensor&, Reduction);
};
const Entmax kBoth[] = {{2, 1, sparsemax, sparsemax_loss}, {1.5, 2, entmax15, entmax15_loss}};

Tensor row(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

/// The gradient of sum(f(x) weights), with a graph of its own.
Tensor gradient(const Tensor& y, const Tensor& x, const Tensor& weights) {
  return torch::autograd::grad({y}, {x}, {weights}, /*retain_graph=*/true,
                               /*create_graph=*/true)[0];
}

TEST(Sparsemax, GoldenValues) {
  for (const Entmax& entmax : kBoth) {
    int rows = 0;
    for (const Golden& golden : kGolden) {
      if (golden.alpha != entmax.alpha) continue;
      ++rows;
      const Tensor z = row(golden.logits);
      const auto k = static_cast<std::int64_t>(golden.p.size());
      EXPECT_LT(largest_difference(entmax.p(z), row(golden.p)), 1e-15) << z;
      const Tensor found = entmax.loss(z.expand({k, k}), at::arange(k, at::kLong), Reduction::none);
      for (std::int64_t y = 0; y < k; ++y) {
        const double exact = golden.losses[static_cast<std::size_t>(y)];
        const double value = found[y].item<double>();
        if (std::isinf(exact) || exact == 0) {
          EXPECT_EQ(value, exact) << z << y;
          continue;
        }
        EXPECT_NEAR(value, exact, 2e-15 * (1 + exact)) << z << y;
        EXPECT_NEAR(value / exact, 1, 1e-8) << z << y;  // the smallest, 7e-20, too
      }
      const Tensor narrow = z.to(at::kFloat);
      EXPECT_EQ(entmax.p(narrow).scalar_type(), at::kFloat);
      EXPECT_LT(largest_difference(entmax.p(narrow), row(golden.p)), 1e-6) << z;
    }
    EXPECT_EQ(rows, 13);
  }
}

TEST(Sparsemax, OfManyClassesSatisfiesItsConditions) {
  // p is the maximum where p_j^(alpha-1) = (alpha-1) z_j - tau on the support, and the others lie
  // below tau; and where it sums to 1.
  const Tensor wide = normal({3, 20'000}, 3, 4);
  const Tensor narrow = normal({3, 20'000}, 4, 1e-4);
  const Tensor huge = normal({3, 20'000}, 5, 1e300);
  const Tensor tied = (normal({3, 20'000}, 6) * 2).round() / 2;
  for (const Entmax& entmax : kBoth) {
    for (const Tensor& z : {wide, narrow, huge, tied}) {
      const Tensor p = entmax.p(z);
      EXPECT_LT(largest_difference(p.sum(-1), at::ones({3}, at::kDouble)), 1e-12);
      const Tensor x = (z - z.amax(-1, true)) * (entmax.alpha - 1);
      const Tensor tau = x.amax(-1, true) - p.amax(-1, true).pow(entmax.alpha - 1);
      EXPECT_LT(largest_difference(p, (x - tau).clamp_min(0).pow(1 / (entmax.alpha - 1))), 1e-15);
    }
    const Tensor zeros = (entmax.p(wide) == 0).sum(-1);
    EXPECT_TRUE((zeros > 19'900).all().item<bool>()) << zeros;
    EXPECT_TRUE((entmax.p(narrow.slice(-1, 0, 50)) > 0).all().item<bool>());
  }
}

TEST(Sparsemax, GradientsAreTheJacobiansOfTheirSupport) {
  const Tensor z = leaf(normal({4, 6}, 7));
  const Tensor v = normal({4, 6}, 8);
  for (const Entmax& entmax : kBoth) {
    const Tensor p = entmax.p(z);
    EXPECT_GT((p == 0).sum().item<std::int64_t>(), 0);
    const Tensor by = gradient(p, z, v);
    EXPECT_LT(largest_difference(by, testing::slope([&] { return (entmax.p(z) * v).sum(); }, z)),
              1e-8);
    const Tensor w = at::where(p > 0, p.pow(2 - entmax.alpha), at::zeros_like(p));
    EXPECT_LT(largest_difference(by, w * (v - (w * v).sum(-1, true) / w.sum(-1, true))), 1e-15);
    // A logarithm of the zeros sends in infinity, which goes nowhere.
    EXPECT_TRUE(gradient((p * p.log()).nansum(), z, at::ones({}, at::kDouble))
                    .isfinite()
                    .all()
                    .item<bool>());
    // Second derivatives of p.
    const Tensor u = normal({4, 6}, 9);
    const auto once = [&] {
      const at::AutoGradMode with_grad(true);
      return (gradient(entmax.p(z), z, v) * u).sum();
    };
    if (entmax.alpha == 2) continue;  // piecewise linear
    EXPECT_LT(
        largest_difference(gradient(once(), z, at::ones({}, at::kDouble)), testing::slope(once, z)),
        1e-6);
  }
}

TEST(Sparsemax, GradientOfTheLossIsTheProbabilityMinusTheTarget) {
  const Tensor z = leaf(normal({2, 3, 5}, 10));
  const Tensor target = integers({0, 1, 4, 2, -100, 3}).view({2, 3});
  const Tensor weights = normal({2, 3}, 11);
  for (const Entmax& entmax : kBoth) {
    const auto loss = [&] { return (entmax.loss(z, target, Reduction::none) * weights).sum(); };
    const Tensor by = gradient(loss(), z, at::ones({}, at::kDouble));
    const Tensor kept = weights.masked_fill(target == -100, 0).unsqueeze(-1);
    const Tensor one_hot = at::one_hot(target.clamp_min(0), 5);
    EXPECT_LT(largest_difference(by, kept * (entmax.p(z) - one_hot)), 1e-15);
    EXPECT_LT(largest_difference(by, testing::slope(loss, z)), 1e-8);
    // Second derivatives: the Jacobian.
    const Tensor v = normal({2, 3, 5}, 12);
    EXPECT_LT(largest_difference(gradient(by, z, v), gradient(entmax.p(z), z, kept * v)), 1e-14);
  }
}

TEST(Sparsemax, LossIsZeroFromItsMarginOn) {
  for (const Entmax& entmax : kBoth) {
    const Tensor z = leaf(row({entmax.margin, 0, -1}).view({1, 3}));
    const Tensor loss = entmax.loss(z, integers({0}), Reduction::mean);
    EXPECT_EQ(loss.item<double>(), 0);
    loss.backward();
    EXPECT_EQ(z.grad().abs().max().item<double>(), 0);
    const Tensor less = row({entmax.margin - 1e-3, 0, -1}).view({1, 3});
    EXPECT_GT(entmax.loss(less, integers({0}), Reduction::mean).item<double>(), 0);
  }
}

TEST(Sparsemax, ReductionsIgnoredRowsAndImpossibleClasses) {
  const Tensor z = normal({4, 3}, 13);
  const Tensor target = integers({2, -100, 0, 1});
  for (const Entmax& entmax : kBoth) {
    const Tensor each = entmax.loss(z, target, Reduction::none);
    EXPECT_EQ(each[1].item<double>(), 0);
    EXPECT_NEAR(entmax.loss(z, target, Reduction::mean).item<double>(),
                each.sum().item<double>() / 3, 1e-15);
    EXPECT_EQ(entmax.loss(z, target, Reduction::sum).item<double>(), each.sum().item<double>());

    const Tensor impossible = leaf(row({0.5, -kInfinity, 0.25}).view({1, 3}));
    EXPECT_EQ(entmax.loss(impossible, integers({1}), Reduction::mean).item<double>(), kInfinity);
    entmax.loss(impossible, integers({0}), Reduction::mean).backward();
    EXPECT_LT(largest_difference(impossible.grad().select(1, 1), row({0})), 1e-300);
    EXPECT_TRUE(impossible.grad().isfinite().all().item<bool>());

    const Tensor columns = normal({5, 4}, 14).t();  // not contiguous
    EXPECT_EQ(largest_difference(entmax.p(columns), entmax.p(columns.contiguous())), 0);
    EXPECT_EQ(entmax.p(at::empty({0, 3})).sizes(), IntArrayRef({0, 3}));
    EXPECT_EQ(entmax.p(z.to(at::kBFloat16)).scalar_type(), at::kBFloat16);
  }
}

TEST(Sparsemax, SaysWhatDoesNotFit) {
  const Tensor z = at::zeros({2, 3});
  const auto loss = [&](const Tensor& logits, const Tensor& target) {
    return message_of<InvalidArgument>([&] { entmax15_loss(logits, target); });
  };
  EXPECT_EQ(message_of<InvalidArgument>([] {
              sparsemax(at::full({1, 2}, NAN));
            }),
            "logits: row 0: expected logits, each < +inf and not all -inf, got nan at column 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { entmax15(at::zeros({})); }),
            "logits: expected shape [..., K] with K classes, got []");
  EXPECT_EQ(loss(z, integers({0, 3})), "target: row 1: expected a class of 0..2, got 3");
  EXPECT_EQ(loss(z, integers({0})),
            "target: expected shape [2], a class for each row of logits, got [1]");
  EXPECT_EQ(loss(z, at::zeros({2, 3})), "target: expected classes as integers, got Float");
}

}  // namespace
}  // namespace partita::losses
