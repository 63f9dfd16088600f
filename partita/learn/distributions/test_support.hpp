// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of distributions: draws against the distribution's own CDF or probabilities
// (themselves checked against golden values from Python and mpmath), and pathwise gradients against
// implicit differentiation.
#pragma once

#include <ATen/ATen.h>
#include <ATen/CPUGeneratorImpl.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::distributions::testing {

inline at::Generator torch_generator(std::uint64_t seed) {
  return at::make_generator<at::CPUGeneratorImpl>(seed);
}

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline Tensor number(double x) { return at::scalar_tensor(x, at::kDouble); }

inline Tensor doubles(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

inline void expect_equal(const Tensor& actual, double expected, double tolerance = 4e-15) {
  EXPECT_NEAR(actual.item<double>(), expected, tolerance * std::abs(expected));
}

using partita::to_vector;

/// Kolmogorov-Smirnov p-value of `draws` from a univariate continuous distribution.
inline double ks_p_value(const Distribution& distribution, const Tensor& draws) {
  return partita::ks_p_value(to_vector(distribution.cdf(draws)), [](double u) { return u; });
}

/// Draws of one univariate continuous distribution (batch shape []), from both sources, follow its
/// CDF; 200,000 draws detect a CDF that is off by 0.008 anywhere. A shorter sample from the same
/// stream is the beginning of a longer one.
inline void expect_draws_follow_cdf(const Distribution& distribution,
                                    std::int64_t count = 200'000) {
  const Tensor streamed = distribution.sample({count}, Stream{.seed = 11, .id = 3});
  EXPECT_GT(ks_p_value(distribution, streamed), kFalseAlarm) << distribution.to_string();
  const Tensor beginning = distribution.sample({32}, Stream{.seed = 11, .id = 3});
  EXPECT_TRUE(at::equal(beginning, streamed.narrow(0, 0, 32))) << distribution.to_string();
  const Tensor generated = distribution.sample({count}, torch_generator(11));
  EXPECT_GT(ks_p_value(distribution, generated), kFalseAlarm) << distribution.to_string();
}

/// The leading draws do not depend on how many are asked for.
inline void expect_prefix(const Distribution& q) {
  const Stream stream{.seed = 3, .id = 8};
  EXPECT_TRUE(at::equal(q.sample({64}, stream).slice(0, 0, 32), q.sample({32}, stream)))
      << q.to_string();
}

/// Draws of one discrete distribution over 0 ... size - 1 (and more, pooled) follow exp(log_prob).
inline void expect_draws_follow_probabilities(const Distribution& distribution, std::int64_t size,
                                              std::int64_t count = 200'000) {
  const Tensor values = at::arange(size, at::kDouble);
  const std::vector<double> p = to_vector(distribution.log_prob(values).exp());
  for (const Random& random : {Random(Stream{.seed = 12, .id = 4}), Random(torch_generator(12))}) {
    std::vector<double> observed(p.size() + 1);
    for (const double x : to_vector(distribution.sample({count}, random))) {
      ++observed[x < static_cast<double>(size) ? static_cast<std::size_t>(x) : p.size()];
    }
    std::vector<double> expected;
    double rest = 1;
    for (const double each : p) {
      expected.push_back(each * static_cast<double>(count));
      rest -= each;
    }
    expected.push_back(std::max(rest, 1e-12) * static_cast<double>(count));
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << distribution.to_string();
  }
}

/// d rsample / d parameter = -(dF / d parameter) / density at the draw (implicit
/// differentiation), for each parameter of a univariate distribution; dF by central differences.
inline void expect_pathwise_gradient(
    const std::function<DistributionPtr(const std::vector<Tensor>&)>& make,
    const std::vector<double>& parameters, double tolerance = 1e-5) {
  for (std::size_t which = 0; which < parameters.size(); ++which) {
    std::vector<Tensor> at_point;
    for (const double p : parameters) at_point.push_back(at::scalar_tensor(p, at::kDouble));
    constexpr std::int64_t kDraws = 200;
    const Tensor leaf = at::full({kDraws}, parameters[which], at::kDouble).set_requires_grad(true);
    at_point[which] = leaf;
    const DistributionPtr distribution = make(at_point);
    const Tensor draws = distribution->rsample(Stream{.seed = 13, .id = which});
    draws.sum().backward();

    const double step = 1e-6 * std::max(1.0, std::abs(parameters[which]));
    // Above the median, use 1 - survival, whose digits the CDF has lost to the 1.
    const Tensor above = distribution->cdf(draws.detach()) > 0.5;
    const auto cdf_at = [&](double value) {
      std::vector<Tensor> moved = at_point;
      moved[which] = at::full({kDraws}, value, at::kDouble);
      const DistributionPtr at_value = make(moved);
      return at::where(above, -at_value->log_survival(draws.detach()).exp(),
                       at_value->cdf(draws.detach()));
    };
    const Tensor slope =
        (cdf_at(parameters[which] + step) - cdf_at(parameters[which] - step)) / (2 * step);
    const Tensor expected = -slope / distribution->log_prob(draws).exp().detach();
    const Tensor error = (leaf.grad() - expected).abs() / (expected.abs() + 1e-2);
    EXPECT_LT(error.max().item<double>(), tolerance)
        << distribution->name() << ", parameter " << which;
  }
}

/// d sum(f) / d each element of the arguments, against central differences; f must be smooth.
inline void expect_gradient(const std::function<Tensor(const std::vector<Tensor>&)>& f,
                            const std::vector<Tensor>& point, double tolerance = 1e-7) {
  std::vector<Tensor> leaves;
  for (const Tensor& each : point) leaves.push_back(each.clone().set_requires_grad(true));
  f(leaves).sum().backward();
  for (std::size_t which = 0; which < point.size(); ++which) {
    for (std::int64_t i = 0; i < point[which].numel(); ++i) {
      const auto center = point[which].flatten()[i].item<double>();
      const double step = 6e-6 * std::max(1.0, std::abs(center));  // cube root of epsilon
      const auto value_at = [&](double x) {
        std::vector<Tensor> moved;
        for (const Tensor& each : point) moved.push_back(each.clone());
        moved[which].view({-1})[i] = x;
        return f(moved).sum().item<double>();
      };
      const double expected = (value_at(center + step) - value_at(center - step)) / (2 * step);
      const auto actual = leaves[which].grad().flatten()[i].item<double>();
      EXPECT_NEAR(actual, expected, tolerance * std::max(1.0, std::abs(expected)))
          << "argument " << which << ", element " << i;
    }
  }
}

}  // namespace partita::distributions::testing
