// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/sparsemax.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <span>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/losses/internal/checks.hpp"

namespace partita::losses {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

constexpr std::int64_t kIgnored = -100;  // torch's, and linear_cross_entropy's

/// k in p_j = max(z_j / k - tau, 0)^k.
enum Power : std::int64_t { kSparsemax = 1, kEntmax15 = 2 };

/// tau, with x_j = z_j / k: it follows from the mean and the spread of the x of the support, which
/// are the largest (Martins and Astudillo 2016, algorithm 1; Peters et al. 2019, algorithm 2).
/// @param x those within 1 of the largest, in falling order
double threshold(std::span<const double> x, Power power) {
  double tau = 0;
  double mean = 0;
  double squares = 0;  // of the distances from the mean
  double count = 0;
  for (const double each : x) {
    count += 1;
    const double distance = each - mean;
    const double next_mean = mean + distance / count;
    const double next_squares = squares + distance * (each - next_mean);
    if (power == kEntmax15 && next_squares > 1) break;
    const double next = power == kSparsemax ? next_mean - 1 / count
                                            : next_mean - std::sqrt((1 - next_squares) / count);
    if (next >= each) break;
    tau = next;
    mean = next_mean;
    squares = next_squares;
  }
  return tau;
}

void probabilities_of_row(std::span<const double> z, std::span<double> p, Power power,
                          std::vector<double>& candidates) {
  const double largest = *std::max_element(z.begin(), z.end());
  // x, as far as it lies below the largest, whose x is then 0
  const auto distance = [&](double logit) {
    return (logit - largest) / static_cast<double>(power);
  };
  candidates.clear();
  for (const double logit : z) {
    if (const double x = distance(logit); x > -1) candidates.push_back(x);
  }
  std::sort(candidates.begin(), candidates.end(), std::greater<>());
  const double tau = threshold(candidates, power);
  for (std::size_t j = 0; j < z.size(); ++j) {
    const double root = std::max(distance(z[j]) - tau, 0.0);
    p[j] = power == kSparsemax ? root : root * root;
  }
}

struct Probabilities : Function<Probabilities> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, std::int64_t power) {
    const Tensor z = logits.detach().to(at::kCPU, at::kDouble).contiguous();
    const Tensor p = at::empty_like(z);
    const auto columns = static_cast<std::size_t>(z.size(-1));
    const auto* from = z.data_ptr<double>();
    auto* to = p.data_ptr<double>();
    constexpr std::int64_t kThreadLogits = 1 << 14;  // worth a thread
    const std::int64_t rows = z.numel() / z.size(-1);
    at::parallel_for(0, rows, std::max<std::int64_t>(1, kThreadLogits / z.size(-1)),
                     [&](std::int64_t begin, std::int64_t end) {
                       std::vector<double> candidates;
                       for (std::int64_t r = begin; r < end; ++r) {
                         const auto start = static_cast<std::size_t>(r) * columns;
                         probabilities_of_row({from + start, columns}, {to + start, columns},
                                              static_cast<Power>(power), candidates);
                       }
                     });
    const Tensor result = p.to(logits.device(), logits.scalar_type());
    context->save_for_backward({result});
    context->saved_data["power"] = power;
    return result;
  }

  /// The Jacobian is diag(w) - w w^T / sum(w), with w = p^(1 - 1/k). What flows in for a class of
  /// probability 0, even infinite (from a logarithm), goes nowhere. All of it is differentiable.
  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const Tensor p = context->get_saved_variables()[0];
    const Tensor in = p > 0;
    const Tensor v = gradients[0].masked_fill(in.logical_not(), 0);
    const Tensor w = context->saved_data["power"].toInt() == kSparsemax
                         ? in.to(p.scalar_type())
                         : p.masked_fill(in.logical_not(), 1).sqrt() * in;
    return {w * (v - (w * v).sum(-1, true) / w.sum(-1, true)), Tensor()};
  }
};

/// With x = z / k, r = p^(1/k) and h = max(tau - x_y, 0), the loss max_p(<p, z> + H(p)) - z_y is
/// k = 1: sum_{j != y} p_j^2 / 2 + (1 - p_y)^2 / 2 + h
/// k = 2: 2/3 (sum_{j != y} r_j^3 + (1 - r_y)^2 (2 + r_y)) + 2 h
/// where no term is negative, so that none cancels; and 1 - p_y is the sum of the others.
Tensor loss_of_rows(const Tensor& z, const Tensor& p, const Tensor& column, Power power) {
  const Tensor others = p.scatter(-1, column, 0);
  const Tensor rest = others.sum(-1, /*keepdim=*/true);
  const Tensor largest = z.amax(-1, /*keepdim=*/true);
  const Tensor largest_p = p.amax(-1, /*keepdim=*/true);
  const Tensor below = (largest - z.gather(-1, column)) / static_cast<double>(power);
  Tensor loss;
  if (power == kSparsemax) {
    loss = (others.square().sum(-1, true) + rest.square()) / 2 + (below - largest_p).clamp_min(0);
  } else {
    const Tensor r_y = p.gather(-1, column).sqrt();
    const Tensor short_of_1 = rest / (1 + r_y);  // 1 - r_y
    loss = (others.pow(1.5).sum(-1, true) + short_of_1.square() * (2 + r_y)) * (2. / 3) +
           2 * (below - largest_p.sqrt()).clamp_min(0);
  }
  return loss.squeeze(-1);
}

/// The loss by its logits alone; p, which comes with its own graph, takes part in the gradient and
/// so in second derivatives.
struct Loss : Function<Loss> {
  static Tensor forward(AutogradContext* context, const Tensor& logits, const Tensor& p,
                        const Tensor& column, std::int64_t power) {
    context->save_for_backward({p, column});
    return loss_of_rows(logits, p, column, static_cast<Power>(power));
  }

  static variable_list backward(AutogradContext* context, const variable_list& gradients) {
    const variable_list saved = context->get_saved_variables();
    const Tensor& p = saved[0];
    const Tensor& column = saved[1];
    const Tensor one_hot = at::zeros_like(p).scatter_(-1, column, 1);
    return {gradients[0].unsqueeze(-1) * (p - one_hot), Tensor(), Tensor(), Tensor()};
  }
};

Tensor probabilities(const Tensor& logits, Power power) {
  check_logits(logits);
  return Probabilities::apply(logits, static_cast<std::int64_t>(power));
}

Tensor loss(const Tensor& logits, const Tensor& target, Reduction reduction, Power power) {
  const Tensor p = probabilities(logits, power);
  if (!at::isIntegralType(target.scalar_type(), /*includeBool=*/false)) {
    throw InvalidArgument("target", fmt::format("expected classes as integers, got {}",
                                                at::toString(target.scalar_type())));
  }
  const Tensor kept = target != kIgnored;
  const Tensor classes = target.masked_fill(kept.logical_not(), 0);
  check_target(logits, classes);
  const Tensor each =
      Loss::apply(logits, p, classes.to(at::kLong).unsqueeze(-1), static_cast<std::int64_t>(power))
          .masked_fill(kept.logical_not(), 0);
  return reduction == Reduction::mean ? each.sum() / kept.sum() : reduce(each, reduction);
}

}  // namespace

Tensor sparsemax(const Tensor& logits) { return probabilities(logits, kSparsemax); }

Tensor entmax15(const Tensor& logits) { return probabilities(logits, kEntmax15); }

Tensor sparsemax_loss(const Tensor& logits, const Tensor& target, Reduction reduction) {
  return loss(logits, target, reduction, kSparsemax);
}

Tensor entmax15_loss(const Tensor& logits, const Tensor& target, Reduction reduction) {
  return loss(logits, target, reduction, kEntmax15);
}

}  // namespace partita::losses
