// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/reparameterizations.hpp"

#include <ATen/ATen.h>

#include <array>
#include <cmath>
#include <functional>
#include <memory>
#include <numbers>
#include <vector>

#include "partita/learn/distributions.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/fill.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {
namespace {

/// A distribution as a function of one parameter.
struct Reparameterized {
  const char* name;
  double theta;
  std::function<distributions::DistributionPtr(const Tensor& theta)> make;
};

}  // namespace

Finding table_of_reparameterizations(const TourContext& context) {
  using namespace distributions;
  const auto n = context.choose<std::int64_t>(200'000, 50'000);
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
    const auto distribution = each.make(theta.detach());
    constexpr double kStep = 1e-5;
    const Tensor slope = (each.make(theta.detach() + kStep)->cdf(drawn) -
                          each.make(theta.detach() - kStep)->cdf(drawn)) /
                         (2 * kStep);
    // Where the density is not so small that the quotient is all rounding.
    const Tensor density = distribution->log_prob(drawn).exp();
    const Tensor implicit = -slope / density;
    const Tensor off =
        ((theta.grad() - implicit) / (1 + implicit.abs())).masked_select(density > 1e-3);
    finding.checks.push_back(not_rejected(
        each.name, ks_p_value(to_vector(distribution->cdf(drawn)), [](double u) { return u; })));
    finding.checks.push_back(
        at_most("dz/dθ against −(∂F/∂θ)/p", off.abs().max().item<double>(), 1e-5));
  }
  const auto normal_cdf = [](double x) { return 0.5 * std::erfc(-x / std::numbers::sqrt2); };
  std::vector<double> filled(static_cast<std::size_t>(n));
  std::vector<double> single(filled.size());
  fill_normal(context.stream(id++), 0, filled);
  const Stream stream = context.stream(id++);
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

}  // namespace partita::app
