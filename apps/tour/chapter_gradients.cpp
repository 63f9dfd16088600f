// SPDX-License-Identifier: Apache-2.0
// E: gradients of expectations, estimated from samples.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "apps/experiments/gradients/experiment.hpp"
#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "apps/tour/evidence_bound.hpp"
#include "apps/tour/generative_models.hpp"
#include "apps/tour/reparameterizations.hpp"
#include "partita/learn/distributions.hpp"
#include "partita/learn/estimators.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

using distributions::Logits;
using distributions::Normal;

Finding score_function(const TourContext& context) {
  using namespace estimators;
  const auto n = context.choose<std::int64_t>(400'000, 50'000);
  const Tensor logits = at::tensor({0.5, -0.3, 1.0, -1.2}, at::kDouble);
  const Tensor weights = at::tensor({0.2, 1.5, -0.7, 0.9}, at::kDouble);
  const Function f = [&](const Tensor& x) { return (2 + (x * weights).sum(-1)).square(); };
  const auto gradients = [&](Estimator& estimator, std::int64_t rows, std::uint64_t id) {
    const Tensor theta = logits.repeat({rows, 1}).set_requires_grad(true);
    const distributions::OneHotCategorical distribution{Logits(theta)};
    estimator(distribution, f, context.stream(id)).surrogate.sum().backward();
    return theta.grad().select(1, 1);
  };
  Enumeration enumeration;
  const double truth = gradients(enumeration, 1, 0).item<double>();

  const Tensor b = at::full({}, 5.0, at::kDouble).set_requires_grad(true);
  const std::pair<const char*, ScoreFunctionOptions> ways[] = {
      {"no baseline", {.samples = 8}},
      {"moving average", {.samples = 8, .baseline = baselines::MovingAverage{}}},
      {"leave one out", {.samples = 8, .baseline = baselines::LeaveOneOut{}}},
      {"learned",
       {.samples = 8,
        .baseline = baselines::Learned{.function = [b] { return b; }, .parameters = {b}}}},
      {"control variate", {.samples = 8, .baseline = baselines::ControlVariate{}}}};
  Finding finding;
  Series spread{.name = "", .mark = Mark::bars};
  Axis names;
  double without = 0;
  std::uint64_t id = 0;
  for (const auto& [name, options] : ways) {
    ScoreFunction estimator(options);
    gradients(estimator, 1000, id++);  // what a moving average is of
    const Tensor all = gradients(estimator, n, id++);
    const double deviation = all.std().item<double>();
    if (spread.y.empty()) without = deviation;
    finding.checks.push_back(unbiased(name, to_vector(all), truth));
    if (!spread.y.empty()) {
      finding.checks.push_back(at_most(std::string(name) + ": standard deviation over that without",
                                       deviation / without, 0.9));
    }
    spread.x.push_back(static_cast<double>(spread.x.size()));
    spread.y.push_back(deviation);
    names.categories.emplace_back(name);
  }
  // f's slope at the other samples as a second control variate, beside their values.
  DoubleControlVariates both({.samples = 8, .tune = false});
  const Tensor all = gradients(both, n, id++);
  finding.checks.push_back(unbiased("double control variates", to_vector(all), truth));
  finding.checks.push_back(
      at_most("double control variates: standard deviation over that of leave one out",
              all.std().item<double>() / spread.y[2], 0.8));
  spread.x.push_back(static_cast<double>(spread.x.size()));
  spread.y.push_back(all.std().item<double>());
  names.categories.emplace_back("double control variates");
  finding.figures.push_back({to_svg({.title = "Standard deviation of the score function's gradient",
                                     .x = names,
                                     .y = {.label = "standard deviation", .min = 0},
                                     .series = {spread},
                                     .width = 640}),
                             "What a baseline saves, at eight samples per estimate.", true});
  return finding;
}

Finding pathwise(const TourContext& context) {
  using namespace estimators;
  // E sin z = e^(-σ²/2) sin μ for z ~ N(μ, σ).
  constexpr double kMean = 0.4;
  constexpr double kDeviation = 0.8;
  const auto n = context.choose<std::int64_t>(1'000'000, 200'000);
  const double damped = std::exp(-kDeviation * kDeviation / 2);
  Pathwise by_path;
  ScoreFunction by_score;
  Finding finding;
  std::vector<double> deviations;
  for (Estimator* estimator :
       {static_cast<Estimator*>(&by_path), static_cast<Estimator*>(&by_score)}) {
    const Tensor mean = at::full({n}, kMean, at::kDouble).set_requires_grad(true);
    const Tensor deviation = at::full({n}, kDeviation, at::kDouble).set_requires_grad(true);
    (*estimator)(
        Normal(mean, deviation), [](const Tensor& z) { return z.sin(); },
        context.stream(deviations.size()))
        .surrogate.sum()
        .backward();
    const std::string name = estimator == &by_path ? "pathwise" : "score function";
    finding.checks.push_back(
        unbiased(name + ", in μ", to_vector(mean.grad()), damped * std::cos(kMean)));
    finding.checks.push_back(unbiased(name + ", in σ", to_vector(deviation.grad()),
                                      -kDeviation * damped * std::sin(kMean)));
    deviations.push_back(mean.grad().std().item<double>());
  }
  finding.checks.push_back(at_most("standard deviation in μ, pathwise over score function",
                                   deviations[0] / deviations[1], 0.8));
  return finding;
}

/// An experiment of `partita gradients`.
GradientsResult experiment(const TourContext& context, GradientsProblem problem,
                           std::vector<EstimatorKind> estimators, std::int64_t samples,
                           std::int64_t steps) {
  return run_gradients({.problem = problem,
                        .estimators = std::move(estimators),
                        .samples = samples,
                        .steps = steps,
                        .seed = context.options.seed,
                        .threads = context.options.threads});
}

Figure optimization_figure(const VariantResult& variant, const std::string& value) {
  Figure figure{.title = "Optimization", .x = {.label = "step"}, .y = {.label = value}};
  for (const OptimizationCurve& curve : variant.curves) {
    figure.series.push_back(
        {.name = name_of(curve.estimator), .x = curve.step, .y = curve.value, .mark = Mark::line});
  }
  return figure;
}

Finding gaussian_example(const TourContext& context) {
  const GradientsResult result = experiment(context, GradientsProblem::gaussian,
                                            {EstimatorKind::score, EstimatorKind::pathwise},
                                            context.choose<std::int64_t>(1'000'000, 100'000), 500);
  const VariantResult& at_zero = result.variants.front();
  Finding finding{.checks = {equal("exact gradient at θ = 0, a = 2, b = 3",
                                   at_zero.exact_gradient.front(), 12, 1e-12)}};
  for (const Measurement& m : at_zero.measurements) {
    finding.checks.push_back(at_most(std::string(name_of(m.estimator)) + ": bias, standard errors",
                                     std::abs(m.bias) / m.bias_error, kFiveSigma));
  }
  Figure variances{.title = "Variance against the parameter",
                   .x = {.label = "θ"},
                   .y = {.label = "variance", .logarithmic = true}};
  for (const VarianceCurve& curve : at_zero.variance_curves) {
    double off = 0;
    for (std::size_t i = 0; i < curve.theta.size(); ++i) {
      off = std::max(off, std::abs(curve.variance[i] / curve.closed_form[i] - 1));
    }
    // The variance's own relative error, sqrt(46 / n) where z³'s tail is all there is, and a tail
    // of its own.
    finding.checks.push_back(
        at_most(std::string(name_of(curve.estimator)) + ": variance against its closed form", off,
                context.choose(0.06, 0.15)));
    variances.series.push_back({.name = name_of(curve.estimator),
                                .x = curve.theta,
                                .y = curve.variance,
                                .mark = Mark::points});
    variances.series.push_back({.name = std::string(name_of(curve.estimator)) + ", closed form",
                                .x = curve.theta,
                                .y = curve.closed_form,
                                .mark = Mark::line});
  }
  for (const OptimizationCurve& curve : at_zero.curves) {
    // E z² - 1 = (2 θ + 3)².
    const double distance = std::sqrt(std::max(0.0, curve.value.back() - 1)) / 2;
    finding.checks.push_back(at_most(
        std::string(name_of(curve.estimator)) + ": distance of θ from −b/a, after 500 steps",
        distance, 0.2));
  }
  finding.figures = {{to_svg(variances), "Variance of one estimate, and its closed form."},
                     {to_svg(optimization_figure(at_zero, "E z²")), "Both find θ = −3/2."}};
  return finding;
}

/// KL(policy || reference) by samples of the policy, all four actions enumerated: what autograd
/// makes of the estimates of its value, and of the surrogate.
void add_divergence_checks(Finding& finding) {
  using namespace estimators;
  const Tensor logits = at::tensor({0.3, -1.2, 0.8, 0.1}, at::kDouble).set_requires_grad(true);
  const Tensor reference = at::tensor({-0.4, 0.2, 0.5, -0.1}, at::kDouble).log_softmax(-1);
  const Tensor log_p = logits.log_softmax(-1);
  const Tensor p = log_p.detach().exp();
  const Tensor log_ratio = log_p - reference;
  const auto gradient = [&](const Tensor& loss) {
    return torch::autograd::grad({loss}, {logits}, {}, /*retain_graph=*/true)[0];
  };
  const auto mean_gradient = [&](const Tensor& loss) { return gradient((p * loss).sum()); };
  const auto off = [](const Tensor& a, const Tensor& b) {
    return (a - b).abs().max().item<double>();
  };
  const Tensor exact = gradient((log_p.exp() * log_ratio).sum());
  const Tensor forward = gradient(-(reference.exp() * log_p).sum());
  const auto kl = reverse_kl(log_p, reference);
  finding.checks.push_back(
      at_most("KL to a reference: the surrogate's mean gradient, off the exact",
              off(mean_gradient(kl.surrogate), exact), 1e-14));
  finding.checks.push_back(at_most("k1 = log r as a loss: largest mean gradient",
                                   mean_gradient(log_ratio).abs().max().item<double>(), 1e-14));
  finding.checks.push_back(
      at_most("k3 = 1/r − 1 + log r as a loss: off the gradient of the other divergence",
              off(mean_gradient((-log_ratio).exp() - 1 + log_ratio), forward), 1e-14));
  finding.checks.push_back(
      at_least("the two divergences' gradients, apart", off(forward, exact), 0.05));
}

Finding policy_gradient(const TourContext& context) {
  const GradientsResult result = experiment(
      context, GradientsProblem::mdp,
      {EstimatorKind::whole_return, EstimatorKind::reward_to_go, EstimatorKind::leave_one_out},
      context.choose<std::int64_t>(10'000, 2'000), context.choose<std::int64_t>(500, 150));
  Finding finding;
  for (const VariantResult& variant : result.variants) {
    for (const Measurement& m : variant.measurements) {
      finding.checks.push_back(
          at_most(variant.name + ", " + name_of(m.estimator) + ": bias, standard errors",
                  m.bias / m.bias_error, kFiveSigma));
    }
    finding.checks.push_back(
        at_most(variant.name + ": variance of reward-to-go over the whole return's",
                variant.measurements[1].variance / variant.measurements[0].variance, 0.95));
    const OptimizationCurve& curve = variant.curves.back();
    finding.checks.push_back(at_least(variant.name + ": return after learning over before",
                                      curve.value.back() / curve.value.front(), 1.5));
  }
  add_divergence_checks(finding);
  finding.figures = {{to_svg(optimization_figure(result.variants.front(), "expected return")),
                      "Three states on a river: the large reward lies upstream."}};
  return finding;
}

Finding gaussian_divergence(const TourContext& context) {
  using distributions::kl_divergence;
  using distributions::MultivariateNormal;
  const Random random(context.stream(0));
  const std::int64_t d = 4;
  const Tensor mean = random.normal({d}, at::kDouble);
  const Tensor deviation = (0.5 * random.normal({d}, at::kDouble)).exp();
  const Tensor zero = at::zeros({d}, at::kDouble);
  const Tensor identity = at::eye(d, at::kDouble);
  const double by_hand =
      0.5 *
      (deviation.square() + mean.square() - 1 - deviation.square().log()).sum().item<double>();
  const MultivariateNormal standard(zero, identity);
  const double full =
      kl_divergence(MultivariateNormal(mean, at::diag(deviation.square())), standard)
          .item<double>();
  const double product =
      kl_divergence(Normal(mean, deviation), Normal(zero, 1.0)).sum().item<double>();

  const auto covariance = [&] {
    const Tensor root = random.normal({d, d}, at::kDouble);
    return root.mm(root.t()) + identity;
  };
  const MultivariateNormal p(mean, covariance());
  const MultivariateNormal q(zero, covariance());
  const Tensor z = p.sample({context.choose<std::int64_t>(1'000'000, 200'000)}, random);
  return {{equal("full formula, diagonal covariance, to N(0, I)", full, by_hand, 1e-12),
           equal("sum over the dimensions", product, by_hand, 1e-12),
           unbiased("two full covariances: mean of log p(z) − log q(z)",
                    to_vector(p.log_prob(z) - q.log_prob(z)), kl_divergence(p, q).item<double>())}};
}

constexpr Claim kGradientClaims[] = {
    {"E1",
     "The score function's gradient is right on average with any baseline, and a baseline lowers "
     "its variance.",
     score_function},
    {"E2",
     "Where samples are a smooth function of noise, the gradient moves inside the expectation.",
     pathwise},
    {"E3",
     "On the lecture's example both are right, their variances are those computed by hand, and "
     "both find the optimum.",
     gaussian_example},
    {"E4", "The policy gradient is the score function's along a trajectory.", policy_gradient},
    {"E5", "The ELBO is below the evidence by KL(q‖posterior), and equal to it at the posterior.",
     evidence_bound},
    {"E6", "The divergence of Gaussians in closed form: full, diagonal and sampled are one number.",
     gaussian_divergence},
    {"E7",
     "A variational auto-encoder needs both terms: without the regularizer its codes leave the "
     "prior, without reconstruction they carry no information.",
     auto_encoder},
    {"E8",
     "A table of reparameterizations: each draws from its distribution, with the gradient of "
     "implicit differentiation.",
     table_of_reparameterizations},
    {"E9",
     "Roll-outs give every element of a sequence its share of the reward, and a generator that "
     "follows them learns to draw what an oracle draws.",
     seqgan},
};

}  // namespace

Chapter gradients_chapter() {
  return {"gradients", "E. Gradients through samples", kGradientClaims};
}

}  // namespace partita::app
