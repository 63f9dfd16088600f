// E: gradients of expectations, by samples.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <string>
#include <utility>
#include <vector>

#include "../gradients_experiment.hpp"
#include "../latent_map.hpp"
#include "../pictures.hpp"
#include "../vae_model.hpp"
#include "partita/learn/distributions.hpp"
#include "partita/learn/estimators.hpp"
#include "partita/learn/models/seqgan.hpp"
#include "partita/learn/models/vae_training.hpp"
#include "partita/learn/training/rendered.hpp"
#include "partita/random/fill.hpp"
#include "partita/report/figure.hpp"
#include "statistics.hpp"
#include "tensors.hpp"
#include "tour.hpp"

namespace partita::app {
namespace {

using distributions::DistributionPtr;
using distributions::Logits;
using distributions::Normal;
using testing::ks_p_value;

Finding score_function(const TourContext& context) {
  using namespace estimators;
  const std::int64_t n = context.choose<std::int64_t>(400'000, 50'000);
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
  finding.figures.push_back({to_svg({.title = "Standard deviation of the score function's gradient",
                                     .x = names,
                                     .y = {.label = "standard deviation", .min = 0},
                                     .series = {spread},
                                     .width = 640}),
                             "Eight samples an estimate; what a baseline saves.", true});
  return finding;
}

Finding pathwise(const TourContext& context) {
  using namespace estimators;
  // E sin z = e^(-σ²/2) sin μ for z ~ N(μ, σ).
  constexpr double kMean = 0.4;
  constexpr double kDeviation = 0.8;
  const std::int64_t n = context.choose<std::int64_t>(1'000'000, 200'000);
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

/// An experiment of `partita gradients`, which sets the number of torch's threads to one.
GradientsResult experiment(const TourContext& context, const char* problem,
                           const std::vector<std::string>& estimators, std::int64_t samples,
                           std::int64_t steps) {
  const GradientsResult result = run_gradients({.problem = problem,
                                                .estimators = estimators,
                                                .report = "",
                                                .samples = samples,
                                                .steps = steps,
                                                .seed = context.options.seed,
                                                .threads = context.options.threads});
  at::set_num_threads(context.options.threads);
  return result;
}

Figure optimization_figure(const VariantResult& variant, const std::string& value) {
  Figure figure{.title = "Optimization", .x = {.label = "step"}, .y = {.label = value}};
  for (const OptimizationCurve& curve : variant.curves) {
    figure.series.push_back(
        {.name = curve.estimator, .x = curve.step, .y = curve.value, .mark = Mark::line});
  }
  return figure;
}

Finding gaussian_example(const TourContext& context) {
  const GradientsResult result = experiment(context, "gaussian", {"score", "pathwise"},
                                            context.choose<std::int64_t>(1'000'000, 100'000), 500);
  const VariantResult& at_zero = result.variants.front();
  Finding finding{.checks = {equal("exact gradient at θ = 0, a = 2, b = 3",
                                   at_zero.exact_gradient.front(), 12, 1e-12)}};
  for (const Measurement& m : at_zero.measurements) {
    finding.checks.push_back(at_most(m.estimator + ": bias, standard errors",
                                     std::abs(m.bias) / m.bias_error, testing::kFiveSigma));
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
    finding.checks.push_back(at_most(curve.estimator + ": variance against its closed form", off,
                                     context.choose(0.06, 0.15)));
    variances.series.push_back(
        {.name = curve.estimator, .x = curve.theta, .y = curve.variance, .mark = Mark::points});
    variances.series.push_back({.name = curve.estimator + ", closed form",
                                .x = curve.theta,
                                .y = curve.closed_form,
                                .mark = Mark::line});
  }
  for (const OptimizationCurve& curve : at_zero.curves) {
    // E z² - 1 = (2 θ + 3)².
    const double distance = std::sqrt(std::max(0.0, curve.value.back() - 1)) / 2;
    finding.checks.push_back(
        at_most(curve.estimator + ": distance of θ from −b/a, after 500 steps", distance, 0.2));
  }
  finding.figures = {{to_svg(variances), "Variance of one estimate, and its closed form."},
                     {to_svg(optimization_figure(at_zero, "E z²")), "Both find θ = −3/2."}};
  return finding;
}

Finding policy_gradient(const TourContext& context) {
  const GradientsResult result = experiment(
      context, "mdp", {"whole-return", "reward-to-go", "leave-one-out"},
      context.choose<std::int64_t>(10'000, 2'000), context.choose<std::int64_t>(500, 150));
  Finding finding;
  for (const VariantResult& variant : result.variants) {
    for (const Measurement& m : variant.measurements) {
      finding.checks.push_back(
          at_most(variant.name + ", " + m.estimator + ": bias, standard errors",
                  m.bias / m.bias_error, testing::kFiveSigma));
    }
    finding.checks.push_back(
        at_most(variant.name + ": variance of reward-to-go over the whole return's",
                variant.measurements[1].variance / variant.measurements[0].variance, 0.95));
    const OptimizationCurve& curve = variant.curves.back();
    finding.checks.push_back(at_least(variant.name + ": return after learning over before",
                                      curve.value.back() / curve.value.front(), 1.5));
  }
  finding.figures = {{to_svg(optimization_figure(result.variants.front(), "expected return")),
                      "Three states on a river: the large reward lies against the current."}};
  return finding;
}

Finding evidence_bound(const TourContext& context) {
  // z ~ N(0, 1), x | z ~ N(w z, s): evidence and posterior are normal, too.
  constexpr double w = 1.5;
  constexpr double s = 0.7;
  constexpr double total = w * w + s * s;
  constexpr double x = 0.8;
  const std::int64_t n = context.choose<std::int64_t>(400'000, 100'000);
  const Tensor one = at::ones({n}, at::kDouble);
  const double evidence = Normal(0 * one[0], std::sqrt(total))
                              .log_prob(at::scalar_tensor(x, at::kDouble))
                              .item<double>();
  const auto bound = [&](double mean, double deviation, estimators::KlTerm kl) {
    estimators::Pathwise estimator;
    return estimators::elbo(
               Normal(mean * one, deviation), Normal(0 * one, 1.0),
               [&](const Tensor& z) { return Normal(w * z, s).log_prob(at::full_like(z, x)); },
               estimator, context.stream(0), kl)
        .value;
  };
  const double mean = w * x / total;
  const double deviation = s / std::sqrt(total);
  const Tensor at_posterior = bound(mean, deviation, estimators::KlTerm::sampled);
  const double gap =
      distributions::kl_divergence(Normal(0.1 * one[0], 0.6), Normal(mean * one[0], deviation))
          .item<double>();
  const Series line{.name = "log p(x)",
                    .x = {-1, 2},
                    .y = {evidence, evidence},
                    .mark = Mark::line,
                    .dashed = true};
  Series curve{.name = "ELBO", .mark = Mark::line};
  double most = -1e300;
  for (int i = -20; i <= 40; ++i) {
    curve.x.push_back(i / 20.0);
    curve.y.push_back(
        bound(i / 20.0, deviation, estimators::KlTerm::sampled).mean().item<double>());
    most = std::max(most, curve.y.back());
  }
  return {{at_most("at the true posterior each sample's bound against log p(x)",
                   (at_posterior - evidence).abs().max().item<double>(), 1e-12),
           unbiased("elsewhere: log p(x) − KL(q‖posterior), KL to the prior in closed form",
                    to_vector(bound(0.1, 0.6, estimators::KlTerm::analytic)), evidence - gap),
           unbiased("KL to the prior sampled",
                    to_vector(bound(0.1, 0.6, estimators::KlTerm::sampled)), evidence - gap),
           at_least("that gap", gap, 0.1),
           at_most("largest ELBO of 61 means, less log p(x)", most - evidence, 1e-3)},
          {{to_svg({.title = "ELBO against the mean of q",
                    .x = {.label = "mean of q"},
                    .y = {.label = "nats"},
                    .series = {curve, line}}),
            "The bound touches the evidence where q is the posterior."}}};
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

/// An auto-encoder of images, trained for some of the loss's terms, and what is seen of it.
struct TrainedVae {
  std::shared_ptr<models::Vae> vae;
  models::VaeEvaluation seen;
  double spread;  // deviation of z over the images: 1 under the prior

  double reconstruction() const { return -seen.reconstruction.mean().item<double>(); }
  double divergence() const { return seen.divergence.mean().item<double>(); }
};

TrainedVae train_vae(const TourContext& context, const Tensor& images, const Tensor& test,
                     models::VaeObjective objective) {
  const auto vae = std::make_shared<models::Vae>(
      models::VaeOptions{.inputs = images.size(1), .hidden = {128}, .latent_dim = 2},
      context.stream(2));
  vae->start_from_mean(images.to(at::kFloat).mean(0) / 255);
  estimators::Pathwise estimator;
  models::train(vae, images, estimator,
                {.objective = objective,
                 .epochs = context.choose(60.0, 20.0),
                 .learning_rate = 3e-3,
                 .seed = context.options.seed},
                {});
  const at::NoGradGuard no_grad;
  return {vae,
          models::evaluate(*vae, test, {.samples = 20, .batch = 200, .stream = context.stream(3)}),
          vae->posterior(test)->sample(context.stream(4)).std(0).mean().item<double>()};
}

Finding auto_encoder(const TourContext& context) {
  using models::VaeObjective;
  const LabeledImages digits = training::render_characters(
      training::kDigits, context.choose(5000U, 1500U), context.stream(0));
  const LabeledImages others =
      training::render_characters(training::kDigits, 600, context.stream(1));
  const Tensor images = image_rows(digits, digits.size());
  const Tensor test = models::evaluation_images(image_rows(others, others.size()),
                                                models::VaeDecoder::bernoulli, context.stream(5));
  const TrainedVae both = train_vae(context, images, test, VaeObjective::elbo);
  const TrainedVae free = train_vae(context, images, test, VaeObjective::without_regularizer);
  const TrainedVae blind = train_vae(context, images, test, VaeObjective::without_reconstruction);

  std::vector<std::string> labels;
  for (const auto label : others.labels) labels.push_back(std::to_string(label));
  const auto map = [&](const TrainedVae& of, const char* name) -> CaptionedFigure {
    return {latent_map_svg(numbers(codes(*of.vae, test)), labels, name, true), name};
  };
  const at::NoGradGuard no_grad;
  const auto pictures = [&](const Tensor& values, const char* name) -> CaptionedFigure {
    return {picture_svg(tile(numbers(values), 28, 28, 10), name, 0, 1, 360), name};
  };
  const Tensor shown = test.slice(0, 0, 10);
  const Tensor rebuilt = decode(*both.vae, both.vae->posterior(shown)->mean());
  return {
      {at_least("mean of log p(x)'s bound by 20 samples over the ELBO, nats",
                (both.seen.bound - both.seen.elbo()).mean().item<double>(), 0),
       at_least("ELBO with both terms over that without the regularizer, nats",
                (both.seen.elbo() - free.seen.elbo()).mean().item<double>(), 1),
       at_least("and over that without reconstruction",
                (both.seen.elbo() - blind.seen.elbo()).mean().item<double>(), 1),
       equal("deviation of the codes, both terms", both.spread, 1, 0.25),
       at_least("without the regularizer: deviation of the codes, not the prior's", free.spread, 2),
       at_least("its KL over that of both terms", free.divergence() / both.divergence(), 2),
       at_most("without reconstruction: KL, codes that know nothing", blind.divergence(), 0.2),
       at_least("its reconstruction loss over that of both terms, nats",
                blind.reconstruction() - both.reconstruction(), 5)},
      {map(both, "codes, both terms"), map(free, "without the regularizer"),
       map(blind, "without reconstruction"),
       pictures(at::cat({shown, rebuilt}), "digits, and what is rebuilt of them"),
       pictures(decode(*both.vae, both.vae->prior()->sample({50}, context.stream(6))),
                "samples: the decoder's pictures of the prior")}};
}

/// A distribution by one parameter.
struct Reparameterized {
  const char* name;
  double theta;
  std::function<DistributionPtr(const Tensor& theta)> make;
};

Finding table_of_reparameterizations(const TourContext& context) {
  using namespace distributions;
  const std::int64_t n = context.choose<std::int64_t>(200'000, 50'000);
  const auto all = std::to_array<Reparameterized>({
      {"Exponential, in its rate", 1.7,
       [](const Tensor& t) { return std::make_shared<Exponential>(t); }},
      {"Cauchy, in its scale", 0.6,
       [](const Tensor& t) { return std::make_shared<Cauchy>(0.3, t); }},
      {"Laplace, in its scale", 1.4,
       [](const Tensor& t) { return std::make_shared<Laplace>(-0.5, t); }},
      {"Normal, in its scale", 0.7,
       [](const Tensor& t) { return std::make_shared<Normal>(0.4, t); }},
      {"Log-normal, in its scale", 0.5,
       [](const Tensor& t) { return std::make_shared<LogNormal>(0.2, t); }},
      {"Inverse gamma, in its concentration", 2.5,
       [](const Tensor& t) { return std::make_shared<InverseGamma>(t, 1.3); }},
  });
  Finding finding;
  std::uint64_t id = 0;
  for (const Reparameterized& each : all) {
    const Tensor theta = at::full({n}, each.theta, at::kDouble).set_requires_grad(true);
    const Tensor z = each.make(theta)->rsample(context.stream(id++));
    z.sum().backward();
    const Tensor drawn = z.detach();
    const auto law = each.make(theta.detach());
    constexpr double kStep = 1e-5;
    const Tensor slope = (each.make(theta.detach() + kStep)->cdf(drawn) -
                          each.make(theta.detach() - kStep)->cdf(drawn)) /
                         (2 * kStep);
    // Where the density is not so small that the quotient is all rounding.
    const Tensor density = law->log_prob(drawn).exp();
    const Tensor implicit = -slope / density;
    const Tensor off =
        ((theta.grad() - implicit) / (1 + implicit.abs())).masked_select(density > 1e-3);
    finding.checks.push_back(not_rejected(
        each.name, ks_p_value(to_vector(law->cdf(drawn)), [](double u) { return u; })));
    finding.checks.push_back(
        at_most("dz/dθ against −(∂F/∂θ)/p", off.abs().max().item<double>(), 1e-5));
  }
  const auto normal_cdf = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
  const Stream stream = context.stream(id++);
  std::vector<double> filled(static_cast<std::size_t>(n));
  std::vector<double> single(filled.size());
  fill_normal(stream, 0, filled);
  for (std::size_t i = 0; i < single.size(); ++i) single[i] = stream.normal(i);
  finding.checks.push_back(not_rejected("Box-Muller, one by one", ks_p_value(single, normal_cdf)));
  finding.checks.push_back(
      not_rejected("Box-Muller, many at once", ks_p_value(filled, normal_cdf)));

  const Tensor root =
      at::tensor({1.2, 0.0, 0.0, -0.7, 0.8, 0.0, 0.4, 0.3, 0.5}, at::kDouble).view({3, 3});
  const MultivariateNormal vectors(at::tensor({1.0, 2.0, 3.0}, at::kDouble), ScaleTril(root));
  const Tensor white =
      at::linalg_solve(root, (vectors.rsample({n}, context.stream(id++)) - vectors.loc()).t());
  finding.checks.push_back(
      not_rejected("N(μ, RRᵀ): R⁻¹(z − μ)", ks_p_value(to_vector(white), normal_cdf)));

  const Rademacher signs({}, at::kDouble);
  const std::vector<double> drawn = to_vector(signs.sample({n}, context.stream(id++)));
  finding.checks.push_back(unbiased("Rademacher: mean", drawn, 0));
  finding.checks.push_back(
      equal("Rademacher has a reparameterization", signs.has_rsample() ? 1 : 0, 0, 0));
  return finding;
}

constexpr std::int64_t kTokens = 3;
constexpr std::int64_t kLength = 4;

std::shared_ptr<models::TokenPolicy> token_policy(const Stream& stream) {
  const auto network = std::make_shared<LstmLanguageModel>(
      LstmOptions{.vocabulary = kTokens, .dim = 4, .tied = false}, stream);
  const at::NoGradGuard no_grad;
  for (const Tensor& weight : network->parameters()) weight.mul_(4);  // far from uniform
  return std::make_shared<models::TokenPolicy>(network, models::TokenPolicyOptions{});
}

/// All 81 sequences, the last token changing fastest; and where a sequence stands among them.
Tensor all_sequences() {
  const Tensor token = at::arange(kTokens, at::kLong);
  return at::cartesian_prod({token, token, token, token});
}
Tensor place(const Tensor& sequences) {
  return (sequences * at::tensor({27, 9, 3, 1}, at::kLong)).sum(-1);
}

Finding seqgan(const TourContext& context) {
  const auto policy = token_policy(context.stream(0));
  const Tensor all = all_sequences();
  const Tensor rewards = Random(context.stream(1)).uniform({all.size(0)}, at::kFloat);
  const models::Reward reward = [&](const Tensor& y) { return rewards.index_select(0, place(y)); };

  // Q of the first token by roll-outs, and by the sum over all that may follow.
  const std::int64_t rollouts = context.choose<std::int64_t>(40'000, 8'000);
  const Tensor y = at::tensor({0, 2, 1, 1}, at::kLong).view({1, kLength});
  const Tensor log_prob = policy->log_prob(all).detach();
  const Tensor completed = models::roll_out(*policy, y, rollouts, context.stream(2));
  const Tensor q = models::action_values(*policy, y, reward, rollouts, context.stream(2));
  Finding finding;
  for (std::int64_t t = 1; t < kLength; ++t) {
    const Tensor same = (all.slice(1, 0, t) == y.slice(1, 0, t)).all(1);
    const Tensor p = log_prob.slice(1, t).sum(-1).exp() * same;
    finding.checks.push_back(unbiased("Q after " + std::to_string(t) + " tokens, by roll-outs",
                                      to_vector(reward(completed[t - 1][0])),
                                      (p * rewards).sum().item<double>()));
  }
  finding.checks.push_back(equal("Q of a whole sequence is its reward",
                                 q[0][kLength - 1].item<double>(), reward(y)[0].item<double>(), 0));

  // A sequence of numbers: the second one's mean, after the first, is what the LSTM says it is.
  const models::GaussianPolicy numbers_policy({.hidden = 4}, context.stream(3));
  const Tensor first = at::full({1, 2, 1}, 0.7);
  const Tensor pairs = models::roll_out(numbers_policy, first, rollouts, context.stream(4));
  models::SequencePolicy::State state = numbers_policy.start(1);
  numbers_policy.read(first.select(1, 0), state);
  finding.checks.push_back(unbiased("continuous: mean of the second number after the first",
                                    to_vector(pairs[0][0].select(1, 1)),
                                    numbers_policy.next(state).mean().item<double>()));

  // From far away, the generator comes to draw what an oracle draws.
  // (One oracle and one start whatever the seed: how far apart they are is luck.)
  const Stream start{.seed = 7, .id = 1};
  const auto oracle = token_policy({.seed = 7, .id = 3});
  const auto law = [&](const models::TokenPolicy& of) {
    return of.log_prob(all).detach().sum(-1).exp();
  };
  const auto generator = token_policy(start);
  const auto distance = [&] {
    return (law(*generator) - law(*oracle)).abs().sum().item<double>() / 2;
  };
  const double before = distance();
  models::SeqGan gan(generator, token_policy(start),
                     std::make_shared<models::SequenceDiscriminator>(
                         models::SequenceDiscriminatorOptions{.vocabulary = kTokens,
                                                              .features = 8,
                                                              .filters = {{1, 8}, {2, 16}, {4, 16}},
                                                              .dropout = 0},
                         Random(context.stream(7))),
                     models::sample(*oracle, 500, kLength, context.stream(8)),
                     {.reward = models::GeneratorReward::log_odds,
                      .batch = 16,
                      .rollouts = 2,
                      .update_rate = 0.5,
                      .d_steps = 2,
                      .d_epochs = 1,
                      .negatives = 64,
                      .generator_learning_rate = 3e-2,
                      .discriminator_learning_rate = 1e-2,
                      .seed = context.options.seed});
  gan.pretrain_discriminator(20, {});
  gan.train(context.choose<std::uint64_t>(300, 120), {});
  finding.checks.push_back(at_most(
      "total variation between generator and oracle, after over before", distance() / before, 0.7));
  Series bars{.name = "oracle", .y = to_vector(law(*oracle)), .mark = Mark::line};
  Series learned{.name = "generator", .y = to_vector(law(*generator)), .mark = Mark::line};
  for (std::int64_t i = 0; i < all.size(0); ++i) {
    bars.x.push_back(static_cast<double>(i));
    learned.x.push_back(static_cast<double>(i));
  }
  finding.figures.push_back(
      {to_svg({.title = "Probabilities of all sequences",
               .x = {.label = "sequence"},
               .y = {.label = "probability"},
               .series = {bars, learned},
               .width = 640}),
       "All 81 sequences, as the oracle draws them and as the generator does.", true});
  return finding;
}

constexpr Claim kClaims[] = {
    {"E1",
     "The score function's gradient is right on average with any baseline, and a baseline lowers "
     "its variance.",
     score_function},
    {"E2", "Where samples are a smooth function of noise, the gradient moves inside.", pathwise},
    {"E3",
     "On the lecture's example both are right, their variances are those computed by hand, and "
     "both "
     "find the optimum.",
     gaussian_example},
    {"E4", "The policy gradient is the score function's along a trajectory.", policy_gradient},
    {"E5", "The ELBO is below the evidence by KL(q‖posterior), and equal to it at the posterior.",
     evidence_bound},
    {"E6", "The divergence of Gaussians in closed form: full, diagonal and sampled are one number.",
     gaussian_divergence},
    {"E7",
     "A variational auto-encoder needs both terms: without the regularizer its codes leave the "
     "prior, without reconstruction they know nothing.",
     auto_encoder},
    {"E8",
     "A table of reparameterizations: each has its law, and its gradient is that of implicit "
     "differentiation.",
     table_of_reparameterizations},
    {"E9",
     "Roll-outs give every element of a sequence its share of the reward, and a generator that "
     "follows them comes to draw what an oracle draws.",
     seqgan},
};

}  // namespace

Chapter gradients_chapter() { return {"gradients", "E. Gradients through samples", kClaims}; }

}  // namespace partita::app
