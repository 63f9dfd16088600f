// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/gan_losses.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <numbers>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/random.hpp"

namespace partita::openset {
namespace {

using partita::testing::message_of;

void expect_near(const Tensor& a, const Tensor& b) {
  EXPECT_NEAR(a.item<double>(), b.item<double>(), 1e-12);
}

TEST(GanLosses, AreTheirDefinitions) {
  const Tensor real = at::tensor({0.3, -2.0, 50.0}, at::kDouble);
  const Tensor fake = at::tensor({-0.7, 1.5, -60.0}, at::kDouble);
  const Tensor d_real = real.sigmoid();
  const Tensor d_fake = fake.sigmoid();
  const Tensor truth = -d_real.log().mean();
  const Tensor lie = -(1 - d_fake).log().mean();
  expect_near(discriminator_loss(real, fake), truth + lie);
  expect_near(discriminator_loss(real, fake, GeneratorLoss::saturating), truth + lie);
  expect_near(discriminator_loss(real, fake, GeneratorLoss::fence), truth + 0.1 * lie);
  expect_near(generator_loss(fake, GeneratorLoss::saturating), -lie);
  expect_near(generator_loss(fake, GeneratorLoss::non_saturating), -d_fake.log().mean());
  expect_near(generator_loss(fake, GeneratorLoss::fence),
              -0.5 * (d_fake.log() + (1 - d_fake).log()).mean());
}

/// The slope of a generator's loss at one logit.
double slope(GeneratorLoss loss, double at) {
  const Tensor logit = at::full({1}, at, at::kDouble).set_requires_grad(true);
  generator_loss(logit, loss).backward();
  return logit.grad().item<double>();
}

TEST(GanLosses, TheSaturatingOneHasNoGradientWhereTheDiscriminatorWins) {
  EXPECT_NEAR(slope(GeneratorLoss::saturating, -30), -std::exp(-30), 1e-20);
  EXPECT_NEAR(slope(GeneratorLoss::non_saturating, -30), -1, 1e-12);
}

TEST(GanLosses, TheFenceIsWhereTheDiscriminatorIsUndecided) {
  EXPECT_EQ(slope(GeneratorLoss::fence, 0), 0);
  EXPECT_NEAR(slope(GeneratorLoss::fence, -30), -0.5, 1e-12);
  EXPECT_NEAR(slope(GeneratorLoss::fence, 30), 0.5, 1e-12);
}

/// Points 0, 1 and 4 on a line: the nearest are 1, 1 and 3 away, V_1 = 2.
TEST(NearestNeighborEntropy, ByHand) {
  const Tensor x = at::tensor({0.0, 1.0, 4.0}, at::kDouble).view({3, 1}).requires_grad_();
  const Tensor h = nearest_neighbor_entropy(x);
  EXPECT_NEAR(h.item<double>(), std::log(3) / 3 + std::log(2) + std::log(2) + std::numbers::egamma,
              1e-12);
  h.backward();
  // d/dx of (log|x0 - x1| + log|x1 - x0| + log|x2 - x1|) / 3.
  const Tensor expected = at::tensor({-2.0 / 3, 2.0 / 3 - 1.0 / 9, 1.0 / 9}, at::kDouble);
  EXPECT_LT((x.grad().flatten() - expected).abs().max().item<double>(), 1e-12);
}

/// The entropy is d/2 log(2 pi e). d log(distance) has the variance pi^2/6 of a Gumbel variable,
/// and -log p(x) d/2: the estimate's deviation is .02 for 5000 draws, a sixth of the tolerance.
TEST(NearestNeighborEntropy, IsThatOfTheNormalDistribution) {
  for (const std::int64_t d : {1, 2, 3}) {
    const Tensor x = Random(Stream{.seed = 6}).normal({5000, d}, at::kDouble);
    const double exact =
        static_cast<double>(d) / 2 * std::log(2 * std::numbers::pi * std::numbers::e);
    EXPECT_NEAR(nearest_neighbor_entropy(x).item<double>(), exact, 0.12) << d;
    // Twice as wide: d log 2 more, to the last digit, as long as no distance is under the least.
    const Tensor few = x.slice(0, 0, 100);
    EXPECT_NEAR((nearest_neighbor_entropy(2 * few) - nearest_neighbor_entropy(few)).item<double>(),
                static_cast<double>(d) * std::log(2), 1e-9);
  }
}

TEST(NearestNeighborEntropy, IsFiniteWhereSamplesCoincide) {
  const Tensor x = at::zeros({4, 2}, at::kFloat).requires_grad_();
  const Tensor h = nearest_neighbor_entropy(x);
  h.backward();
  EXPECT_TRUE(std::isfinite(h.item<double>()));
  EXPECT_EQ(x.grad().abs().sum().item<double>(), 0);
}

/// Directions 0, 45 and 90 degrees: squared cosines 1/2, 0 and 1/2, each pair twice.
TEST(PullAwayTerm, ByHand) {
  const Tensor x = at::tensor({2.0, 0.0, 3.0, 3.0, 0.0, 5.0}, at::kDouble).view({3, 2});
  EXPECT_NEAR(pull_away_term(x).item<double>(), 1.0 / 3, 1e-12);
  expect_near(entropy(x, Entropy::pull_away), -pull_away_term(x));
  expect_near(entropy(x, Entropy::nearest_neighbor), nearest_neighbor_entropy(x));
}

TEST(PullAwayTerm, ItsGradientIsThatOfItsFormula) {
  const Tensor x = Random(Stream{.seed = 7}).normal({5, 3}, at::kDouble).requires_grad_();
  pull_away_term(x).backward();
  for (std::int64_t i = 0; i < x.numel(); ++i) {
    const auto moved = [&](double by) {
      Tensor other = x.detach().clone();
      other.view(-1)[i] += by;
      return pull_away_term(other).item<double>();
    };
    EXPECT_NEAR(x.grad().view(-1)[i].item<double>(), (moved(1e-5) - moved(-1e-5)) / 2e-5, 1e-8);
  }
}

TEST(Entropies, RefuseASingleSample) {
  EXPECT_EQ(message_of<InvalidArgument>([] {
              nearest_neighbor_entropy(at::zeros({1, 2}));
            }),
            "samples: expected 2 or more, got 1");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              pull_away_term(at::zeros({1, 2}));
            }),
            "samples: expected 2 or more, got 1");
}

}  // namespace
}  // namespace partita::openset
