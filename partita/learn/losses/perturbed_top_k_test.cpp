// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/perturbed_top_k.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <limits>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/losses/output_loss_test_support.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::kInfinity;
using testing::largest_difference;
using testing::leaf;
using testing::normal;

constexpr double kEpsilon = 0.7;
constexpr std::int64_t kRows = 60'000;

Tensor numbers(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }
Tensor logits() { return numbers({0.5, -1, 0, 1.2, -0.3}); }

/// How often each category is among the k largest of theta + epsilon G, by enumeration.
Tensor inclusion(const Tensor& theta, std::int64_t k) {
  const distributions::PlackettLuce law(distributions::Logits(theta / kEpsilon), k);
  const Tensor all = law.enumerate_support();
  const Tensor sets = at::zeros({all.size(0), theta.size(0)}, at::kDouble).scatter(-1, all, 1);
  return (law.log_prob(all).exp().unsqueeze(-1) * sets).sum(0);
}

Tensor gradient(const Tensor& y, const Tensor& x) {
  return torch::autograd::grad({y}, {x}, {}, /*retain_graph=*/true, /*create_graph=*/true)[0];
}

/// The mean of independent rows is the exact one, within an interval in which half of it is not.
void expect_mean(const Tensor& rows, const Tensor& exact, const char* what) {
  const Tensor interval =
      kFiveSigma * rows.std(0) / std::sqrt(static_cast<double>(rows.size(0))) + 1e-12;
  const Tensor error = (rows.mean(0) - exact).abs();
  EXPECT_TRUE((error < interval).all().item<bool>()) << what << ": error in intervals\n"
                                                     << error / interval << "\nexact\n"
                                                     << exact;
  const Tensor matters = exact.abs() > 0.3 * exact.abs().max();
  EXPECT_TRUE((4 * interval < exact.abs()).logical_or(~matters).all().item<bool>())
      << what << ": too wide\n"
      << interval / exact;
}

TEST(PerturbedTopK, IsUnbiasedWithItsDerivatives) {
  const Tensor v = numbers({1, -0.5, 2, 0.3, -1});
  for (const std::int64_t k : {1, 2, 4}) {
    const Tensor theta = leaf(logits());
    const Tensor exact = inclusion(theta, k);
    const Tensor slope = gradient((exact * v).sum(), theta);
    const Tensor curvature = gradient((slope * v.flip(0)).sum(), theta);

    const Tensor rows = leaf(logits().expand({kRows, 5}).clone());
    const Tensor y =
        perturbed_top_k(rows, k, Stream{.seed = 1}, {.samples = 5, .epsilon = kEpsilon});
    EXPECT_LT(largest_difference(y.sum(-1), at::full({kRows}, k, at::kDouble)), 1e-14);
    const Tensor slopes = gradient((y * v).sum(), rows);
    expect_mean(y.detach(), exact.detach(), "y");
    expect_mean(slopes.detach(), slope.detach(), "Jacobian");
    expect_mean(gradient((slopes * v.flip(0)).sum(), rows).detach(), curvature.detach(),
                "second derivatives");
  }
}

TEST(PerturbedTopK, OfOneIsTheSoftmax) {
  const Tensor theta = leaf(logits());
  EXPECT_LT(largest_difference(inclusion(theta, 1), (theta / kEpsilon).softmax(-1)), 1e-15);
  const Tensor all = perturbed_top_k(theta, 5, Stream{.seed = 1});
  EXPECT_TRUE(at::equal(all.detach(), at::ones({5}, at::kDouble)));
  EXPECT_LT(gradient(all[0], theta).abs().max().item<double>(), 1e-15);
}

/// The score of the noise itself, by the same draws: the same mean, and more variance.
TEST(PerturbedTopK, VariesLessThanByTheScoreOfItsNoise) {
  constexpr std::int64_t kSamples = 6;
  const Tensor v = numbers({1, -0.5, 2, 0.3, -1});
  const Tensor rows = leaf(logits().expand({kRows, 5}).clone());
  const Tensor y =
      perturbed_top_k(rows, 2, Stream{.seed = 2}, {.samples = kSamples, .epsilon = kEpsilon});
  const Tensor ours = gradient((y * v).sum(), rows).detach();

  const Tensor noise = Random(Stream{.seed = 2}).gumbel({kRows, kSamples, 5}, at::kDouble);
  const Tensor largest = std::get<1>((logits() + kEpsilon * noise).topk(2, -1));
  const Tensor sets = at::zeros_like(noise).scatter(-1, largest, 1);
  EXPECT_LT(largest_difference(sets.mean(1), y.detach()), 1e-15);
  const Tensor values = ((sets - sets.mean(1, true)) * v).sum(-1, true) / (kSamples - 1);
  const Tensor plain = (values * (1 - (-noise).exp())).sum(1) / kEpsilon;
  const Tensor theta = leaf(logits());
  const Tensor exact = gradient((inclusion(theta, 2) * v).sum(), theta).detach();
  expect_mean(plain, exact, "the score of the noise");
  EXPECT_LT(ours.var(0).sum().item<double>(), 0.6 * plain.var(0).sum().item<double>());
}

TEST(PerturbedTopK, DoesNotDependOnThreadsNorOnTheRowsThatFollow) {
  const auto run = [](const Tensor& z) {
    const Tensor x = leaf(z.clone());
    const Tensor y = perturbed_top_k(x, 3, Stream{.seed = 3}, {.samples = 8});
    return at::stack({y.detach(), gradient(y.square().sum(), x).detach()});
  };
  const Tensor z = normal({40, 300}, 4);
  const int before = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor one = run(z);
  at::set_num_threads(3);
  const Tensor three = run(z);
  const Tensor first = run(z.narrow(0, 0, 7));
  at::set_num_threads(before);
  EXPECT_TRUE(at::equal(three, one));
  EXPECT_TRUE(at::equal(first, one.narrow(1, 0, 7)));
  const Share share{.first = 30, .size = 10, .total = 40};
  EXPECT_TRUE(at::equal(
      perturbed_top_k(z.narrow(0, 30, 10), 3, Random(Stream{.seed = 3}).of(share), {.samples = 8}),
      one[0].narrow(0, 30, 10)));
}

TEST(PerturbedTopK, NeverChoosesWhatIsImpossible) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const Tensor z = leaf(numbers({0.5, -kInfinity, 40, -kInfinity, 1}).to(type));
    const Tensor y = perturbed_top_k(z, 2, Stream{.seed = 5});
    EXPECT_EQ(y.scalar_type(), type);
    EXPECT_EQ(y[1].item<double>() + y[3].item<double>(), 0);
    const Tensor slope = gradient((y * y).sum(), z);
    EXPECT_TRUE(slope.isfinite().all().item<bool>()) << slope;
    EXPECT_EQ(slope[1].item<double>(), 0);
    EXPECT_NEAR(slope.sum().item<double>(), 0, 1e-5);
    const Tensor loss = perturbed_top_k_loss(z, numbers({1, 0, 1, 0, 0}).to(type), 2, Stream{6});
    EXPECT_TRUE(gradient(loss, z).isfinite().all().item<bool>());
    const Tensor never = perturbed_top_k_loss(z, numbers({1, 1, 0, 0, 0}).to(type), 2, Stream{6});
    EXPECT_EQ(never.item<double>(), kInfinity);
    EXPECT_EQ(gradient(never, z)[1].item<double>(), 0);
  }
}

TEST(PerturbedTopK, OfHalfPrecisionIsThatInSingle) {
  for (const auto type : {at::kBFloat16, at::kHalf}) {
    const Tensor z = normal({3, 6}, 14).to(type);
    const Tensor narrow = leaf(z);
    const Tensor wide = leaf(z.to(at::kFloat));
    const auto mean = [](const Tensor& x) { return perturbed_top_k(x, 2, Stream{.seed = 15}); };
    const auto loss = [](const Tensor& x) {
      const Tensor target = at::zeros_like(x.detach()).index_fill(1, at::arange(2), 1);
      return perturbed_top_k_loss(x, target, 2, Stream{.seed = 15});
    };
    EXPECT_TRUE(at::equal(mean(narrow), mean(wide).to(type)));
    EXPECT_TRUE(at::equal(loss(narrow), loss(wide).to(type)));
    EXPECT_LT(largest_difference(gradient(loss(narrow), narrow).to(at::kDouble).detach(),
                                 gradient(loss(wide), wide).to(at::kDouble).detach()),
              2e-3);
  }
}

TEST(PerturbedTopKLoss, HasItsPredictionLessTheTargetAsGradient) {
  const Tensor z = leaf(normal({4, 6}, 7));
  const Tensor target = at::zeros({4, 6}, at::kDouble);
  target.narrow(1, 1, 3).fill_(1);
  const PerturbationOptions options{.samples = 20, .epsilon = kEpsilon};
  const Tensor y = perturbed_top_k(z, 3, Stream{.seed = 8}, options);
  const Tensor each =
      perturbed_top_k_loss(z, target, 3, Stream{.seed = 8}, options, Reduction::none);
  const Tensor slope = gradient(each.sum(), z);
  EXPECT_LT(largest_difference(slope.detach(), (y - target).detach()), 1e-15);
  const Tensor v = normal({4, 6}, 9);
  EXPECT_LT(largest_difference(gradient((slope * v).sum(), z).detach(),
                               gradient((y * v).sum(), z).detach()),
            1e-14);
  const auto reduced = [&](Reduction reduction) {
    return perturbed_top_k_loss(z, target, 3, Stream{.seed = 8}, options, reduction).item<double>();
  };
  EXPECT_NEAR(reduced(Reduction::sum), each.sum().item<double>(), 1e-12);
  EXPECT_NEAR(reduced(Reduction::mean), each.mean().item<double>(), 1e-12);
}

TEST(PerturbedTopKLoss, OfOneIsTheCrossEntropy) {
  const Tensor theta = logits();
  const Tensor target = numbers({0, 0, 1, 0, 0});
  const Tensor each = perturbed_top_k_loss(theta.expand({kRows, 5}), target.expand({kRows, 5}), 1,
                                           Stream{.seed = 10}, {.samples = 2, .epsilon = kEpsilon},
                                           Reduction::none);
  expect_mean(each, kEpsilon * cross_entropy(theta.unsqueeze(0) / kEpsilon, target.unsqueeze(0)),
              "k = 1");
  // And of all, theta's own sum less the target's: 0, with noise of mean 0.
  const Tensor full =
      perturbed_top_k_loss(theta.expand({kRows, 5}), at::ones({kRows, 5}, at::kDouble), 5,
                           Stream{.seed = 11}, {.samples = 2}, Reduction::none);
  EXPECT_LT(full.mean().abs().item<double>(),
            kFiveSigma * full.std().item<double>() / std::sqrt(static_cast<double>(kRows)));
  EXPECT_LT(full.std().item<double>(), 2.5);  // five Gumbels, half the variance: 2.03
}

/// The value's slope along each logit, by the same noise on both sides, is that of F.
TEST(PerturbedTopKLoss, ItsValueHasItsGradient) {
  constexpr double kStep = 0.05;
  const Tensor target = numbers({1, 1, 0, 0, 0}).expand({kRows, 5});
  const auto value = [&](std::int64_t i, double step) {
    Tensor theta = logits();
    theta[i] += step;
    return perturbed_top_k_loss(theta.expand({kRows, 5}), target, 2, Stream{.seed = 12},
                                {.samples = 2, .epsilon = kEpsilon}, Reduction::none);
  };
  for (std::int64_t i = 0; i < 5; ++i) {
    const Tensor slopes = (value(i, kStep) - value(i, -kStep)) / (2 * kStep);
    const Tensor exact = (inclusion(logits(), 2) - target[0])[i];
    const double interval =
        kFiveSigma * slopes.std().item<double>() / std::sqrt(static_cast<double>(kRows));
    constexpr double kThird = 1e-3;  // of the difference, by the third derivative
    EXPECT_NEAR(slopes.mean().item<double>(), exact.item<double>(), interval + kThird) << i;
  }
}

TEST(PerturbedTopKLoss, LearnsTheLawOfSets) {
  const Tensor goal = inclusion(logits(), 2);
  Tensor theta = leaf(at::zeros({5}, at::kDouble));
  constexpr int kSteps = 400;
  for (int step = 0; step < kSteps; ++step) {
    const Tensor loss = perturbed_top_k_loss(
        theta, goal, 2, Stream{.seed = 13}.child(static_cast<std::uint64_t>(step)),
        {.samples = 100, .epsilon = kEpsilon});
    const Tensor slope = gradient(loss, theta).detach();
    theta = leaf(theta.detach() - 2. * (kSteps - step) / kSteps * slope);
  }
  EXPECT_LT(largest_difference(inclusion(theta.detach(), 2), goal), 0.03) << theta;
}

TEST(PerturbedTopK, NamesWhatIsWrong) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const auto refusal = [](const Tensor& z, std::int64_t k, const PerturbationOptions& options) {
    return message_of<InvalidArgument>([&] { perturbed_top_k(z, k, Stream{1}, options); });
  };
  const Tensor two = normal({2, 3}, 1);
  EXPECT_EQ(refusal(two, 0, {}), "k: expected 1..3 (categories), got 0");
  EXPECT_EQ(refusal(two, 4, {}), "k: expected 1..3 (categories), got 4");
  EXPECT_EQ(refusal(two, 2, {.samples = 1}), "samples: expected 2 or more, got 1");
  EXPECT_EQ(refusal(two, 2, {.epsilon = 0}), "epsilon: expected a number in (0, inf), got 0");
  EXPECT_EQ(refusal(two, 2, {.epsilon = nan}), "epsilon: expected a number in (0, inf), got nan");
  EXPECT_EQ(refusal(at::ones({2, 3}, at::kLong), 2, {}),
            "logits: expected a floating-point tensor, got Long");
  Tensor bad = two.clone();
  bad[1][2] = nan;
  EXPECT_EQ(refusal(bad, 2, {}).substr(0, 15), "logits: row 1: ");
  bad[1][2] = -kInfinity;
  bad[1][0] = -kInfinity;
  EXPECT_EQ(refusal(bad, 2, {}), "logits: row 1: expected 2 or more > -inf, got 1");

  const auto wrong = [&](const Tensor& target) {
    return message_of<InvalidArgument>([&] { perturbed_top_k_loss(two, target, 2, Stream{1}); });
  };
  const Tensor target = numbers({1, 1, 0}).expand({2, 3}).clone();
  EXPECT_EQ(wrong(target.to(at::kLong)), "target: expected a floating-point tensor, got Long");
  EXPECT_EQ(wrong(target[0]), "target: expected the shape of logits, [2, 3], got [3]");
  target[1][1] = 0;
  EXPECT_EQ(wrong(target), "target: row 1: expected a sum of 2, got 1");
  target[1][1] = 1.5;
  EXPECT_EQ(wrong(target), "target: row 1: expected numbers in [0, 1], got 1.5 at column 1");
  target[1][1] = nan;
  EXPECT_EQ(wrong(target), "target: row 1: expected numbers in [0, 1], got nan at column 1");
}

}  // namespace
}  // namespace partita::losses
