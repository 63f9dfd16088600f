// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/perturbed_sets.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <vector>

#include "apps/report/figure.hpp"
#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/losses/perturbed_top_k.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {

namespace {

constexpr std::int64_t kMembers = 2;
constexpr double kEpsilon = 0.7;

Tensor logits() { return at::tensor({0.5, -1.0, 0.0, 1.2, -0.3}, at::kDouble); }

/// How often each category is among the first kMembers of a ranking, summed over all of them.
Tensor inclusion(const Tensor& z) {
  const distributions::PlackettLuce law(distributions::Logits(z / kEpsilon), kMembers);
  const Tensor all = law.enumerate_support();
  const Tensor sets = at::zeros({all.size(0), z.size(0)}, at::kDouble).scatter(-1, all, 1);
  return law.log_prob(all).exp().matmul(sets);
}

Tensor gradient(const Tensor& y, const Tensor& z) {
  return torch::autograd::grad({y}, {z}, {}, /*retain_graph=*/true)[0];
}

/// The largest distance of a mean of rows from what it should be, in standard errors.
double standard_errors(const Tensor& rows, const Tensor& exact) {
  const Tensor error = rows.std(0) / std::sqrt(static_cast<double>(rows.size(0)));
  return ((rows.mean(0) - exact).abs() / error).max().item<double>();
}

/// Logits that descend the loss of sets which are drawn as rankings of `logits()`.
Tensor learned(const TourContext& context) {
  const distributions::PlackettLuce law(distributions::Logits(logits() / kEpsilon), kMembers);
  const Tensor drawn = law.sample({context.choose<std::int64_t>(20'000, 5'000)}, context.stream(3));
  const Tensor sets = at::zeros({drawn.size(0), 5}, at::kDouble).scatter(-1, drawn, 1).mean(0);
  const Random random(context.stream(4));
  Tensor z = at::zeros({5}, at::kDouble);
  constexpr int kSteps = 300;
  for (int step = 0; step < kSteps; ++step) {
    z = z.detach().set_requires_grad(true);
    const Tensor loss =
        losses::perturbed_top_k_loss(z, sets, kMembers, random, {.epsilon = kEpsilon});
    z = z - 2. * (kSteps - step) / kSteps * gradient(loss, z);
  }
  return z.detach();
}

}  // namespace

Finding perturbed_sets(const TourContext& context) {
  const auto n = context.choose<std::int64_t>(100'000, 20'000);
  const losses::PerturbationOptions options{.samples = 4, .epsilon = kEpsilon};
  const Tensor rows = logits().expand({n, 5}).clone().set_requires_grad(true);
  const Tensor one = losses::perturbed_top_k(rows, 1, context.stream(0), options).detach();
  const Tensor y = losses::perturbed_top_k(rows, kMembers, context.stream(1), options);
  const Tensor weights = at::tensor({1.0, -0.5, 2.0, 0.3, -1.0}, at::kDouble);
  const Tensor z = logits().set_requires_grad(true);
  const Tensor exact = inclusion(z);
  const Tensor target = at::tensor({1.0, 0.0, 0.0, 1.0, 0.0}, at::kDouble).expand({n, 5});
  const Tensor loss = losses::perturbed_top_k_loss(rows, target, kMembers, context.stream(1),
                                                   options, losses::Reduction::sum);

  std::vector<Series> series;
  for (std::int64_t i = 0; i < 5; ++i) {
    series.push_back({.name = fmt::format("logit {:g}", logits()[i].item<double>())});
  }
  for (const double epsilon : {0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 1., 1.5, 2., 3., 5.}) {
    const Tensor at = losses::perturbed_top_k(logits(), kMembers, context.stream(2),
                                              {.samples = 20'000, .epsilon = epsilon});
    for (std::int64_t i = 0; i < 5; ++i) {
      series[static_cast<std::size_t>(i)].x.push_back(epsilon);
      series[static_cast<std::size_t>(i)].y.push_back(at[i].item<double>());
    }
  }
  return {
      {at_most("the largest under noise against softmax(z / ε), in standard errors",
               standard_errors(one, (logits() / kEpsilon).softmax(-1)), kFiveSigma),
       at_most("the two largest against the sum over all rankings, in standard errors",
               standard_errors(y.detach(), exact.detach()), kFiveSigma),
       at_most("their Jacobian against that sum's, in standard errors",
               standard_errors(gradient((y * weights).sum(), rows),
                               gradient((exact * weights).sum(), z)),
               kFiveSigma),
       at_most("the loss's gradient, off the prediction less the target",
               (gradient(loss, rows) - (y - target).detach()).abs().max().item<double>(), 1e-14),
       at_most("logits learned from sets: how often each is chosen, furthest from their law",
               (inclusion(learned(context)) - exact).abs().max().item<double>(), 0.05)},
      {{to_svg({.title = "Two of five, under noise of size ε",
                .x = {.label = "ε", .logarithmic = true},
                .y = {.label = "share of draws that choose it", .min = 0, .max = 1},
                .series = series}),
        "Little noise leaves the two largest; much makes all alike. In between is a slope."}}};
}

}  // namespace partita::app
