// SPDX-License-Identifier: Apache-2.0
// A: softmax, log-sum-exp, their losses and divergences.
#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "apps/tour/largest_difference.hpp"
#include "partita/learn/losses/linear_softmax.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/losses/sparsemax.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/rows.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/softmax/scalar.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

std::vector<double> normal_row(const Stream& stream, std::size_t size, double scale) {
  std::vector<double> row(size);
  for (std::size_t i = 0; i < size; ++i) row[i] = scale * stream.normal(i);
  return row;
}

std::vector<double> softmax_of(const std::vector<double>& row) {
  std::vector<double> p(row.size());
  softmax(row_of(row), row_to(p));
  return p;
}

/// The error of a value in units in the last place of `exact`.
double ulps(double value, long double exact) {
  const double next = std::nextafter(static_cast<double>(exact), kInfinity);
  const double unit = next - static_cast<double>(exact);
  return static_cast<double>(std::abs(static_cast<long double>(value) - exact)) / unit;
}

double worst_softmax_ulps(const std::vector<double>& row) {
  const long double largest = *std::max_element(row.begin(), row.end());
  long double sum = 0;
  for (const double z : row) sum += std::exp(z - largest);
  const std::vector<double> p = softmax_of(row);
  double worst = 0;
  for (std::size_t i = 0; i < row.size(); ++i) {
    const long double exact = std::exp(row[i] - largest) / sum;
    if (exact > std::numeric_limits<double>::min()) worst = std::max(worst, ulps(p[i], exact));
  }
  return worst;
}

Finding stable(const TourContext& context) {
  double worst = 0;
  std::uint64_t id = 0;
  for (const double scale : {1e-3, 1.0, 30.0, 1e30}) {
    for (std::size_t size = 1; size <= context.choose(1'000'000U, 100'000U); size *= 10) {
      worst = std::max(worst, worst_softmax_ulps(normal_row(context.stream(id++), size, scale)));
    }
  }
  // Whole numbers, so that adding c does not round.
  std::vector<double> row = normal_row(context.stream(id), 1000, 30);
  for (double& z : row) z = std::round(z);
  const std::vector<double> before = softmax_of(row);
  for (double& z : row) z += 1e15;
  return {{at_most("largest error, ulp", worst, 2),
           equal("softmax(z + 10¹⁵) = softmax(z), bit by bit", softmax_of(row) == before, 1, 0)}};
}

Finding argmax_needs_no_exp(const TourContext& context) {
  const std::size_t rows = context.choose(2000U, 200U);
  double agree = 0;
  for (std::size_t r = 0; r < rows; ++r) {
    const std::vector<double> row = normal_row(context.stream(r), 500, 3);
    const std::vector<double> p = softmax_of(row);
    const auto of_p = std::max_element(p.begin(), p.end()) - p.begin();
    agree += argmax(row_of(row)).front() == of_p ? 1 : 0;
  }
  const std::array tied = {1.0, 7.0, 3.0, 7.0};
  return {
      {equal("rows where arg max z = arg max p, share", agree / static_cast<double>(rows), 1, 0),
       equal("of ties the lowest index", static_cast<double>(argmax(row_of(tied)).front()), 1, 0)}};
}

Finding two_classes(const TourContext&) {
  double round_trip = 0;  // in units of what the roundings of p and of x = logit p amount to
  for (int i = 1; i < 4000; ++i) {
    for (const double p : {std::ldexp(i / 4000.0, -40), i / 4000.0}) {
      const double x = logit(p);
      const double unit = std::max(p, p * (1 - p) * std::abs(x)) * 0x1p-52;
      round_trip = std::max(round_trip, std::abs(sigmoid(x) - p) / unit);
    }
  }
  double infinite = 0;
  for (const double x : {-1e308, 1e308}) {
    for (const double y : {sigmoid(x), log_sigmoid(x), softplus(x), log_add_exp(x, x)}) {
      infinite += std::isfinite(y) ? 0 : 1;
    }
  }
  Series curve{.name = "sigmoid", .mark = Mark::line};
  for (int i = -60; i <= 60; ++i) {
    curve.x.push_back(i / 10.0);
    curve.y.push_back(sigmoid(i / 10.0));
  }
  return {
      {at_most("σ(logit p) against p, ulp", round_trip, 4),
       equal("results at ±10³⁰⁸ that are not finite", infinite, 0, 0),
       equal("σ(x) from a softmax over (x, 0), x = 1.3", softmax_of({1.3, 0.0}).front(),
             sigmoid(1.3), 2e-16)},
      {{to_svg(
            {.title = "Sigmoid", .x = {.label = "x"}, .y = {.label = "σ(x)"}, .series = {curve}}),
        "A softmax over two classes, x and 0."}}};
}

Finding log_sum_exp_bounds(const TourContext& context) {
  double outside = 0;
  double gradient_error = 0;
  for (std::uint64_t r = 0; r < context.choose(500U, 100U); ++r) {
    std::vector<double> row = normal_row(context.stream(r), 1 + r % 50, 4);
    const double largest = *std::max_element(row.begin(), row.end());
    const auto lse = [&] { return log_sum_exp(row_of(row)).front(); };
    const double value = lse();
    const double high = largest + std::log(static_cast<double>(row.size()));
    const double rounding = 2 * 0x1p-52 * std::max(std::abs(largest), std::abs(high));
    if (value < largest - rounding || value > high + rounding) ++outside;
    const std::vector<double> p = softmax_of(row);
    constexpr double kStep = 1e-5;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const double z = row[i];
      row[i] = z + kStep;
      const double up = lse();
      row[i] = z - kStep;
      const double down = lse();
      row[i] = z;
      gradient_error = std::max(gradient_error, std::abs((up - down) / (2 * kStep) - p[i]));
    }
  }
  return {{equal("rows outside the bounds", outside, 0, 0),
           at_most("∂LSE/∂z against softmax, largest difference", gradient_error, 1e-8)}};
}

/// Loss and norm of its gradient where a wrong class leads by each margin.
struct Curve {
  std::vector<double> loss;
  std::vector<double> gradient;
};

template <class Loss>
Curve against_margin(const Loss& loss, const std::vector<double>& margins) {
  const Tensor wrong = at::tensor(margins, at::kDouble);
  const Tensor logits = at::stack({at::zeros_like(wrong), wrong}, -1).set_requires_grad(true);
  const Tensor right = at::zeros({wrong.size(0)}, at::kLong);
  const Tensor each = loss(logits, right, losses::Reduction::none);
  each.sum().backward();
  return {to_vector(each), to_vector(logits.grad().select(-1, 1))};
}

Finding losses_of_a_softmax(const TourContext& context) {
  const Random random(context.stream(0));
  const Tensor z = random.normal({20, 6}, at::kDouble).set_requires_grad(true);
  const Tensor y = random.normal({20, 6}, at::kDouble).softmax(-1);
  losses::cross_entropy(z, y, losses::Reduction::sum).backward();
  const Tensor p = z.detach().softmax(-1);
  const double entropy_error = largest_difference(z.grad(), p - y);
  z.mutable_grad().zero_();
  losses::softmax_square(z, y, losses::Reduction::sum).backward();
  const Tensor d = p - y;
  const double square_error = largest_difference(z.grad(), 2 * p * (d - (p * d).sum(-1, true)));

  // The loss of a softmax with exact zeros.
  z.mutable_grad().zero_();
  const Tensor classes = y.argmax(-1);
  losses::entmax15_loss(z, classes, losses::Reduction::sum).backward();
  const Tensor sparse = losses::entmax15(z.detach());
  const double sparse_error =
      largest_difference(z.grad(), sparse - one_hot(classes, 6, sparse.options()));

  // The same loss of a softmax layer whose logits are never there, in single precision.
  const Tensor hidden = random.normal({20, 16}, at::kDouble).set_requires_grad(true);
  const Tensor weight = random.normal({2000, 16}, at::kDouble).set_requires_grad(true);
  const Tensor words = at::arange(0, 2000, 100, at::kLong);
  const Tensor exact = losses::cross_entropy(hidden.matmul(weight.t()), words);
  exact.backward();
  const Tensor narrow_hidden = hidden.detach().to(at::kFloat).set_requires_grad(true);
  const Tensor narrow_weight = weight.detach().to(at::kFloat).set_requires_grad(true);
  const Tensor without_logits = losses::linear_cross_entropy(narrow_hidden, {narrow_weight}, words);
  without_logits.backward();
  const auto relative = [](const Tensor& found, const Tensor& expected) {
    return ((found.to(at::kDouble) - expected).norm() / expected.norm()).item<double>();
  };

  std::vector<double> margins;
  for (int i = -40; i <= 80; ++i) margins.push_back(i / 4.0);
  const Curve entropy = against_margin(losses::cross_entropy, margins);
  const Curve square = against_margin(losses::softmax_square, margins);
  const auto at = [](const Curve& curve, double margin) {
    return curve.loss[static_cast<std::size_t>(4 * margin + 40)];
  };
  const auto plot = [&](const char* label, std::vector<double> a, std::vector<double> b,
                        bool logarithmic) {
    return to_svg(
        {.title = label,
         .x = {.label = "logit of the wrong class over the right one"},
         .y = {.label = label, .logarithmic = logarithmic},
         .series = {{.name = "cross-entropy", .x = margins, .y = std::move(a), .mark = Mark::line},
                    {.name = "square", .x = margins, .y = std::move(b), .mark = Mark::line}}});
  };
  return {{at_most("cross-entropy's gradient against p − y", entropy_error, 1e-14),
           at_most("square loss's against 2 p∘((p−y) − Σ p(p−y))", square_error, 1e-14),
           equal("square loss's gradient at a lead of 20, over 4 e⁻²⁰",
                 square.gradient.back() / (4 * std::exp(-20.0)), 1, 1e-7),
           equal("cross-entropy's gradient there", entropy.gradient.back(), 1, 1e-8),
           at_least("square loss at 4 over its chord from 0 to 8: not convex",
                    at(square, 4) - (at(square, 0) + at(square, 8)) / 2, 0.1),
           at_most("without the logits, in single precision: relative error of the loss",
                   relative(without_logits.detach(), exact.detach()), 1e-6),
           at_most("of its gradient by hidden states",
                   relative(narrow_hidden.grad(), hidden.grad()), 1e-5),
           at_most("and by weights", relative(narrow_weight.grad(), weight.grad()), 1e-5),
           at_most("1.5-entmax: its loss's gradient against p − y", sparse_error, 1e-14),
           at_least("1.5-entmax: share of probabilities that are exactly 0",
                    (sparse == 0).to(at::kDouble).mean().item<double>(), 0.2)},
          {{plot("loss", entropy.loss, square.loss, false), "The two losses."},
           {plot("gradient", entropy.gradient, square.gradient, true),
            "How hard they pull: at a confident mistake, the square loss does not."}}};
}

/// The same optimum by Newton's method with the Hessian written out: iteratively reweighted least
/// squares.
Tensor logistic_newton(const Tensor& x, const Tensor& y, double ridge) {
  Tensor w = at::zeros({x.size(1)}, x.options());
  for (int i = 0; i < 50; ++i) {
    const Tensor p = x.mv(w).sigmoid();
    const Tensor gradient = x.t().mv(p - y) + ridge * w;
    const Tensor hessian =
        (x * (p * (1 - p)).unsqueeze(1)).t().mm(x) + ridge * at::eye(x.size(1), x.options());
    w = w - at::linalg_solve(hessian, gradient.unsqueeze(1)).squeeze(1);
  }
  return w;
}

Finding regression(const TourContext& context) {
  const Random random(context.stream(0));
  const Tensor x = random.normal({400, 5}, at::kDouble);
  const Tensor truth = at::tensor({1.0, -2.0, 0.5, 0.0, 1.5}, at::kDouble);
  const Tensor y = (random.uniform({400}, at::kDouble) < x.mv(truth).sigmoid()).to(at::kDouble);
  constexpr double kRidge = 1;
  const auto loss_of = [&](const Tensor& weights) {
    return losses::binary_cross_entropy_with_logits(x.mv(weights), y, losses::Reduction::sum) +
           kRidge / 2 * weights.square().sum();
  };
  const Tensor w = at::zeros({5}, at::kDouble).set_requires_grad(true);
  torch::optim::LBFGS solver({w}, torch::optim::LBFGSOptions(1)
                                      .max_iter(200)
                                      .tolerance_grad(1e-12)
                                      .tolerance_change(0)
                                      .line_search_fn("strong_wolfe"));
  solver.step([&] {
    solver.zero_grad();
    Tensor loss = loss_of(w);
    loss.backward();
    return loss;
  });
  const Tensor newton = logistic_newton(x, y, kRidge).set_requires_grad(true);
  loss_of(newton).backward();
  // A softmax over (x·w, 0) is the same model.
  const Tensor logits = at::stack({at::zeros({400}, at::kDouble), x.mv(w.detach())}, -1);
  const Tensor two = losses::cross_entropy(logits, y.to(at::kLong));
  const Tensor one = losses::binary_cross_entropy_with_logits(x.mv(w.detach()), y);
  // L-BFGS compares losses, of 150 and rounded by 3e-14 or two: where the curvature is 10, they do
  // not tell weights that are √(2 · 6e-14 / 10) = 1.1e-7 apart. A ridge without its ½ moves weights
  // by .1.
  return {{at_most("weights by L-BFGS on the loss against Newton's by hand",
                   largest_difference(w.detach(), newton.detach()), 2e-7),
           at_most("gradient of the loss at Newton's weights",
                   newton.grad().abs().max().item<double>(), 1e-11),
           equal("softmax over two classes, loss over logistic loss", (two / one).item<double>(), 1,
                 1e-14)}};
}

Finding divergences(const TourContext& context) {
  double worst = 0;
  for (std::uint64_t r = 0; r < 200; ++r) {
    std::vector<double> a = normal_row(context.stream(2 * r), 8, 2);
    std::vector<double> b = normal_row(context.stream(2 * r + 1), 8, 2);
    a[r % 8] = -kInfinity;
    const std::vector<double> p = softmax_of(a);
    const std::vector<double> q = softmax_of(b);
    double h = 0;
    double kl = 0;
    for (std::size_t i = 0; i < p.size(); ++i) {
      if (p[i] == 0) continue;
      h -= p[i] * std::log(p[i]);
      kl += p[i] * std::log(p[i] / q[i]);
    }
    const Rows of_a = row_of(a);
    const Rows of_b = row_of(b);
    worst = std::max({worst, std::abs(entropy(of_a).front() - h),
                      std::abs(kl_divergence(of_a, of_b).front() - kl),
                      std::abs(cross_entropy(of_a, of_b).front() - h - kl)});
  }
  const std::array uniform = {0.3, 0.3, 0.3, 0.3};
  const std::array impossible = {0.0, -kInfinity, 0.0, 0.0};
  return {
      {at_most("H, KL and cross-entropy against their sums, one category impossible", worst, 1e-13),
       equal("entropy of four equal logits, over log 4",
             entropy(row_of(uniform)).front() / std::log(4.0), 1, 1e-15),
       equal("KL to where the possible is impossible is infinite",
             std::isinf(kl_divergence(row_of(uniform), row_of(impossible)).front()), 1, 0)}};
}

constexpr Claim kSoftmaxClaims[] = {
    {"A1",
     "Subtracting the largest logit makes softmax stable at any size and magnitude, and it is "
     "invariant to shifts.",
     stable},
    {"A2", "The arg max of the probabilities is that of the logits: no exponential is needed.",
     argmax_needs_no_exp},
    {"A3",
     "With two classes softmax is the sigmoid, and the logit is its inverse; every form of them is "
     "accurate over all of double.",
     two_classes},
    {"A4",
     "Log-sum-exp lies between the maximum and the maximum plus log n, and its gradient is the "
     "softmax.",
     log_sum_exp_bounds},
    {"A5",
     "Cross-entropy is what a softmax is trained with: a square loss is not convex, and its "
     "gradient vanishes at confident mistakes.",
     losses_of_a_softmax},
    {"A6",
     "Logistic regression is fitted by these losses; the optimum is that of an independent solver.",
     regression},
    {"A7",
     "Entropy, cross-entropy and KL divergence come from logits, and an impossible category adds "
     "nothing.",
     divergences},
};

}  // namespace

Chapter softmax_chapter() { return {"softmax", "A. Softmax", kSoftmaxClaims}; }

}  // namespace partita::app
