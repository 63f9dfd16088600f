// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/adaptive_softmax.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::losses {
namespace {

constexpr std::int64_t kDivisor = 4;  // divides the dimensions from one tail to the next

/// The number of outputs in the head itself.
std::int64_t shortlist(const OutputLayer& output) {
  return output.weight.size(0) - static_cast<std::int64_t>(output.tails.size());
}

Tensor tail_scores(const Tensor& hidden, const Tail& tail) {
  return at::linear(at::linear(hidden, tail.projection), tail.weight);
}

/// log softmax(scores)[target] of each row.
Tensor log_likelihood(const Tensor& scores, const Tensor& target) {
  return -at::cross_entropy_loss(scores, target, {}, at::Reduction::None);
}

}  // namespace

std::vector<std::int64_t> default_cutoffs(std::int64_t outputs) {
  check_at_least("outputs", outputs, 2);
  const std::int64_t first = std::max<std::int64_t>(1, outputs / 20);
  const std::int64_t second = std::max(first + 1, outputs / 5);
  return second < outputs ? std::vector{first, second} : std::vector{first};
}

OutputLayer adaptive_layer(std::int64_t outputs, std::int64_t dim,
                           std::span<const std::int64_t> cutoffs, const Random& random) {
  const auto falls = std::adjacent_find(cutoffs.begin(), cutoffs.end(),
                                        [](std::int64_t a, std::int64_t b) { return a >= b; });
  if (cutoffs.empty() || cutoffs.front() < 1 || cutoffs.back() >= outputs ||
      falls != cutoffs.end()) {
    throw InvalidArgument(
        "cutoffs",
        fmt::format("expected ascending numbers of 1..{}, got {}", outputs - 1,
                    cutoffs.empty() ? "none" : fmt::format("{}", fmt::join(cutoffs, ", "))));
  }
  const auto uniform = [&](std::int64_t out, std::int64_t in) {
    const double bound = 1 / std::sqrt(static_cast<double>(in));
    return random.uniform({out, in}, at::kFloat).mul_(2).sub_(1).mul_(bound);
  };
  const std::int64_t head = cutoffs.front() + static_cast<std::int64_t>(cutoffs.size());
  OutputLayer output{uniform(head, dim), at::zeros({head})};
  std::int64_t width = dim;
  for (std::size_t i = 0; i < cutoffs.size(); ++i) {
    const std::int64_t end = i + 1 < cutoffs.size() ? cutoffs[i + 1] : outputs;
    width = std::max<std::int64_t>(1, width / kDivisor);
    output.tails.push_back({uniform(width, dim), uniform(end - cutoffs[i], width)});
  }
  return output;
}

Tensor adaptive_log_likelihood(const OutputBatch& batch, const OutputLayer& output) {
  const auto& [hidden, targets, contexts] = batch;
  const std::int64_t frequent = shortlist(output);
  Tensor in_head = targets;
  std::vector<Tensor> rows;  // for each tail
  std::vector<Tensor> log_p;
  std::int64_t first = frequent;
  for (std::size_t i = 0; i < output.tails.size(); ++i) {
    const Tail& tail = output.tails[i];
    const std::int64_t end = first + tail.weight.size(0);
    const Tensor inside = (targets >= first).logical_and(targets < end);
    in_head = in_head.masked_fill(inside, frequent + static_cast<std::int64_t>(i));
    const Tensor index = inside.nonzero().squeeze(1);
    if (index.numel() > 0) {
      rows.push_back(index);
      log_p.push_back(log_likelihood(tail_scores(hidden.index_select(0, index), tail),
                                     targets.index_select(0, index) - first));
    }
    first = end;
  }
  const Tensor head = log_likelihood(at::linear(hidden, output.weight, output.bias), in_head);
  return rows.empty() ? head : head.index_add(0, at::cat(rows), at::cat(log_p));
}

Tensor adaptive_log_probs(const Tensor& hidden, const OutputLayer& output) {
  const std::int64_t frequent = shortlist(output);
  const Tensor head = at::linear(hidden, output.weight, output.bias).log_softmax(-1);
  std::vector<Tensor> parts{head.narrow(-1, 0, frequent)};
  for (std::size_t i = 0; i < output.tails.size(); ++i) {
    const Tensor of_tail = head.narrow(-1, frequent + static_cast<std::int64_t>(i), 1);
    parts.push_back(tail_scores(hidden, output.tails[i]).log_softmax(-1) + of_tail);
  }
  return at::cat(parts, -1);
}

Tensor AdaptiveSoftmaxLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                                   const Random& /*random*/) const {
  return -adaptive_log_likelihood(batch, output);
}

}  // namespace partita::losses
