// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/output_loss.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"
#include "partita/learn/losses/hierarchical_softmax.hpp"
#include "partita/learn/losses/internal/sampled_scores.hpp"
#include "partita/learn/losses/internal/split_output.hpp"
#include "partita/learn/losses/linear_softmax.hpp"

namespace partita::losses {

namespace {

/// With int64 in place of other integers.
OutputBatch indexed(OutputBatch batch) {
  for (Tensor* index : {&batch.targets, &batch.contexts}) {
    if (index->defined() && at::isIntegralType(index->scalar_type(), /*includeBool=*/false)) {
      *index = index->to(at::kLong);
    }
  }
  return batch;
}

void check_tails(const OutputLayer& output) {
  const auto tails = static_cast<std::int64_t>(output.tails.size());
  if (tails > 0 && output.weight.size(0) <= tails) {
    throw InvalidArgument("weight", fmt::format("expected a row for some output and for each of {} "
                                                "tails, got {}",
                                                tails, to_string(output.weight.sizes())));
  }
  for (std::size_t i = 0; i < output.tails.size(); ++i) {
    const auto& [projection, weight] = output.tails[i];
    if (projection.dim() == 2 && projection.size(1) == output.weight.size(1) && weight.dim() == 2 &&
        weight.size(0) > 0 && weight.size(1) == projection.size(0)) {
      continue;
    }
    throw InvalidArgument(
        "tails", fmt::format("{}: expected projection [h, {}] and weight [n, h], got {} and {}", i,
                             output.weight.size(1), to_string(projection.sizes()),
                             to_string(weight.sizes())));
  }
}

Form form_of(const OutputLayer& output) {
  if (output.tree != nullptr) return Form::tree;
  return output.tails.empty() ? Form::softmax : Form::tails;
}

/// @throws InvalidArgument naming what the layer has, or lacks
void check_form(const OutputLayer& output, Form needed) {
  if (form_of(output) == needed) return;
  const char* found = "has tails, which need AdaptiveSoftmaxLoss";
  if (form_of(output) == Form::tree) found = "has a tree, which needs HierarchicalSoftmaxLoss";
  if (needed == Form::tails) found = "has no tails, which this loss needs";
  if (needed == Form::tree) found = "has no tree, which this loss needs";
  throw InvalidArgument("output", found);
}

void check_tree(const OutputLayer& output) {
  if (output.tree == nullptr) return;
  check_size("weight", output.weight.size(0), output.tree->outputs() - 1,
             "rows, one for each inner node of the tree");
  if (!output.tails.empty()) throw InvalidArgument("tails", "expected none beside a tree");
  if (output.columns != nullptr) throw InvalidArgument("columns", "expected none beside a tree");
}

void check_layer(const OutputLayer& output) {
  const Tensor& weight = output.weight;
  const Tensor& bias = output.bias;
  if (weight.dim() != 2 || (weight.size(0) == 0 && output.columns == nullptr) ||
      !weight.is_floating_point()) {
    throw InvalidArgument(
        "weight", fmt::format("expected floating-point [V, d], got {} {}",
                              at::toString(weight.scalar_type()), to_string(weight.sizes())));
  }
  if (bias.defined() &&
      (bias.sizes() != weight.sizes().slice(0, 1) || bias.scalar_type() != weight.scalar_type())) {
    throw InvalidArgument(
        "bias", fmt::format("expected {} [{}], a number for each row of weight, got {} {}",
                            at::toString(weight.scalar_type()), weight.size(0),
                            at::toString(bias.scalar_type()), to_string(bias.sizes())));
  }
  check_tails(output);
  check_tree(output);
  if (output.columns == nullptr) return;
  check_size("weight", weight.size(0), output.columns->size(), "rows, this rank's columns");
  if (!output.tails.empty()) throw InvalidArgument("tails", "expected none of a split layer");
}

void check(const OutputBatch& batch, const OutputLayer& output) {
  check_layer(output);
  const Tensor& hidden = batch.hidden;
  const Tensor& weight = output.weight;
  if (hidden.dim() != 2 || hidden.size(0) == 0 || hidden.size(1) != weight.size(1) ||
      hidden.scalar_type() != weight.scalar_type()) {
    throw InvalidArgument(
        "hidden", fmt::format("expected {} [B, {}], as weight has it, got {} {}",
                              at::toString(weight.scalar_type()), weight.size(1),
                              at::toString(hidden.scalar_type()), to_string(hidden.sizes())));
  }
  check_indices("targets", batch.targets, hidden.size(0), output.outputs());
}

void check_losses(const Tensor& losses) {
  const Tensor bad = losses.detach().isnan();
  if (!bad.any().item<bool>()) return;
  throw InvalidArgument("hidden", fmt::format("row {}: with this output layer its loss is NaN",
                                              bad.nonzero()[0].item<std::int64_t>()));
}

Tensor scores(const Tensor& hidden, const Tensor& weight, const Tensor& bias) {
  return bias.defined() ? at::addmm(bias, hidden, weight.t()) : hidden.mm(weight.t());
}

/// log Z of rows as the largest score and the logarithm of what is added to it, [B] each: their sum
/// would take the digits of a target's score less log Z.
struct LogPartition {
  Tensor most;
  Tensor log_sum;
};

/// Of each row of `hidden`: blocks of outputs, with a running maximum.
LogPartition log_partition(const Tensor& hidden, const OutputLayer& output) {
  constexpr std::int64_t kScoresAtOnce = 1 << 22;
  constexpr double kNone = -std::numeric_limits<double>::infinity();
  const std::int64_t outputs = output.weight.size(0);
  const std::int64_t step = std::max<std::int64_t>(1, kScoresAtOnce / hidden.size(0));
  const Tensor nothing = at::full({hidden.size(0)}, kNone, hidden.options());
  LogPartition log_z{nothing, nothing};
  for (std::int64_t first = 0; first < outputs; first += step) {
    const std::int64_t count = std::min(step, outputs - first);
    const Tensor bias = output.bias.defined() ? output.bias.narrow(0, first, count) : Tensor();
    const Tensor block = scores(hidden, output.weight.narrow(0, first, count), bias);
    const Tensor most = at::maximum(log_z.most, block.amax(-1));
    const Tensor base = most.masked_fill(most == kNone, 0);
    const Tensor before =
        at::where(log_z.most == kNone, nothing, log_z.most - base + log_z.log_sum);
    log_z = {most, at::logaddexp(before, (block - base.unsqueeze(-1)).logsumexp(-1))};
  }
  return log_z;
}

}  // namespace

std::int64_t OutputLayer::outputs() const {
  if (tree != nullptr) return tree->outputs();
  if (columns != nullptr) return static_cast<std::int64_t>(columns->columns());
  std::int64_t count = weight.size(0) - static_cast<std::int64_t>(tails.size());
  for (const Tail& tail : tails) count += tail.weight.size(0);
  return count;
}

Tensor OutputLoss::operator()(const OutputBatch& given, const OutputLayer& output,
                              const Random& random, Reduction reduction) const {
  const OutputBatch batch = indexed(given);
  check_form(output, form());
  check(batch, output);
  const Tensor each = losses(batch, output, random);
  check_losses(each);
  return reduction == Reduction::none  ? each
         : reduction == Reduction::sum ? each.sum()
                                       : each.mean();
}

Tensor FullSoftmaxLoss::losses(const OutputBatch& batch, const OutputLayer& output,
                               const Random& /*random*/) const {
  if (output.columns != nullptr) {
    const Tensor hidden = divided(batch.hidden, output.columns->group());
    return split_cross_entropy(scores(hidden, output.weight, output.bias), batch.targets,
                               *output.columns);
  }
  if (batch.hidden.device().is_cpu() && batch.hidden.scalar_type() != at::kDouble) {
    return -linear_softmax(batch.hidden, output, batch.targets).log_prob;
  }
  return at::cross_entropy_loss(scores(batch.hidden, output.weight, output.bias), batch.targets, {},
                                at::Reduction::None);
}

double TargetLikelihood::mean_log_likelihood() const {
  return log_likelihood.mean(at::kDouble).item<double>();
}

double TargetLikelihood::perplexity() const { return std::exp(-mean_log_likelihood()); }

double TargetLikelihood::mean_log_z() const { return log_z.mean(at::kDouble).item<double>(); }

double TargetLikelihood::log_z_deviation() const {
  return log_z.numel() < 2 ? 0 : log_z.to(at::kDouble).std().item<double>();
}

TargetLikelihood evaluate(const OutputBatch& given, const OutputLayer& output) {
  const OutputBatch batch = indexed(given);
  check(batch, output);
  const at::NoGradGuard no_grad;
  constexpr std::int64_t kRowsAtOnce = 1024;
  TargetLikelihood out;
  if (form_of(output) != Form::softmax) {
    out.log_likelihood = output.tree != nullptr ? hierarchical_log_likelihood(batch, output)
                                                : adaptive_log_likelihood(batch, output);
    out.log_z = at::zeros_like(out.log_likelihood);
    check_losses(out.log_likelihood);
    return out;
  }
  std::vector<Tensor> most;
  std::vector<Tensor> log_sum;
  for (const Tensor& rows : batch.hidden.split(kRowsAtOnce)) {
    const LogPartition log_z = log_partition(rows, output);
    most.push_back(log_z.most);
    log_sum.push_back(log_z.log_sum);
  }
  LogPartition all{at::cat(most), at::cat(log_sum)};
  Tensor target;
  if (output.columns != nullptr) {
    Group& group = output.columns->group();
    const Tensor largest = over_ranks(all.most, partita::Reduction::max, group);
    const Tensor own = (all.most - largest + all.log_sum).exp();
    all = {largest, over_ranks(own, partita::Reduction::sum, group).log()};
    target = split_target_scores(batch, output);
  } else {
    target = (batch.hidden * output.weight.index_select(0, batch.targets)).sum(-1);
    if (output.bias.defined()) target = target + output.bias.index_select(0, batch.targets);
  }
  out.log_z = all.most + all.log_sum;
  out.log_likelihood = (target - all.most) - all.log_sum;
  check_losses(out.log_likelihood);
  return out;
}

Tensor logits(const Tensor& hidden, const OutputLayer& output) {
  if (output.tree != nullptr) return hierarchical_log_probs(hidden, output);
  return output.tails.empty() ? at::linear(hidden, output.weight, output.bias)
                              : adaptive_log_probs(hidden, output);
}

void logits_out(Tensor& out, const Tensor& hidden, const OutputLayer& output) {
  if (form_of(output) == Form::softmax && output.bias.defined()) {
    at::addmm_out(out, output.bias, hidden, output.weight.t());
  } else {
    out.copy_(logits(hidden, output));
  }
}

}  // namespace partita::losses
