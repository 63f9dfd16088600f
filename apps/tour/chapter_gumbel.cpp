// SPDX-License-Identifier: Apache-2.0
// F: Gumbel noise, the Concrete distribution, and what their gradients are worth.
#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <numeric>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/distributions.hpp"
#include "partita/learn/estimators.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/fill.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/scalar.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

using distributions::Logits;

constexpr std::array kLogits = {0.5, -0.3, 1.0, -1.2};
constexpr std::size_t kCategories = kLogits.size();

std::vector<double> probabilities() {
  std::vector<double> p(kCategories);
  softmax(row_of(kLogits), row_to(p));
  return p;
}

/// p-value of the counts of categories against n softmax(kLogits), χ².
double categories_p_value(const std::vector<std::int64_t>& drawn) {
  std::vector<double> observed(kCategories);
  for (const std::int64_t c : drawn) ++observed[static_cast<std::size_t>(c)];
  std::vector<double> expected = probabilities();
  for (double& e : expected) e *= static_cast<double>(drawn.size());
  return chi_square_p_value(observed, expected);
}

Finding gumbel(const TourContext& context) {
  std::vector<double> draws(context.choose(1'000'000U, 200'000U));
  fill_gumbel(context.stream(0), 0, draws);
  double round_trip = 0;
  for (int i = 1; i < 1000; ++i) {
    const double u = i / 1000.0;
    round_trip = std::max(round_trip, std::abs(gumbel_cdf(gumbel_icdf(u, 2, 3), 2, 3) - u));
  }
  const auto infinite = static_cast<double>(
      std::count_if(draws.begin(), draws.end(), [](double g) { return !std::isfinite(g); }));
  const double g = 1.7;
  return {
      {equal("log-density at −5", gumbel_log_prob(-5), 5 - std::exp(5.0), 1e-12),
       equal("e^(μ−g) F(g) over the density, g = 1.7, μ = 0.4",
             std::exp(0.4 - g) * gumbel_cdf(g, 0.4) / std::exp(gumbel_log_prob(g, 0.4)), 1, 1e-14),
       at_most("F(F⁻¹(u)) against u", round_trip, 1e-14),
       not_rejected("draws against F, Kolmogorov-Smirnov",
                    ks_p_value(draws, [](double x) { return gumbel_cdf(x); })),
       equal("draws that are not finite", infinite, 0, 0)}};
}

Finding gumbel_max_trick(const TourContext& context) {
  const std::size_t n = context.choose(1'000'000U, 200'000U);
  const auto drawn = gumbel_max(Rows{kLogits.data(), n, kCategories, 0}, context.stream(0));
  // One category 18.5 above 262,144 others: 100,000 draws should leave it 241 times. Five
  // deviations are a third of that; noise from 24 bits ends at 16.6 and never leaves it.
  constexpr std::size_t kTail = 262'144;
  constexpr std::size_t kDraws = 100'000;
  constexpr double kLead = 18.5;
  std::vector<float> row(kTail + 1, 0.0F);
  row.front() = static_cast<float>(kLead);
  const auto tail = gumbel_max(Rows{row.data(), kDraws, row.size(), 0}, context.stream(1),
                               {.threads = context.options.threads});
  const auto hits = static_cast<double>(
      std::count_if(tail.begin(), tail.end(), [](std::int64_t c) { return c != 0; }));
  const double expected = kDraws / (1 + std::exp(kLead) / kTail);
  return {{not_rejected("arg max of z + G against softmax, χ²", categories_p_value(drawn)),
           equal("draws of a tail of 262,144 categories 18.5 below one", hits, expected,
                 kFiveSigma * std::sqrt(expected))}};
}

Finding falling_temperature(const TourContext& context) {
  const auto tempered = [](double tau) {
    std::vector<double> row;
    for (const double z : kLogits) row.push_back(z / tau);
    softmax(row_of(row), row_to(row));
    return row;
  };
  const std::vector<double> cold = tempered(1e-3);
  const std::vector<double> hot = tempered(1e6);

  // Two centers at -1 and 1: responsibilities are a softmax of -|x - c|² / (2 σ²).
  const auto right_share = [](double x, double variance) {
    std::array row = {-(x + 1) * (x + 1) / (2 * variance), -(x - 1) * (x - 1) / (2 * variance)};
    softmax(row_of(row), row_to(row));
    return row[1];
  };
  // Two clouds on a line, which k-means and the mixture's EM divide from the same start.
  std::vector<double> points;
  for (std::size_t i = 0; i < 200; ++i) {
    points.push_back(context.stream(0).normal(i) + (i % 2 == 0 ? -1.5 : 1.5));
  }
  const auto settled =
      [&](const std::function<double(double x, double left, double right)>& share) {
        double left = -0.3;
        double right = 0.4;
        for (int step = 0; step < 200; ++step) {
          double sums[2] = {0, 0};
          double held[2] = {0, 0};
          for (const double x : points) {
            const double r = share(x, left, right);
            sums[0] += (1 - r) * x;
            sums[1] += r * x;
            held[0] += 1 - r;
            held[1] += r;
          }
          left = sums[0] / held[0];
          right = sums[1] / held[1];
        }
        return std::array{left, right};
      };
  const auto apart = [&](double variance) {
    const auto k_means = settled([](double x, double left, double right) {
      return std::abs(x - right) < std::abs(x - left) ? 1.0 : 0.0;
    });
    const auto mixture = settled([&](double x, double left, double right) {
      const double middle = (left + right) / 2;
      const double half = (right - left) / 2;  // in units in which the centers are -1 and 1
      return right_share((x - middle) / half, variance / (half * half));
    });
    return std::abs(mixture[0] - k_means[0]) + std::abs(mixture[1] - k_means[1]);
  };
  std::vector<Series> series;
  for (const auto& [name, variance] :
       {std::pair{"σ² = 1", 1.0}, {"σ² = 0.2", 0.2}, {"σ² = 0.01", 0.01}}) {
    Series& curve = series.emplace_back(Series{.name = name, .mark = Mark::line});
    for (int i = -100; i <= 100; ++i) {
      curve.x.push_back(i / 50.0);
      curve.y.push_back(right_share(i / 50.0, variance));
    }
  }
  return {{equal("softmax(z/τ) of the arg max at τ = 0.001", cold[2], 1, 1e-12),
           equal("largest of softmax(z/τ) at τ = 10⁶", hot[2], 0.25, 1e-6),
           at_most("centers of a mixture at σ² = 10⁻⁵, from k-means' own", apart(1e-5), 1e-9),
           at_least("at σ² = 1", apart(1), 0.02)},
          {{to_svg({.title = "Responsibility of one of two centers",
                    .x = {.label = "x"},
                    .y = {.label = "share of the center at 1"},
                    .series = series}),
            "A mixture of two Gaussians becomes k-means as its variance vanishes."}}};
}

Finding concrete(const TourContext& context) {
  const Tensor logits = at::tensor(kLogits, at::kDouble);
  const Random random(context.stream(0));
  const auto n = context.choose<std::int64_t>(400'000, 100'000);

  // Mean density over uniform points of the simplex, whose own density is (K - 1)! = 6.
  const distributions::RelaxedOneHotCategorical smooth(2.0, Logits(logits));
  const Tensor points = distributions::Dirichlet(at::ones({4}, at::kDouble)).sample({n}, random);
  const std::vector<double> mass = to_vector(smooth.log_prob(points).exp() / 6);

  const distributions::RelaxedOneHotCategorical sharp(0.3, Logits(logits));
  const Tensor draws = sharp.sample({n}, random);
  const Tensor arg_max = draws.argmax(-1).contiguous();
  // The difference of two standard Gumbels is logistic, so τ log(x₀ / x₂) − (z₀ − z₂) is.
  const std::vector<double> lead = to_vector(
      0.3 * (draws.select(-1, 0) / draws.select(-1, 2)).log() - (kLogits[0] - kLogits[2]));
  const std::vector<std::int64_t> drawn(arg_max.data_ptr<std::int64_t>(),
                                        arg_max.data_ptr<std::int64_t>() + n);

  const distributions::RelaxedOneHotCategorical wide(0.1,
                                                     Logits(random.normal({1000}, at::kDouble)));
  const Tensor density = wide.log_prob(wide.sample({200}, random));
  const Tensor at_vertex = wide.log_prob(at::eye(1000, at::kDouble).slice(0, 0, 5));

  const Tensor theta = logits.clone().set_requires_grad(true);
  const Tensor hard =
      distributions::OneHotCategoricalStraightThrough(Logits(theta)).rsample({100}, random);
  (hard * at::arange(4, at::kDouble)).sum().backward();
  return {
      {unbiased("mass over the simplex", mass, 1),
       not_rejected("arg max of draws at τ = 0.3 against softmax, χ²", categories_p_value(drawn)),
       not_rejected("τ times the log-ratio of two coordinates, less z's, against the logistic",
                    ks_p_value(lead, [](double x) { return sigmoid(x); })),
       equal("log-densities that are not finite, K = 1000, τ = 0.1",
             (~at::isfinite(density)).sum().item<double>(), 0, 0),
       equal("log-densities at a vertex that are NaN", at::isnan(at_vertex).sum().item<double>(), 0,
             0),
       equal("straight-through samples that are one-hot, share",
             std::get<0>(hard.detach().max(-1)).eq(1).to(at::kDouble).mean().item<double>(), 1, 0),
       at_least("norm of the gradient through them", theta.grad().norm().item<double>(), 1e-3)}};
}

/// Bias and standard deviation of the first entry of an estimator's gradient.
struct Quality {
  double bias;
  double error;  // standard error of the bias
  double deviation;
};

Quality quality(estimators::Estimator& estimator, const Stream& stream, std::int64_t n) {
  const Tensor weights = at::tensor({0.2, 1.5, -0.7, 0.9}, at::kDouble);
  const estimators::Function f = [&](const Tensor& x) { return (x * weights).sum(-1).square(); };
  const auto gradients = [&](estimators::Estimator& of, std::int64_t rows) {
    const Tensor theta = at::tensor(kLogits, at::kDouble).repeat({rows, 1}).set_requires_grad(true);
    of(distributions::OneHotCategorical(Logits(theta)), f, stream).surrogate.sum().backward();
    return theta.grad().select(1, 1);
  };
  estimators::Enumeration exact;
  const double truth = gradients(exact, 1).item<double>();
  const Tensor all = gradients(estimator, n);
  const double deviation = all.std().item<double>();
  return {all.mean().item<double>() - truth, deviation / std::sqrt(static_cast<double>(n)),
          deviation};
}

Finding bias_of_relaxations(const TourContext& context) {
  using namespace estimators;
  const auto n = context.choose<std::int64_t>(400'000, 50'000);
  Finding finding;
  std::uint64_t id = 0;
  const auto standard_errors = [&](const Quality& q) { return std::abs(q.bias) / q.error; };

  Series bias{.name = "Concrete, bias"};
  Series spread{.name = "Concrete, standard deviation"};
  for (const double tau : {0.1, 0.2, 0.5, 1.0, 2.0}) {
    Concrete relaxed({.temperature = tau});
    const Quality q = quality(relaxed, context.stream(id++), n);
    bias.x.push_back(tau);
    bias.y.push_back(std::abs(q.bias));
    spread.x.push_back(tau);
    spread.y.push_back(q.deviation);
    // At τ = 0.1 it is ten standard errors in a full tour, and too few in a quick one.
    if (tau > 0.1 || !context.options.quick) {
      finding.checks.push_back(
          at_least(fmt::format("Concrete at τ = {}: bias, in standard errors", tau),
                   standard_errors(q), kFiveSigma));
    }
  }
  ScoreFunction score({.samples = 2, .baseline = baselines::LeaveOneOut{}});
  Rebar rebar({.tune = false});
  Relax relax({.control_variate = [](const Tensor& z) { return z.softmax(-1).select(-1, 1); }});
  UnorderedSet set({.samples = 2});
  std::vector<Series> series = {bias, spread};
  const std::pair<const char*, Estimator*> unbiased_ones[] = {{"REINFORCE, leave one out", &score},
                                                              {"REBAR", &rebar},
                                                              {"RELAX", &relax},
                                                              {"unordered set", &set}};
  for (const auto& [name, estimator] : unbiased_ones) {
    const Quality q = quality(*estimator, context.stream(id++), n);
    finding.checks.push_back(
        at_most(std::string(name) + ": bias, in standard errors", standard_errors(q), kFiveSigma));
    series.push_back({.name = name,
                      .x = {bias.x.front(), bias.x.back()},
                      .y = {q.deviation, q.deviation},
                      .mark = Mark::line,
                      .dashed = true});
  }
  Arms arms({.samples = 2});
  finding.checks.push_back(at_most("CARMS: bias, in standard errors",
                                   standard_errors(quality(arms, context.stream(id++), n)),
                                   kFiveSigma));
  // One noisy Jacobian averaged, and the gradient to second order, of this quadratic f.
  StraightThroughGumbel plain;
  GumbelRao rao;
  ReinMax second_order;
  ReinMaxRao second_order_rao;
  const Quality of_plain = quality(plain, context.stream(id++), n);
  const Quality of_rao = quality(rao, context.stream(id++), n);
  const Quality of_second_order = quality(second_order, context.stream(id++), n);
  const Quality of_second_order_rao = quality(second_order_rao, context.stream(id++), n);
  finding.checks.push_back(
      at_most("Gumbel-Rao: its mean off straight-through Gumbel's, in standard errors",
              std::abs(of_rao.bias - of_plain.bias) / std::hypot(of_rao.error, of_plain.error),
              kFiveSigma));
  finding.checks.push_back(at_most("its standard deviation over that one's",
                                   of_rao.deviation / of_plain.deviation, 0.95));
  finding.checks.push_back(at_most("ReinMax, quadratic f: bias, in standard errors",
                                   standard_errors(of_second_order), kFiveSigma));
  finding.checks.push_back(at_most("ReinMax-Rao: its standard deviation over ReinMax's",
                                   of_second_order_rao.deviation / of_second_order.deviation,
                                   0.95));
  finding.checks.push_back(at_least("ReinMax-Rao: bias, in standard errors",
                                    standard_errors(of_second_order_rao), kFiveSigma));
  StraightThrough wide({.temperature = 3});
  finding.checks.push_back(
      at_least("Decoupled straight-through, τ = 3 on the way back: bias, in standard errors",
               standard_errors(quality(wide, context.stream(id++), n)), kFiveSigma));
  // Sets of two of four, of a linear f: through the marginals without bias or noise.
  const Tensor cost = at::tensor({0.2, 1.5, -0.7, 0.9}, at::kDouble);
  const auto through_sets = [&](Estimator& estimator) {
    const Tensor theta = at::tensor(kLogits, at::kDouble).set_requires_grad(true);
    estimator(
        distributions::Subset(Logits(theta), 2), [&](const Tensor& z) { return z.matmul(cost); },
        context.stream(id++))
        .surrogate.backward();
    return theta.grad();
  };
  Enumeration enumeration;
  StraightThrough through;
  ImplicitMle implicit({.samples = 1000});
  const Tensor exact = through_sets(enumeration);
  finding.checks.push_back(
      equal("Straight-through of sets of two, linear f: off the exact gradient",
            (through_sets(through) - exact).abs().max().item<double>(), 0, 1e-12));
  finding.checks.push_back(
      at_least("Implicit MLE of the same: cosine with the exact gradient",
               at::cosine_similarity(through_sets(implicit), exact, 0).item<double>(), 0.5));
  finding.figures.push_back(
      {to_svg({.title = "Bias and standard deviation against temperature",
               .x = {.label = "temperature", .logarithmic = true},
               .y = {.label = "bias or deviation", .logarithmic = true},
               .series = series}),
       "The relaxation trades bias for variance; the dashed lines are standard deviations of "
       "unbiased estimators."});
  return finding;
}

constexpr Claim kGumbelClaims[] = {
    {"F1", "The Gumbel distribution: its density, its CDF and their inverse, exact in both tails.",
     gumbel},
    {"F2",
     "The arg max of logits plus one independent Gumbel each is a draw from their softmax, far "
     "tails included.",
     gumbel_max_trick},
    {"F3",
     "As the temperature falls, softmax becomes the arg max; as its variance does, a mixture of "
     "Gaussians becomes k-means.",
     falling_temperature},
    {"F4",
     "The Concrete distribution relaxes a categorical one: its arg max is categorical, its density "
     "integrates to one and stays finite.",
     concrete},
    {"F5",
     "Gradients through it are biased at every positive temperature; those of hard samples need "
     "not be.",
     bias_of_relaxations},
};

}  // namespace

Chapter gumbel_chapter() { return {"gumbel", "F. Gumbel and Concrete", kGumbelClaims}; }

}  // namespace partita::app
