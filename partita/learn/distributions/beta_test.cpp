// SPDX-License-Identifier: Apache-2.0
// Beta, Dirichlet, and the distributions made from beta draws: StudentT, FisherSnedecor.
#include "partita/learn/distributions/beta.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "partita/learn/distributions/dirichlet.hpp"
#include "partita/learn/distributions/fisher_snedecor.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/student_t.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::kInfinity;
using testing::number;

TEST(Beta, Draws) {
  testing::expect_draws_follow_cdf(Beta(number(2), 3));
  testing::expect_draws_follow_cdf(Beta(number(0.1), 0.5));
  testing::expect_draws_follow_cdf(Beta(number(3000), 20));
}

TEST(Beta, PathwiseGradient) {
  const auto make = [](const auto& p) { return std::make_shared<Beta>(p[0], p[1]); };
  testing::expect_pathwise_gradient(make, {2, 3});
  testing::expect_pathwise_gradient(make, {0.5, 1.5});
  testing::expect_pathwise_gradient(make, {300, 20});
}

TEST(Beta, AgainstValuesOfMpmath) {
  // log of betainc(a, b, 0, x, regularized=True), and of its complement.
  EXPECT_NEAR(Beta(number(30), 2).log_cdf(number(1e-20)).item<double>(), -1378.1170685919423, 1e-9);
  EXPECT_NEAR(Beta(number(2), 300).log_survival(number(0.9)).item<double>(), -685.17340907733407,
              1e-9);
  EXPECT_NEAR(Beta(number(0.5), 0.5).cdf(number(0.1)).item<double>(), 0.20483276469913346, 1e-14);
}

TEST(Beta, Ends) {
  const Beta uniform(number(1), 1);
  EXPECT_EQ(uniform.log_prob(number(0)).item<double>(), 0);
  EXPECT_EQ(uniform.log_prob(number(1)).item<double>(), 0);
  EXPECT_EQ(Beta(number(2), 0.5).log_prob(number(0)).item<double>(), -kInfinity);
  EXPECT_EQ(Beta(number(2), 0.5).log_prob(number(1)).item<double>(), kInfinity);
  for (const double end : {0.0, 1.0}) {
    Tensor x = number(end).set_requires_grad(true);
    (uniform.log_prob(x) + uniform.cdf(x)).backward();
    EXPECT_TRUE(std::isfinite(x.grad().item<double>()));
    EXPECT_EQ(uniform.cdf(number(end)).item<double>(), end);
    EXPECT_EQ(uniform.log_cdf(number(end)).item<double>(), end == 0 ? -kInfinity : 0);
    EXPECT_EQ(uniform.log_survival(number(end)).item<double>(), end == 0 ? 0 : -kInfinity);
  }
  EXPECT_TRUE(std::isnan(uniform.mode().item<double>()));
  EXPECT_EQ(Beta(number(0.5), 0.7).mode().item<double>(), 0);
  EXPECT_EQ(Beta(number(0.7), 0.5).mode().item<double>(), 1);
  EXPECT_EQ(Beta(number(3), 2).mode().item<double>(), 2.0 / 3);
}

TEST(Beta, TinyConcentrations) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    Tensor a = at::full({1000}, 1e-3, type).set_requires_grad(true);
    Tensor b = at::full({1000}, 2e-3, type).set_requires_grad(true);
    const Beta beta(a, b);
    const Tensor draws = beta.rsample(Stream{.seed = 4});
    EXPECT_TRUE((draws > 0).logical_and(draws < 1).all().item<bool>());
    EXPECT_TRUE(beta.log_prob(draws).isfinite().all().item<bool>());
    // A third are near 1: 5 sigma of a binomial of 1000 are 73.
    EXPECT_NEAR((draws > 0.5).sum().item<double>(), 1000.0 / 3, 73);
    draws.sum().backward();
    EXPECT_TRUE(a.grad().isfinite().all().item<bool>());
    EXPECT_TRUE(b.grad().isfinite().all().item<bool>());
  }
}

TEST(Dirichlet, MarginalsAreBeta) {
  const Tensor c = at::tensor({0.4, 3.0, 1.1}, at::kDouble);
  const Dirichlet dirichlet(c);
  for (const Random& random : {Random(Stream{.seed = 6}), Random(testing::torch_generator(6))}) {
    const Tensor draws = dirichlet.sample({200'000}, random);
    EXPECT_TRUE(at::allclose(draws.sum(-1), number(1), 0, 1e-14));
    for (std::int64_t i = 0; i < 3; ++i) {
      const Beta marginal(c[i], c.sum() - c[i]);
      EXPECT_GT(testing::ks_p_value(marginal, draws.select(-1, i)), kFalseAlarm) << i;
    }
    // What is left after the first entry is shared independently of it.
    const Tensor share = draws.select(-1, 1) / (1 - draws.select(-1, 0));
    EXPECT_GT(testing::ks_p_value(Beta(c[1], c[2]), share), kFalseAlarm);
  }
  const Tensor more = dirichlet.sample({64}, Stream{.seed = 6});
  EXPECT_TRUE(at::equal(dirichlet.sample({32}, Stream{.seed = 6}), more.narrow(0, 0, 32)));
}

/// d E[f] / d concentration, with f = sum_k weight_k x_k^2, of which the closed form is
/// sum_k weight_k c_k (c_k + 1) / (C (C + 1)), C the sum.
TEST(Dirichlet, PathwiseGradientOfAnExpectation) {
  constexpr std::int64_t kDraws = 200'000;
  const Tensor weight = at::tensor({1.0, -2.0, 0.5}, at::kDouble);
  const Tensor point = at::tensor({0.4, 3.0, 1.1}, at::kDouble);
  Tensor exact = point.clone().set_requires_grad(true);
  const Tensor total = exact.sum();
  ((weight * exact * (exact + 1)).sum() / (total * (total + 1))).backward();

  Tensor leaf = point.expand({kDraws, 3}).clone().set_requires_grad(true);
  const Tensor draws = Dirichlet(leaf).rsample(Stream{.seed = 7});
  (weight * draws.square()).sum().backward();
  for (std::int64_t k = 0; k < 3; ++k) {
    EXPECT_LT(
        z_score(testing::to_vector(leaf.grad().select(-1, k)), exact.grad()[k].item<double>()),
        kFiveSigma)
        << k;
  }
}

/// The gradient of two classes is that of the beta distribution, which is unique.
TEST(Dirichlet, OfTwoClassesIsBeta) {
  const Tensor a = at::full({100}, 0.3, at::kDouble).set_requires_grad(true);
  const Tensor b = at::full({100}, 2.0, at::kDouble).set_requires_grad(true);
  const Tensor c = at::stack({a, b}, -1).detach().set_requires_grad(true);
  const Tensor x = Dirichlet(c).rsample(Stream{.seed = 8});
  x.select(-1, 0).sum().backward();
  const Tensor log_odds = (x.select(-1, 0) / x.select(-1, 1)).log().detach();
  implicit_draw(Family::kLogitBeta, log_odds, a, b).sigmoid().sum().backward();
  EXPECT_TRUE(at::allclose(c.grad().select(-1, 0), a.grad(), 1e-10, 1e-14));
  EXPECT_TRUE(at::allclose(c.grad().select(-1, 1), b.grad(), 1e-10, 1e-14));
}

TEST(Dirichlet, TinyConcentrations) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    Tensor c = at::full({1000, 5}, 1e-3, type).set_requires_grad(true);
    const Dirichlet dirichlet(c);
    const Tensor draws = dirichlet.rsample(Stream{.seed = 9});
    EXPECT_GT(draws.min().item<double>(), 0);
    EXPECT_TRUE(at::allclose(draws.sum(-1), at::ones({1000}, type)));
    EXPECT_TRUE(dirichlet.log_prob(draws).isfinite().all().item<bool>());
    draws.select(-1, 0).sum().backward();
    EXPECT_TRUE(c.grad().isfinite().all().item<bool>());
  }
}

TEST(Dirichlet, VerticesAndModes) {
  const Dirichlet flat(at::ones({3}, at::kDouble));
  const Tensor vertex = at::tensor({0.0, 1.0, 0.0}, at::kDouble);
  EXPECT_NEAR(flat.log_prob(vertex).item<double>(), std::log(2), 1e-15);
  EXPECT_EQ(Dirichlet(at::tensor({1.0, 2.0, 2.0})).log_prob(vertex.to(at::kFloat)).item<double>(),
            -kInfinity);
  EXPECT_TRUE(at::equal(Dirichlet(at::tensor({0.5, 0.9, 0.2}, at::kDouble)).mode(), vertex));
  EXPECT_TRUE(flat.mode().isnan().all().item<bool>());
  EXPECT_TRUE(at::allclose(Dirichlet(at::tensor({0.5, 2.0, 4.0}, at::kDouble)).mode(),
                           at::tensor({0.0, 0.25, 0.75}, at::kDouble)));
  EXPECT_TRUE(at::equal(Dirichlet(at::ones({1})).sample({3}, Stream{}), at::ones({3, 1})));
}

TEST(StudentT, Draws) {
  testing::expect_draws_follow_cdf(StudentT(number(1)));
  testing::expect_draws_follow_cdf(StudentT(number(0.3), 1, 2));
  testing::expect_draws_follow_cdf(StudentT(number(4.5), -1, 0.5));
  testing::expect_draws_follow_cdf(StudentT(number(1e5)));
}

TEST(StudentT, ACenterBesideAnInfiniteValueHasItsGradient) {
  const Tensor loc = at::zeros({3}, at::kDouble).set_requires_grad(true);
  StudentT(number(3), loc, 1, false).log_prob(testing::doubles({kInfinity, 0, 1})).sum().backward();
  EXPECT_EQ(loc.grad()[1].item<double>(), 0);
  EXPECT_NEAR(loc.grad()[2].item<double>(), 1, 1e-12);  // (v + 1) z / (v + z^2)
}

TEST(StudentT, PathwiseGradient) {
  const auto make = [](const auto& p) { return std::make_shared<StudentT>(p[0], p[1], p[2]); };
  testing::expect_pathwise_gradient(make, {3.5, -1, 2});
  testing::expect_pathwise_gradient(make, {40, 0, 1});
}

TEST(StudentT, AgainstValuesOfMpmath) {
  EXPECT_NEAR(StudentT(number(5)).log_survival(number(1e60)).item<double>(), -688.52527166240023,
              1e-10);
  EXPECT_NEAR(StudentT(number(5)).cdf(number(-2)).item<double>(), 0.050969739414929178, 1e-15);
  EXPECT_NEAR(StudentT(number(2.5)).log_prob(number(1e200)).item<double>(), -1611.2226959085127,
              1e-10);
  EXPECT_NEAR(StudentT(number(1e8)).log_prob(number(2)).item<double>(), -2.9189385157046734, 1e-13);
  EXPECT_NEAR(StudentT(number(50.5)).log_prob(number(2)).item<double>(), -2.8867433636142015,
              1e-13);
  EXPECT_NEAR(StudentT(number(1e8)).entropy().item<double>(), 1.4189385432046728, 1e-14);
  EXPECT_EQ(StudentT(number(3)).cdf(number(kInfinity)).item<double>(), 1);
  EXPECT_NEAR(StudentT(number(3)).cdf(number(0)).item<double>(), 0.5, 1e-15);
}

TEST(StudentT, Moments) {
  const StudentT t(at::tensor({0.5, 1.0, 1.5, 2.0, 4.0}, at::kDouble), 3, 2);
  const Tensor mean = t.mean();
  const Tensor variance = t.variance();
  EXPECT_TRUE(at::equal(mean.isnan(), at::tensor({1, 1, 0, 0, 0}).to(at::kBool)));
  EXPECT_EQ(mean[4].item<double>(), 3);
  EXPECT_TRUE(at::equal(variance.isnan(), at::tensor({1, 1, 0, 0, 0}).to(at::kBool)));
  EXPECT_EQ(variance[2].item<double>(), kInfinity);
  EXPECT_EQ(variance[3].item<double>(), kInfinity);
  EXPECT_EQ(variance[4].item<double>(), 8);
}

TEST(FisherSnedecor, Draws) {
  testing::expect_draws_follow_cdf(FisherSnedecor(number(3), 5));
  testing::expect_draws_follow_cdf(FisherSnedecor(number(0.4), 80));
}

TEST(FisherSnedecor, PathwiseGradient) {
  testing::expect_pathwise_gradient(
      [](const auto& p) { return std::make_shared<FisherSnedecor>(p[0], p[1]); }, {3, 5});
}

TEST(FisherSnedecor, AgainstValuesOfMpmath) {
  EXPECT_NEAR(FisherSnedecor(number(3), 5).log_survival(number(1e60)).item<double>(),
              -343.39913178517565, 1e-10);
  EXPECT_NEAR(FisherSnedecor(number(3), 5).cdf(number(2)).item<double>(), 0.76737608199992144,
              1e-14);
  EXPECT_NEAR(FisherSnedecor(number(3), 5).log_prob(number(2)).item<double>(), -1.945635450435713,
              1e-14);
  const FisherSnedecor heavy(number(2), 2);
  EXPECT_EQ(heavy.mean().item<double>(), kInfinity);
  EXPECT_TRUE(std::isnan(heavy.mode().item<double>()));
  EXPECT_TRUE(std::isnan(heavy.variance().item<double>()));
}

}  // namespace
}  // namespace partita::distributions
