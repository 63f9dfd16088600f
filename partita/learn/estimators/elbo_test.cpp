#include "partita/learn/estimators/elbo.hpp"

#include <gtest/gtest.h>

#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/test_support.hpp"

namespace partita::estimators {
namespace {

using distributions::Normal;
using testing::kFiveSigma;

/// z ~ N(0, 1), x | z ~ N(w z, s): evidence N(x; 0, sqrt(w^2 + s^2)), posterior
/// N(w x / (w^2 + s^2), s / sqrt(w^2 + s^2)).
struct LinearGaussian {
  double w = 1.5;
  double s = 0.7;
  Tensor x = testing::numbers({0.4, -2});

  Normal prior() const { return {testing::numbers({0, 0}), 1}; }
  double total() const { return w * w + s * s; }
  Tensor log_evidence() const { return Normal(at::zeros_like(x), std::sqrt(total())).log_prob(x); }
  Normal posterior() const { return {w * x / total(), s / std::sqrt(total())}; }
  Function log_likelihood() const {
    return [*this](const Tensor& z) { return Normal(w * z, s).log_prob(x.expand_as(z)); };
  }
};

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
      const auto [surrogate, value] =
          elbo(q, model.prior(), model.log_likelihood(), *estimator, Stream{1}, kl);
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
  const auto [surrogate, value] = elbo(
      q, model.prior(),
      [&](const Tensor& z) { return Normal(w * z, model.s).log_prob(model.x.expand_as(z)); },
      pathwise, Stream{.seed = 7});
  surrogate.sum().backward();
  // d/dw of the mean of log N(x; w z, s): z (x - w z) / s^2.
  const Tensor z = q.rsample({3}, Stream{.seed = 7});
  const Tensor expected = (z * (model.x - 1.5 * z)).mean(0).sum() / (model.s * model.s);
  EXPECT_NEAR(w.grad().item<double>(), expected.item<double>(), 1e-12);
}

}  // namespace
}  // namespace partita::estimators
