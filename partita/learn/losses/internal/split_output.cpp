// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/internal/split_output.hpp"

#include <ATen/ATen.h>
#include <torch/csrc/autograd/custom_function.h>

#include <limits>

#include "partita/learn/internal/all_reduce.hpp"

namespace partita::losses {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::variable_list;

/// Addresses of what outlives the graph: autograd saves numbers.
std::int64_t address_of(const void* object) { return reinterpret_cast<std::int64_t>(object); }
template <class T>
T& at_address(std::int64_t address) {
  return *reinterpret_cast<T*>(address);  // NOLINT(performance-no-int-to-ptr)
}

struct Divided : Function<Divided> {
  static Tensor forward(AutogradContext* ctx, const Tensor& x, std::int64_t group) {
    ctx->saved_data["group"] = group;
    return x.view_as(x);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    auto& group = at_address<Group>(ctx->saved_data["group"].toInt());
    return {over_ranks(gradients[0], partita::Reduction::sum, group), Tensor()};
  }
};

/// The sum over the ranks, from which each goes on alike: every rank's part has its gradient.
struct Joined : Function<Joined> {
  static Tensor forward(AutogradContext* /*ctx*/, const Tensor& own, std::int64_t group) {
    return over_ranks(own, partita::Reduction::sum, at_address<Group>(group));
  }
  static variable_list backward(AutogradContext* /*ctx*/, const variable_list& gradients) {
    return {gradients[0], Tensor()};
  }
};

Tensor joined(const Tensor& own, Group& group) { return Joined::apply(own, address_of(&group)); }

/// Which of some indices the rank holds, and their places in its own columns.
struct Own {
  Tensor where;   ///< [n], into the given ones
  Tensor column;  ///< [n]

  Own(const Tensor& index, const SplitColumns& columns) {
    const auto first = static_cast<std::int64_t>(columns.first());
    const auto last = static_cast<std::int64_t>(columns.last());
    where = (index >= first).logical_and(index < last).nonzero().squeeze(1);
    column = index.index_select(0, where) - first;
  }
};

struct SplitCrossEntropy : Function<SplitCrossEntropy> {
  static Tensor forward(AutogradContext* ctx, const Tensor& scores, const Tensor& targets,
                        std::int64_t address) {
    const auto& columns = at_address<const SplitColumns>(address);
    Group& group = columns.group();
    const Tensor none = scores.new_full({scores.size(0)}, -std::numeric_limits<double>::infinity());
    const Tensor most =
        over_ranks(scores.size(1) > 0 ? scores.amax(-1) : none, partita::Reduction::max, group);
    Tensor p = (scores - most.unsqueeze(1)).exp_();
    const Own own(targets, columns);
    // In one message: each row's sum of exponentials, and the target's score less the maximum.
    const Tensor sums = at::zeros({2, scores.size(0)}, scores.options());
    sums[0].copy_(p.sum(-1));
    sums[1].index_copy_(
        0, own.where,
        scores.index_select(0, own.where).gather(1, own.column.unsqueeze(1)).squeeze(1) -
            most.index_select(0, own.where));
    const Tensor all = over_ranks(sums, partita::Reduction::sum, group);
    p.div_(all[0].unsqueeze(1));
    ctx->save_for_backward({p, own.where, own.column});
    return all[0].log() - all[1];
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    Tensor by_scores = saved[0] * gradients[0].unsqueeze(1);
    by_scores.index_put_({saved[1], saved[2]}, -gradients[0].index_select(0, saved[1]),
                         /*accumulate=*/true);
    return {by_scores, Tensor(), Tensor()};
  }
};

/// The own ones of the scores of (row, output) pairs, in their places among as many zeros.
class OwnScores {
 public:
  OwnScores(const OutputBatch& batch, const OutputLayer& output)
      : hidden_(divided(batch.hidden, output.columns->group())), output_(output) {}

  /// hidden[row] . weight[index] + bias[index], row = place / per_row. @param index [rows *
  /// per_row]
  Tensor of_pairs(const Tensor& index, std::int64_t per_row) const {
    const Own own(index, *output_.columns);
    const Tensor rows = hidden_.index_select(0, at::div(own.where, per_row, "floor"));
    const Tensor scores = (rows * sparse_rows(output_.weight, own.column)).sum(-1);
    return zeros({index.size(0)}).index_copy(0, own.where, with_bias(scores, own));
  }
  /// The same of every row with each of the indices, [rows, indices].
  Tensor of_all(const Tensor& index) const {
    const Own own(index, *output_.columns);
    const Tensor scores = hidden_.mm(sparse_rows(output_.weight, own.column).t());
    return zeros({hidden_.size(0), index.size(0)}).index_copy(1, own.where, with_bias(scores, own));
  }

 private:
  Tensor zeros(IntArrayRef shape) const {
    return at::zeros(shape, hidden_.options().requires_grad(false));
  }
  Tensor with_bias(const Tensor& scores, const Own& own) const {
    return output_.bias.defined() ? scores + sparse_rows(output_.bias, own.column) : scores;
  }

  Tensor hidden_;
  const OutputLayer& output_;
};

}  // namespace

Tensor over_ranks(const Tensor& own, partita::Reduction reduction, Group& group) {
  const bool is_double = own.scalar_type() == at::kDouble;
  const Tensor all = own.detach()
                         .to(at::kCPU, is_double ? at::kDouble : at::kFloat, false, /*copy=*/true)
                         .contiguous();
  all_reduce(all, reduction, group);
  return all.to(own.options());
}

Tensor split_cross_entropy(const Tensor& scores, const Tensor& targets,
                           const SplitColumns& columns) {
  return SplitCrossEntropy::apply(scores, targets, address_of(&columns));
}

Tensor divided(const Tensor& x, Group& group) { return Divided::apply(x, address_of(&group)); }

SampledScores split_sampled_scores(const OutputBatch& batch, const OutputLayer& output,
                                   const Tensor& noise) {
  const OwnScores own(batch, output);
  const Tensor targets = batch.targets.unsqueeze(1);
  const bool is_shared = noise.dim() == 1;
  const std::int64_t k = noise.size(-1);
  const Tensor scores =
      is_shared ? at::cat({own.of_pairs(batch.targets, 1).unsqueeze(1), own.of_all(noise)}, 1)
                : own.of_pairs(at::cat({targets, noise}, 1).flatten(), 1 + k).view({-1, 1 + k});
  const Tensor all = joined(scores, output.columns->group());
  return {all.select(1, 0), all.narrow(1, 1, k)};
}

Tensor split_target_scores(const OutputBatch& batch, const OutputLayer& output) {
  return joined(OwnScores(batch, output).of_pairs(batch.targets, 1), output.columns->group());
}

}  // namespace partita::losses
