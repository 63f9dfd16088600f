// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/kl.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <thread>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/cauchy.hpp"
#include "partita/learn/distributions/continuous_bernoulli.hpp"
#include "partita/learn/distributions/dirichlet.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/geometric.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/half_cauchy.hpp"
#include "partita/learn/distributions/half_normal.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/inverse_gamma.hpp"
#include "partita/learn/distributions/laplace.hpp"
#include "partita/learn/distributions/log_normal.hpp"
#include "partita/learn/distributions/multinomial.hpp"
#include "partita/learn/distributions/multivariate_normal.hpp"
#include "partita/learn/distributions/negative_binomial.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/pareto.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/student_t.hpp"
#include "partita/learn/distributions/test_support.hpp"
#include "partita/learn/distributions/transformed_distribution.hpp"
#include "partita/learn/distributions/uniform.hpp"
#include "partita/learn/distributions/vector_transforms.hpp"
#include "partita/learn/distributions/von_mises.hpp"
#include "partita/learn/distributions/weibull.hpp"
#include "partita/learn/distributions/wishart.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;
using testing::to_vector;

double kl(const Distribution& p, const Distribution& q) {
  return kl_divergence(p, q).item<double>();
}

TEST(Kl, EdgesAreZeroOrInfiniteAndNeverNaN) {
  const Bernoulli p(doubles({0, 0, 1, 0, 1, 0.5}));
  const Bernoulli q(doubles({0, 1, 1, 0.75, 0.25, 0}));
  EXPECT_EQ(to_vector(kl_divergence(p, q)),
            (std::vector<double>{0, kInfinity, 0, std::log(4), std::log(4), kInfinity}));
  const Categorical a(doubles({0.5, 0.5, 0}));
  const Categorical b(doubles({0.25, 0.75, 0}));
  EXPECT_NEAR(kl(a, b), 0.5 * std::log(2.0) + 0.5 * std::log(2.0 / 3), 1e-15);
  EXPECT_EQ(kl(a, Categorical(doubles({1, 0, 0}))), kInfinity);
}

TEST(Kl, GradientsAtEdgesAreFinite) {
  const Tensor p = doubles({0, 0.5, 0.5}).set_requires_grad(true);
  const Tensor q = doubles({0, 0.25, 0.75}).set_requires_grad(true);
  kl_divergence(Categorical(p), Categorical(q)).backward();
  EXPECT_TRUE(p.grad().isfinite().all().item<bool>()) << p.grad();
  EXPECT_TRUE(q.grad().isfinite().all().item<bool>()) << q.grad();
  const Tensor x = doubles({0, 1, 0.5}).set_requires_grad(true);
  const Tensor y = doubles({0, 1, 0.25}).set_requires_grad(true);
  kl_divergence(Bernoulli(x), Bernoulli(y)).sum().backward();
  EXPECT_TRUE(x.grad().isfinite().all().item<bool>()) << x.grad();
  EXPECT_TRUE(y.grad().isfinite().all().item<bool>()) << y.grad();
}

TEST(Kl, NeighborsLoseNoDigits) {
  // (r^2 - 1) / 2 - log r and p log(p / q) + (1 - p) log((1 - p) / (1 - q)) of these doubles,
  // mpmath.
  EXPECT_NEAR(kl(Normal(doubles({0}), 1 + 1e-6), Normal(0, 1)) / 9.9999966650238347e-13, 1, 1e-12);
  EXPECT_NEAR(
      kl(Bernoulli(doubles({0.25})), Bernoulli(doubles({0.25000001}))) / 2.6666666164520299e-16, 1,
      1e-7);
  const Tensor logits = Random(Stream{.seed = 1}).normal({10'000, 50}, at::kFloat);
  const Tensor close = logits + 1e-4 * Random(Stream{.seed = 2}).normal({10'000, 50}, at::kFloat);
  const Tensor divergence = kl_divergence(Categorical(Logits(logits)), Categorical(Logits(close)));
  EXPECT_GE(divergence.min().item<double>(), 0) << "in single precision, too";
}

TEST(Kl, BroadcastsBatches) {
  const Normal p(at::zeros({3, 1}), at::ones({4}));
  EXPECT_EQ(kl_divergence(p, Normal(0, 1)).sizes(), IntArrayRef({3, 4}));
  EXPECT_EQ(kl_divergence(Normal(0, 1), p).sizes(), IntArrayRef({3, 4}));
  EXPECT_EQ(message_of<InvalidArgument>(
                [] { kl_divergence(Normal(at::zeros({2}), 1), Normal(at::zeros({3}), 1)); }),
            "p, q: kl_divergence: expected batch shapes that broadcast and "
            "equal event shapes, got "
            "Normal(loc: [2], scale: [2]) (batch [2], event []) and "
            "Normal(loc: [3], scale: [3]) (batch "
            "[3], event [])");
}

TEST(Kl, NamesThePairThatHasNoClosedForm) {
  EXPECT_EQ(message_of<InvalidArgument>([] { kl_divergence(Normal(0, 1), Bernoulli(0.5)); }),
            "p, q: kl_divergence: Normal(loc: 0, scale: 1) and "
            "Bernoulli(probs: 0.5) have no "
            "closed form here; register_kl() adds one, and the mean of "
            "p.log_prob(x) - "
            "q.log_prob(x) over draws x of p estimates it");
}

/// Against the mean of log p - log q over draws of p. 100,000 draws of the first pair tell 0.443
/// from 0.457.
void expect_mean_log_ratio(const Distribution& p, const Distribution& q) {
  constexpr std::int64_t kDraws = 100'000;
  const Tensor x = p.sample({kDraws}, Stream{.seed = 21});
  const Tensor ratio = p.log_prob(x) - q.log_prob(x);
  const double error = ratio.std().item<double>() / std::sqrt(static_cast<double>(kDraws));
  EXPECT_NEAR(kl(p, q), ratio.mean().item<double>(), kFiveSigma * error + 1e-12)
      << p.to_string() << " " << q.to_string();
}

TEST(Kl, IsTheMeanLogRatioOfDraws) {
  const auto number = [](double x) { return at::scalar_tensor(x, at::kDouble); };
  const auto vector = [](const std::vector<double>& x) { return at::tensor(x, at::kDouble); };
  const Normal normal(number(0.5), 1.5);
  const Normal other_normal(number(-0.5), 2);
  const Laplace laplace(number(0.5), 0.75);
  const Gumbel gumbel(number(0.25), 2);
  const Exponential exponential(number(2));
  const Gamma gamma(number(3), 2);
  const Beta beta(number(2), 3);
  const ContinuousBernoulli tilted(number(0.2));
  const Uniform uniform(number(0.25), 0.75);
  const Pareto pareto(number(0.5), 9);
  const Poisson poisson(number(3));

  expect_mean_log_ratio(Bernoulli(number(0.3)), Bernoulli(number(0.8)));
  expect_mean_log_ratio(Bernoulli(number(0.3)), poisson);
  expect_mean_log_ratio(Binomial(number(5), number(0.3)), Binomial(number(5), number(0.5)));
  expect_mean_log_ratio(Binomial(number(5), number(0.3)), Binomial(number(8), number(0.25)));
  expect_mean_log_ratio(Categorical(vector({0.2, 0.3, 0.5})),
                        Categorical(vector({0.5, 0.25, 0.25})));
  expect_mean_log_ratio(Geometric(number(0.3)), Geometric(number(0.4)));
  expect_mean_log_ratio(Multinomial(number(5), vector({0.2, 0.8})),
                        Multinomial(number(5), vector({0.3, 0.7})));
  expect_mean_log_ratio(NegativeBinomial(number(3), number(0.3)),
                        NegativeBinomial(number(3), number(0.4)));
  expect_mean_log_ratio(OneHotCategoricalStraightThrough(vector({0.2, 0.3, 0.5})),
                        OneHotCategorical(vector({0.5, 0.25, 0.25})));
  expect_mean_log_ratio(poisson, Poisson(number(2)));

  for (const Distribution* q : std::vector<const Distribution*>{&other_normal, &laplace, &gumbel}) {
    expect_mean_log_ratio(normal, *q);
  }
  expect_mean_log_ratio(laplace, other_normal);
  expect_mean_log_ratio(Laplace(number(0), 2), laplace);
  expect_mean_log_ratio(Gumbel(number(0), 1.5), gumbel);
  expect_mean_log_ratio(gumbel, normal);
  expect_mean_log_ratio(Cauchy(number(0), 1), Cauchy(number(2), 3));
  expect_mean_log_ratio(VonMises(number(0), 2), VonMises(number(1.5), 0.5));
  expect_mean_log_ratio(StudentT(number(3), 0, 1), StudentT(number(5), -2, 3));
  expect_mean_log_ratio(StudentT(number(6), 0, 1), other_normal);
  expect_mean_log_ratio(normal, StudentT(number(2), 1, 0.5));
  expect_mean_log_ratio(Wishart(number(4), vector({2, 0.5, 0.5, 1}).view({2, 2})),
                        Wishart(number(6), vector({1, 0, 0, 3}).view({2, 2})));

  expect_mean_log_ratio(exponential, Exponential(number(1)));
  expect_mean_log_ratio(exponential, gamma);
  expect_mean_log_ratio(exponential, gumbel);
  expect_mean_log_ratio(exponential, normal);
  expect_mean_log_ratio(gamma, exponential);
  expect_mean_log_ratio(gamma, Gamma(number(2), 3));
  expect_mean_log_ratio(gamma, gumbel);
  expect_mean_log_ratio(gamma, normal);
  expect_mean_log_ratio(Chi2(number(3)), gamma);
  expect_mean_log_ratio(HalfCauchy(number(1)), HalfCauchy(number(3)));
  expect_mean_log_ratio(HalfNormal(number(1)), HalfNormal(number(1.5)));
  expect_mean_log_ratio(InverseGamma(number(3), 2), InverseGamma(number(4), 3));
  expect_mean_log_ratio(LogNormal(number(0), 1), LogNormal(number(1), 2));
  expect_mean_log_ratio(pareto, exponential);
  expect_mean_log_ratio(pareto, gamma);
  expect_mean_log_ratio(pareto, normal);
  expect_mean_log_ratio(pareto, Pareto(number(0.25), 3));
  expect_mean_log_ratio(Weibull(number(1), 2), Weibull(number(1.5), 1.25));

  const Uniform unit(number(0), 1);
  for (const Distribution* p : std::vector<const Distribution*>{&beta, &tilted, &uniform, &unit}) {
    expect_mean_log_ratio(*p, exponential);
    expect_mean_log_ratio(*p, normal);
    expect_mean_log_ratio(*p, tilted);
    expect_mean_log_ratio(*p, unit);
  }
  for (const Distribution* p : std::vector<const Distribution*>{&beta, &uniform, &unit}) {
    expect_mean_log_ratio(*p, Beta(number(1.5), 2.5));
    expect_mean_log_ratio(*p, gamma);
  }
  expect_mean_log_ratio(uniform, gumbel);
  expect_mean_log_ratio(uniform, Pareto(number(0.125), 3));
  expect_mean_log_ratio(Dirichlet(vector({1, 2, 3})), Dirichlet(vector({2, 2, 1})));

  const Tensor loc = vector({1, -1});
  const MultivariateNormal dense(loc, ScaleTril(vector({1, 0, 0.5, 2}).view({2, 2})));
  const LowRankMultivariateNormal low(at::zeros({2}, at::kDouble), vector({1, 2}).view({2, 1}),
                                      vector({0.5, 1}));
  const LowRankMultivariateNormal other_low(loc, vector({0.5, -1}).view({2, 1}), vector({2, 1}));
  const MultivariateNormal other_dense(-loc, vector({2, 1, 1, 3}).view({2, 2}));
  for (const Distribution* p : std::vector<const Distribution*>{&dense, &low}) {
    expect_mean_log_ratio(*p, other_dense);
    expect_mean_log_ratio(*p, other_low);
  }
  expect_mean_log_ratio(Independent(Normal(loc, 1), 1), Independent(Normal(-loc, 2), 1));

  expect_mean_log_ratio(
      TransformedDistribution(normal, {AffineTransform(1, -2), SigmoidTransform()}),
      TransformedDistribution(other_normal, {AffineTransform(1, -2), SigmoidTransform()}));
  expect_mean_log_ratio(TransformedDistribution(Normal(loc, 1), {StickBreakingTransform()}),
                        TransformedDistribution(Normal(-loc, 2), {StickBreakingTransform()}));
}

TEST(Kl, StudentTDifferentiates) {
  testing::expect_gradient(
      [](const auto& p) {
        return kl_divergence(StudentT(p[0], p[1], p[2]), StudentT(p[3], p[4], p[5]));
      },
      {number(3), number(0.5), number(1), number(5), number(-2), number(2)});
  testing::expect_gradient(
      [](const auto& p) { return kl_divergence(StudentT(p[0], 1, 2), StudentT(p[0], p[1], 2)); },
      {number(3), number(1)});
  EXPECT_EQ(kl(StudentT(number(2), 0, 1), Normal(number(0), 1)), kInfinity);
  EXPECT_EQ(kl_divergence(StudentT(at::full({2, 1}, 3.0), 0, 1), StudentT(at::full({3}, 4.0), 0, 1))
                .sizes(),
            IntArrayRef({2, 3}));
}

TEST(Kl, OfAnExponentialFamilyByItsLogNormalizer) {
  // Gamma: eta = (a - 1, -r), F = log Gamma(a) - a log(r).
  const auto log_normalizer = [](const std::vector<Tensor>& eta) {
    return at::lgamma(eta[0] + 1) - (eta[0] + 1) * (-eta[1]).log();
  };
  const auto natural = [](const Gamma& d) {
    return std::vector<Tensor>{d.concentration() - 1, -d.rate()};
  };
  const auto both = [&](const Gamma& p, const Gamma& q) {
    const Tensor found = exponential_family_kl(log_normalizer, natural(p), natural(q));
    EXPECT_TRUE(at::allclose(found, kl_divergence(p, q), 1e-9, 0)) << found;
    return found;
  };
  both(Gamma(doubles({2, 1e6, 3}), doubles({3, 1, 0.5})),
       Gamma(doubles({2.0001, 1000100, 7}), doubles({3, 1.0001, 2})));
  testing::expect_gradient(
      [&](const auto& p) {
        return exponential_family_kl(log_normalizer, {p[0], p[1]}, {p[2], p[3]});
      },
      {number(1), number(-3), number(2), number(-1)});
  // A matrix among the parameters, and batches.
  const Tensor a = doubles({2, 0.5, 0.5, 1}).view({2, 2});
  const Tensor df = at::tensor(std::vector<double>{3, 8}, at::kDouble);
  const Tensor divergence = kl_divergence(Wishart(df, a), Wishart(4, 2 * a));
  EXPECT_EQ(divergence.sizes(), IntArrayRef({2}));
  EXPECT_EQ(divergence[1].item<double>(), kl(Wishart(number(8), a), Wishart(number(4), 2 * a)));
}

TEST(Kl, TheLecturesGaussians) {
  // (sigma^2 + mu^2 - 1 - log sigma^2) / 2, summed, is the divergence from N(0, I), by coordinates,
  // as one vector, and by the full formula of covariances.
  const Tensor mu = at::tensor(std::vector<double>{0.5, -1, 2}, at::kDouble);
  const Tensor sigma = at::tensor(std::vector<double>{0.25, 1, 3}, at::kDouble);
  const Tensor zero = at::zeros({3}, at::kDouble);
  const double expected =
      (0.5 * (sigma.square() + mu.square() - 1 - sigma.square().log())).sum().item<double>();
  EXPECT_NEAR(kl_divergence(Normal(mu, sigma), Normal(0, 1)).sum().item<double>(), expected, 1e-14);
  EXPECT_NEAR(kl(Independent(Normal(mu, sigma), 1), Independent(Normal(zero, 1), 1)), expected,
              1e-14);
  const MultivariateNormal p(mu, sigma.square().diag());
  const MultivariateNormal standard(zero, at::eye(3, at::kDouble));
  EXPECT_NEAR(kl(p, standard), expected, 1e-14);

  const Tensor a =
      at::tensor(std::vector<double>{2, 1, 0, 1, 3, 1, 0, 1, 1.5}, at::kDouble).view({3, 3});
  const Tensor b =
      at::tensor(std::vector<double>{1, 0, 0.5, 0, 1, 0, 0.5, 0, 2}, at::kDouble).view({3, 3});
  const Tensor nu = at::tensor(std::vector<double>{1, 1, 0}, at::kDouble);
  const Tensor inverse = at::linalg_inv(b);
  const Tensor full =
      0.5 * ((at::linalg_det(b) / at::linalg_det(a)).log() - 3 + at::matmul(inverse, a).trace() +
             at::dot(nu - mu, at::mv(inverse, nu - mu)));
  EXPECT_NEAR(kl(MultivariateNormal(mu, a), MultivariateNormal(nu, b)), full.item<double>(), 1e-13);

  // Products add: a block-diagonal pair diverges by the sum of its blocks.
  const MultivariateNormal both_a(at::cat({mu, mu}), at::block_diag({a, sigma.square().diag()}));
  const MultivariateNormal both_b(at::cat({nu, zero}),
                                  at::block_diag({b, at::eye(3, at::kDouble)}));
  EXPECT_NEAR(kl(both_a, both_b), full.item<double>() + expected, 1e-13);
}

TEST(Kl, IndependentsMustAgreeInTheirDimensions) {
  const Normal base(at::zeros({2, 3}), 1);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              kl_divergence(Independent(base, 0), Independent(Normal(at::zeros({3}), 1), 1));
            }).substr(0, 5),
            "p, q:");
  EXPECT_EQ(kl_divergence(Independent(base, 1), Independent(base, 1)).sizes(), IntArrayRef({2}));
  EXPECT_EQ(message_of<InvalidArgument>(
                [] { kl_divergence(NegativeBinomial(3, 0.5), NegativeBinomial(4, 0.5)); }),
            "total_count: kl_divergence: expected the same in both, got "
            "NegativeBinomial("
            "total_count: 3, probs: 0.5) and NegativeBinomial(total_count: 4, "
            "probs: 0.5)");
}

TEST(Kl, OnlyOneAndTheSameBijectionChangesNothing) {
  const Normal base(0, 1);
  const TransformedDistribution once(base, {ExpTransform()});
  for (const TransformedDistribution& other :
       {TransformedDistribution(base, {TanhTransform()}),
        TransformedDistribution(base, {ExpTransform(), ExpTransform()})}) {
    EXPECT_EQ(message_of<InvalidArgument>([&] { kl_divergence(once, other); }).substr(0, 11),
              "transforms:");
  }
  const TransformedDistribution folded(Normal(1, 1), {AbsTransform()});
  EXPECT_EQ(message_of<InvalidArgument>([&] { kl_divergence(folded, folded); }).substr(0, 11),
            "transforms:");
}

TEST(Kl, NormalVectorsBesideIndependentNormals) {
  const Tensor loc = at::tensor({0.5, -1.0}, at::kDouble);
  const Tensor scale = at::tensor({1.5, 0.5}, at::kDouble);
  const Independent independent(Normal(loc, scale), 1);
  const MultivariateNormal same(loc, ScaleTril(scale.diag_embed()));
  const MultivariateNormal other(loc + 1,
                                 at::tensor({1.0, 0.3, 0.3, 2.0}, at::kDouble).view({2, 2}));
  EXPECT_NEAR(kl(independent, same), 0, 1e-15);
  EXPECT_NEAR(kl(independent, other), kl(same, other), 1e-14);
  EXPECT_NEAR(kl(other, independent), kl(other, same), 1e-14);
  EXPECT_THROW(kl_divergence(other, Independent(Laplace(loc, scale), 1)), InvalidArgument);
}

// Classes of this test alone, so that what it registers affects no other.
class Base : public Normal {
 public:
  Base() : Normal(0, 1) {}
};
class Derived : public Base {};

TEST(Kl, TheCallersPairsComeFirst) {
  EXPECT_EQ(kl(Base(), Base()), 0) << "a Base is a Normal";
  register_kl<Base, Base>([](const Base&, const Base&) { return at::full({}, 1.0); });
  register_kl<Base, Normal>([](const Base&, const Normal&) { return at::full({}, 2.0); });
  EXPECT_EQ(kl(Base(), Base()), 1) << "exact";
  EXPECT_EQ(kl(Base(), Normal(0, 1)), 2);
  EXPECT_EQ(kl(Derived(), Normal(0, 1)), 2);
  EXPECT_EQ(kl(Normal(0, 1), Base()), 0);
  register_kl<Derived, Derived>([](const Derived&, const Derived&) {
    return 3 + kl_divergence(Base(), Base());  // from within
  });
  EXPECT_EQ(kl(Derived(), Derived()), 4);
}

TEST(Kl, RegistersWhileOthersDivide) {
  class Mine : public Normal {
   public:
    Mine() : Normal(0, 1) {}
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([t] {
      for (int i = 0; i < 200; ++i) {
        if (t % 2 == 0) {
          register_kl<Mine, Mine>([](const Mine&, const Mine&) { return at::full({}, 1.0); });
        }
        const double divergence = kl(Mine(), Mine());
        EXPECT_TRUE(divergence == 0 || divergence == 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(kl(Mine(), Mine()), 1);
}

}  // namespace
}  // namespace partita::distributions
