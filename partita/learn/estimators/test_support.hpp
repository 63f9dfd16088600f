// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of estimators: problems whose gradient is known in closed form, and many
// independent estimates of it in one call, since the rows of a batch are independent.
#pragma once

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/estimator.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::estimators::testing {

using distributions::DistributionPtr;

/// Two problems side by side, so that a row that reached into its neighbor would show.
struct Problem {
  std::string name;
  Tensor theta;  ///< [2, parameters]
  /// [..., 2, parameters] -> a distribution of batch [..., 2].
  std::function<DistributionPtr(const Tensor& theta)> distribution;
  /// f of samples, which may depend on theta as well.
  std::function<Tensor(const Tensor& z, const Tensor& theta)> f;
  Tensor gradient;  ///< [2, parameters], exact
  Tensor value;     ///< [2], exact
};

inline Tensor numbers(const std::vector<double>& values) { return at::tensor(values, at::kDouble); }

/// (b - t)^2 of a bit: gradient p (1 - p) (f(1) - f(0)) in the logit.
inline Problem bernoulli() {
  const Tensor theta = numbers({0.3, -1.4}).unsqueeze(-1);
  const Tensor t = numbers({0.45, 0.3});
  const Tensor p = theta.squeeze(-1).sigmoid();
  return {.name = "bernoulli",
          .theta = theta,
          .distribution =
              [](const Tensor& logits) {
                return std::make_shared<distributions::Bernoulli>(
                    distributions::Logits(logits.squeeze(-1)));
              },
          .f = [t](const Tensor& b, const Tensor&) { return (b - t).square(); },
          .gradient = (p * (1 - p) * (1 - 2 * t)).unsqueeze(-1),
          .value = p * (1 - t).square() + (1 - p) * t.square()};
}

/// The same with an f that depends on the parameter as well: + theta b, so + d(theta p) / d theta.
inline Problem bernoulli_with_own_parameter() {
  Problem problem = bernoulli();
  problem.name = "bernoulli, f(b, theta)";
  problem.f = [f = problem.f](const Tensor& b, const Tensor& theta) {
    return f(b, theta) + theta.squeeze(-1) * b;
  };
  const Tensor p = problem.theta.sigmoid();
  problem.gradient = problem.gradient + p + problem.theta * p * (1 - p);
  problem.value = problem.value + (problem.theta * p).squeeze(-1);
  return problem;
}

/// Five categories: sum_i c_i (x_i - t_i)^2 + (c . x)^2, gradient p_i (f_i - E f).
inline Problem categorical() {
  const Tensor theta = at::stack({numbers({0.5, -1, 0, 1.2, -0.3}), numbers({0, 0, 2, -2, 1})});
  const Tensor c = numbers({1, -0.5, 2, 0.3, -1});
  const Tensor t = numbers({0.1, 0.4, 0.2, 0.7, 0.3});
  const auto f = [c, t](const Tensor& x, const Tensor&) {
    return (c * (x - t).square()).sum(-1) + (c * x).sum(-1).square();
  };
  const Tensor values = f(at::eye(5, at::kDouble), {});
  const Tensor p = theta.softmax(-1);
  const Tensor mean = (p * values).sum(-1);
  return {.name = "categorical",
          .theta = theta,
          .distribution =
              [](const Tensor& logits) {
                return std::make_shared<distributions::OneHotCategorical>(
                    distributions::Logits(logits));
              },
          .f = f,
          .gradient = p * (values - mean.unsqueeze(-1)),
          .value = mean};
}

/// The Bernoulli toy problem of Kool, van Hoof, Welling 2020: three coins with one parameter eta,
/// f = sum_i (x_i - p0_i)^2; eta = 0 and -4. Gradient p (1 - p) sum_i (1 - 2 p0_i).
inline Problem three_coins() {
  const Tensor eta = numbers({0, -4}).unsqueeze(-1);
  const Tensor p0 = numbers({0.6, 0.51, 0.48});
  const Tensor p = eta.sigmoid();
  return {.name = "three coins",
          .theta = eta,
          .distribution =
              [](const Tensor& logits) {
                return std::make_shared<distributions::Independent>(
                    distributions::Bernoulli(distributions::Logits(logits.expand(
                        concatenate(logits.sizes().slice(0, logits.dim() - 1), {3})))),
                    1);
              },
          .f = [p0](const Tensor& x, const Tensor&) { return (x - p0).square().sum(-1); },
          .gradient = p * (1 - p) * (1 - 2 * p0).sum(),
          .value = (p * (1 - p0).square() + (1 - p) * p0.square()).sum(-1)};
}

struct Estimates {
  Tensor gradient;  ///< [rows, 2, parameters]
  Tensor value;     ///< [rows, 2]
};

/// `rows` independent estimates from one call.
inline Estimates estimates(const Problem& problem, Estimator& estimator, std::int64_t rows,
                           std::uint64_t seed = 1) {
  const Tensor theta = problem.theta.expand(concatenate({rows}, problem.theta.sizes()))
                           .clone()
                           .set_requires_grad(true);
  const auto distribution = problem.distribution(theta);
  const auto [surrogate, value] = estimator(
      *distribution, [&](const Tensor& z) { return problem.f(z, theta); }, Stream{.seed = seed});
  surrogate.sum().backward();
  return {theta.grad(), value};
}

inline Tensor standard_error(const Tensor& rows) {
  return rows.std(0) / std::sqrt(static_cast<double>(rows.size(0)));
}

/// The problem with its gradient and value, by enumeration at theta.
inline Problem enumerated(Problem problem) {
  Enumeration enumeration;
  const Estimates exact = estimates(problem, enumeration, 1);
  problem.gradient = exact.gradient[0];
  problem.value = exact.value[0];
  return problem;
}

/// Two variables of four categories that f takes together, one of them never drawn.
inline Problem two_categories() {
  const double infinity = std::numeric_limits<double>::infinity();
  const Tensor one = numbers({0.3, -1, 0.8, 0, 1.5, 0.2, -0.4, -infinity});
  const Tensor c = numbers({1, -2, 0.5, 3, -1, 2, 0, 1}).view({2, 4});
  return enumerated({.name = "two categories",
                     .theta = at::stack({one, numbers({0, 0, 0, 0, 2.5, -2, 1, 0})}),
                     .distribution =
                         [](const Tensor& logits) {
                           const Shape batch = logits.sizes().slice(0, logits.dim() - 1).vec();
                           return std::make_shared<distributions::Independent>(
                               distributions::OneHotCategorical(
                                   distributions::Logits(logits.view(concatenate(batch, {2, 4})))),
                               1);
                         },
                     .f =
                         [c](const Tensor& x, const Tensor&) {
                           const Tensor each = (c * x).sum(-1);
                           return each.prod(-1) + each.sum(-1).square() / 2;
                         },
                     .gradient = {},
                     .value = {}});
}

/// Means of gradient and value lie within their Monte-Carlo intervals of the exact ones; the
/// intervals are so narrow that a factor of 2 or a sign would show in every entry of `problem`
/// that matters.
inline void expect_unbiased(const Problem& problem, Estimator& estimator, std::int64_t rows) {
  const std::string what = std::string(estimator.name()) + " on " + problem.name;
  const Estimates got = estimates(problem, estimator, rows);
  constexpr double kRounding = 1e-12;  // for estimates that are exact
  const auto expect_within = [&](const Tensor& draws, const Tensor& exact, const char* quantity) {
    const Tensor error = (draws.mean(0) - exact).abs();
    const Tensor interval = kFiveSigma * standard_error(draws) + kRounding;
    EXPECT_TRUE((error < interval).all().item<bool>())
        << what << ": " << quantity << "\nerror in intervals\n"
        << error / interval << "\nexact\n"
        << exact;
    const Tensor matters = exact.abs() > 0.2 * exact.abs().max();
    EXPECT_TRUE((2 * interval < 0.5 * exact.abs()).logical_or(~matters).all().item<bool>())
        << what << ": the interval of " << quantity << " is too wide\n"
        << interval / exact;
  };
  expect_within(got.gradient, problem.gradient, "gradient");
  expect_within(got.value, problem.value, "value");
}

/// What an estimator says about a distribution that it refuses.
inline std::string refusal(Estimator&& estimator, const Distribution& distribution) {
  try {
    estimator(
        distribution, [](const Tensor& z) { return z; }, Stream{1});
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "nothing";
}

}  // namespace partita::estimators::testing
