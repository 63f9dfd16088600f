// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/elbo.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/relaxed_one_hot_categorical.hpp"
#include "partita/learn/estimators/elbo_test_support.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/test_support.hpp"
#include "partita/learn/estimators/unordered_set.hpp"

namespace partita::estimators {
namespace {

using distributions::Normal;
using testing::copies;
using testing::LinearGaussian;

TEST(Elbo, IsTheLogEvidenceAtThePosterior) {
  const LinearGaussian model;
  Pathwise pathwise({.samples = 5});
  // log p(x | z) + log p(z) - log q(z) is log p(x) whatever z is.
  const auto sampled = elbo(model.posterior(), model.prior(), model.log_likelihood(), pathwise,
                            Stream{1}, KlTerm::sampled);
  EXPECT_TRUE(at::allclose(sampled.value, model.log_evidence(), 1e-12, 1e-12));

  Pathwise many({.samples = 400'000});
  const auto analytic =
      elbo(model.posterior(), model.prior(), model.log_likelihood(), many, Stream{1});
  EXPECT_TRUE(at::allclose(analytic.value, model.log_evidence(), 0, 0.02));
}

TEST(Elbo, BoundsTheEvidenceWithTheGapAndGradientOfTheDivergence) {
  const LinearGaussian model;
  constexpr std::int64_t kRows = 100'000;
  std::vector<std::unique_ptr<Estimator>> estimators;
  estimators.push_back(std::make_unique<Pathwise>());
  estimators.push_back(std::make_unique<ScoreFunction>(
      ScoreFunctionOptions{.samples = 4, .baseline = baselines::LeaveOneOut{}}));
  for (const auto& estimator : estimators) {
    for (const KlTerm kl : {KlTerm::analytic, KlTerm::sampled}) {
      // d KL(q || posterior) in loc and log scale, and the bound's in the opposite direction.
      const Tensor point =
          at::stack({testing::numbers({0.3, -0.5}), testing::numbers({-0.6, 0.2})});
      const Tensor one = point.clone().set_requires_grad(true);
      const Tensor gap =
          distributions::kl_divergence(Normal(one[0], one[1].exp()), model.posterior());
      gap.sum().backward();

      const Tensor rows = point.unsqueeze(1).expand({2, kRows, 2}).clone().set_requires_grad(true);
      const Normal q(rows[0], rows[1].exp());
      const auto [surrogate, value, divergence] =
          elbo(q, model.prior(), model.log_likelihood(), *estimator, Stream{1}, kl);
      EXPECT_EQ(divergence.defined(), kl == KlTerm::analytic);
      surrogate.sum().backward();

      const Tensor exact = model.log_evidence() - gap.detach();
      const Tensor interval = kFiveSigma * testing::standard_error(value);
      EXPECT_TRUE(((value.mean(0) - exact).abs() < interval).all().item<bool>());
      EXPECT_TRUE((exact + interval < model.log_evidence()).all().item<bool>());

      const Tensor gradient = rows.grad().transpose(0, 1);  // [rows, parameter, x]
      const Tensor error = (gradient.mean(0) + one.grad()).abs();
      const Tensor wide = kFiveSigma * testing::standard_error(gradient);
      EXPECT_TRUE((error < wide).all().item<bool>()) << estimator->name() << "\n" << error / wide;
      EXPECT_TRUE((2 * wide < 0.5 * one.grad().abs()).all().item<bool>()) << wide / one.grad();
    }
  }
}

TEST(Elbo, TrainsTheDecoderToo) {
  const LinearGaussian model;
  const Tensor w = at::scalar_tensor(1.5, at::kDouble).set_requires_grad(true);
  Pathwise pathwise({.samples = 3});
  const Normal q = model.posterior();
  const Elbo bound = elbo(
      q, model.prior(),
      [&](const Tensor& z) { return Normal(w * z, model.s).log_prob(model.x.expand_as(z)); },
      pathwise, Stream{.seed = 7});
  bound.surrogate.sum().backward();
  // d/dw of the mean of log N(x; w z, s): z (x - w z) / s^2.
  const Tensor z = q.rsample({3}, Stream{.seed = 7});
  const Tensor expected = (z * (model.x - 1.5 * z)).mean(0).sum() / (model.s * model.s);
  EXPECT_NEAR(w.grad().item<double>(), expected.item<double>(), 1e-12);
}

TEST(Elbo, RaisingItLowersTheEstimatorsOwnLoss) {
  const Tensor logits = testing::numbers({0.4, -1});
  const auto gradient = [&](const auto& backward) {
    Rebar rebar({.temperature = 0.7});
    backward(
        distributions::Bernoulli(distributions::Logits(logits.clone().set_requires_grad(true))),
        rebar);
    return rebar.parameters()[0].grad().item<double>();
  };
  const Function log_likelihood = [](const Tensor& b) { return -3 * (b - 0.3).square(); };
  const double descended = gradient([&](const distributions::Bernoulli& q, Rebar& rebar) {
    const Function cost = [&](const Tensor& b) { return -log_likelihood(b); };
    rebar(q, cost, Stream{2}).surrogate.mean().backward();
  });
  const double raised = gradient([&](const distributions::Bernoulli& q, Rebar& rebar) {
    const distributions::Bernoulli prior(testing::numbers({0.5, 0.5}));
    (-elbo(q, prior, log_likelihood, rebar, Stream{2}).surrogate.mean()).backward();
  });
  EXPECT_NE(descended, 0);
  EXPECT_DOUBLE_EQ(raised, descended);
}

TEST(ImportanceWeighted, RisesFromTheElboToTheEvidence) {
  const LinearGaussian model;
  const Tensor loc = testing::numbers({0.3, -0.5});
  const Tensor scale = testing::numbers({0.6, 1.2});
  // w z of a z [n, x] for each x.
  const auto bound = [&](const Tensor& at, const Tensor& deviation, std::int64_t k) {
    Pathwise pathwise({.samples = 200'000 / k});
    return importance_weighted(copies(at, deviation, k), Normal(0, 1), model.log_likelihood(),
                               pathwise, Stream{3})
        .value;
  };
  const Tensor evidence = model.log_evidence();
  const Tensor gap = distributions::kl_divergence(Normal(loc, scale), model.posterior());
  EXPECT_TRUE(at::allclose(bound(loc, scale, 1), evidence - gap, 0.02));
  Tensor last = evidence - gap;
  for (const std::int64_t k : {2, 8, 64}) {
    const Tensor next = bound(loc, scale, k);
    EXPECT_TRUE((next > last + 0.01).all().item<bool>()) << k << ": " << next - last;
    EXPECT_TRUE((next < evidence + 0.01).all().item<bool>()) << k;
    last = next;
  }
  // At the posterior all weights are the evidence.
  const Normal posterior = model.posterior();
  EXPECT_TRUE(at::allclose(bound(posterior.loc(), posterior.scale(), 5), evidence, 1e-12, 1e-12));
}

TEST(ImportanceWeighted, PathwiseAndScoreFunctionAgreeOnItsGradient) {
  const LinearGaussian model;
  constexpr std::int64_t kRows = 200'000;
  const auto mean_gradient = [&](Estimator& estimator) {
    const Tensor loc =
        testing::numbers({0.3, -0.5}).expand({kRows, 2}).clone().set_requires_grad(true);
    const Tensor each = loc.unsqueeze(-1).expand({kRows, 2, 3});
    const Normal q(each, 0.8);
    importance_weighted(q, Normal(0, 1), model.log_likelihood(), estimator, Stream{4})
        .surrogate.sum()
        .backward();
    return std::pair(loc.grad().mean(0), testing::standard_error(loc.grad()));
  };
  Pathwise pathwise;
  ScoreFunction score_function({.samples = 2, .baseline = baselines::LeaveOneOut{}});
  const auto [path, path_error] = mean_gradient(pathwise);
  const auto [score, score_error] = mean_gradient(score_function);
  const Tensor error = (path_error.square() + score_error.square()).sqrt();
  EXPECT_TRUE(((path - score).abs() < kFiveSigma * error).all().item<bool>()) << path << score;
  EXPECT_TRUE((2 * kFiveSigma * error < path.abs()).all().item<bool>()) << error << path;
}

/// Two one-hot vectors of three, uniform a priori, and their posterior by logits theta [2, 3].
struct Codes {
  double temperature = 0.6;
  Tensor theta = at::stack({testing::numbers({0.8, -0.5, 0}), testing::numbers({-1, 0.3, 0.4})});

  static Tensor log_likelihood(const Tensor& h) {  // [..., 2, 3] -> [...]
    const Tensor w = testing::numbers({1, -2, 0.5, 0.3, 1.5, -1}).view({2, 3});
    return -2 * ((h * w).sum({-1, -2}) - 0.4).square();
  }
  static double log_evidence() {
    const Tensor all = at::eye(3, at::kDouble);
    double sum = 0;
    for (int i = 0; i < 3; ++i) {
      for (int j = 0; j < 3; ++j) {
        sum += log_likelihood(at::stack({all[i], all[j]})).exp().item<double>() / 9;
      }
    }
    return std::log(sum);
  }
  distributions::Independent relaxed(const Tensor& logits) const {
    return {distributions::ExpRelaxedCategorical(temperature, distributions::Logits(logits)), 1};
  }
  /// @param hard the likelihood of the one-hot vectors, whose gradient goes on to the relaxed ones
  GradientEstimate bound(const Tensor& logits, std::int64_t k, std::int64_t rows, bool hard) const {
    Pathwise pathwise;
    return importance_weighted(
        relaxed(logits.expand({rows, k, 2, 3})), relaxed(at::zeros({2, 3}, at::kDouble)),
        [&](const Tensor& log_z) {
          const Tensor z = log_z.exp();
          if (!hard) return log_likelihood(z);
          return log_likelihood(one_hot(z.detach().argmax(-1), 3, z.options()) + (z - z.detach()));
        },
        pathwise, Stream{5});
  }
};

TEST(ImportanceWeighted, OfRelaxedCodesRisesWithK) {
  const Codes codes;
  for (const bool hard : {false, true}) {
    double last = -1e9;
    for (const std::int64_t k : {1, 4, 16, 256}) {
      const Tensor values = codes.bound(codes.theta, k, 200'000 / k, hard).value;
      const double error = kFiveSigma * testing::standard_error(values).item<double>();
      const double mean = values.mean().item<double>();
      EXPECT_GT(mean - error, last) << k << ' ' << hard;
      last = mean;
      // With a hard likelihood it bounds the evidence of the one-hot codes themselves.
      EXPECT_TRUE(!hard || mean < Codes::log_evidence() + error) << k;
    }
    EXPECT_TRUE(!hard || last > Codes::log_evidence() - 0.05) << last;
  }
}

TEST(ImportanceWeighted, OfRelaxedCodesHasTheGradientOfItsSlope) {
  const Codes codes;
  constexpr std::int64_t kRows = 50;
  const Tensor theta = codes.theta.clone().set_requires_grad(true);
  codes.bound(theta, 3, kRows, false).surrogate.sum().backward();
  constexpr double kStep = 1e-5;
  for (std::int64_t i = 0; i < 6; ++i) {
    const Tensor step = at::zeros({6}, at::kDouble);
    step[i] = kStep;
    const auto at = [&](double sign) {
      return codes.bound(codes.theta + sign * step.view({2, 3}), 3, kRows, false).value.sum();
    };
    const double slope = ((at(1) - at(-1)) / (2 * kStep)).item<double>();
    EXPECT_NEAR(theta.grad().flatten()[i].item<double>(), slope, 1e-5 * (1 + std::abs(slope)));
  }
}

// The k codes of a bound are one outcome to these, so that sets of them are drawn as well.
TEST(ImportanceWeighted, OfCodesHasTheEnumeratedGradient) {
  const Codes codes;
  const auto gradient = [&](Estimator& estimator, std::int64_t rows) {
    const Tensor logits = codes.theta.expand({rows, 2, 3}).clone().set_requires_grad(true);
    const auto one_hots = [](const Tensor& z) {
      return distributions::Independent(distributions::OneHotCategorical(distributions::Logits(z)),
                                        1);
    };
    importance_weighted(one_hots(logits.unsqueeze(1).expand({rows, 2, 2, 3})),
                        one_hots(at::zeros({2, 3}, at::kDouble)), Codes::log_likelihood, estimator,
                        Stream{6})
        .surrogate.sum()
        .backward();
    return logits.grad();
  };
  Enumeration enumeration;
  const Tensor exact = gradient(enumeration, 1)[0];
  UnorderedSet sets({.samples = 3});
  ScoreFunction score({.samples = 3, .baseline = baselines::LeaveOneOut{}});
  for (Estimator* estimator : std::initializer_list<Estimator*>{&sets, &score}) {
    const Tensor draws = gradient(*estimator, 40'000);
    const Tensor interval = kFiveSigma * testing::standard_error(draws);
    EXPECT_TRUE(((draws.mean(0) - exact).abs() < interval).all().item<bool>()) << estimator->name();
    EXPECT_LT(interval.max().item<double>(), 0.3 * exact.abs().max().item<double>());
  }
}

}  // namespace
}  // namespace partita::estimators
