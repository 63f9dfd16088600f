// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/internal/sampled_scores.hpp"

#include <ATen/ATen.h>
#include <ATen/Dispatch.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <array>
#include <cstddef>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/internal/split_output.hpp"

namespace partita::losses {

namespace {

using torch::autograd::AutogradContext;
using torch::autograd::Function;
using torch::autograd::Variable;
using torch::autograd::variable_list;

constexpr std::int64_t kGrain = 1 << 15;  // multiplications worth a thread

std::int64_t grain(std::int64_t work_of_each) {
  return std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, work_of_each));
}

/// A sparse tensor of `sizes` with values[i] at index[i]; equal indices add up.
Tensor sparse(const Tensor& index, const Tensor& values, IntArrayRef sizes) {
  return at::_sparse_coo_tensor_unsafe(index.unsqueeze(0), values, sizes, values.options());
}

/// The same as a dense tensor that can be differentiated again.
Tensor dense(const Tensor& index, const Tensor& values, IntArrayRef sizes) {
  return at::zeros(sizes, values.options()).index_add(0, index, values);
}

struct SparseRows : Function<SparseRows> {
  static Tensor forward(AutogradContext* ctx, const Tensor& table, const Tensor& index) {
    ctx->save_for_backward({index});
    ctx->saved_data["sizes"] = table.sizes();
    return table.index_select(0, index);
  }
  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const Tensor index = ctx->get_saved_variables()[0];
    const Shape sizes = ctx->saved_data["sizes"].toIntVector();
    return {(at::GradMode::is_enabled() ? dense : sparse)(index, gradients[0], sizes), Tensor()};
  }
};

/// A sum in an order that does not depend on the width of vectors, and that compilers vectorize.
template <class T>
T dot(const T* a, const T* b, std::int64_t n) {
  constexpr std::int64_t kLanes = 16;
  std::array<T, kLanes> sums{};
  std::int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    for (std::int64_t lane = 0; lane < kLanes; ++lane) {
      sums[static_cast<std::size_t>(lane)] += a[i + lane] * b[i + lane];
    }
  }
  T tail = 0;
  for (; i < n; ++i) tail += a[i] * b[i];
  for (std::size_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::size_t lane = 0; lane < half; ++lane) sums[lane] += sums[lane + half];
  }
  return sums[0] + tail;
}

template <class T>
void add_scaled(T* to, T factor, const T* from, std::int64_t n) {
  for (std::int64_t i = 0; i < n; ++i) to[i] += factor * from[i];
}

/// Prefetches a row: noise lies all over a table that no cache holds.
template <class T>
void prefetch(const T* row, std::int64_t n) {
  constexpr std::int64_t kLine = 64 / sizeof(T);
  for (std::int64_t i = 0; i < n; i += kLine) __builtin_prefetch(row + i);
}
constexpr std::int64_t kAhead = 4;  // rows

/// Places 0 ... n - 1 in the order of their index, equal ones in their own order: radix sort, 11
/// bits a pass.
class Places {
 public:
  Places(const std::int64_t* index, std::int64_t n, std::int64_t range)
      : index_(index), order_(static_cast<std::size_t>(n)) {
    constexpr unsigned kBits = 11;
    for (std::size_t i = 0; i < order_.size(); ++i) order_[i] = static_cast<std::int64_t>(i);
    std::vector<std::int64_t> next(order_.size());
    for (unsigned shift = 0; (range - 1) >> shift > 0; shift += kBits) {
      const auto digit = [&](std::int64_t place) {
        return static_cast<std::size_t>(index[place] >> shift) & ((1U << kBits) - 1);
      };
      std::array<std::size_t, (1U << kBits) + 1> begin{};
      for (const std::int64_t place : order_) ++begin[digit(place) + 1];
      for (std::size_t i = 1; i < begin.size(); ++i) begin[i] += begin[i - 1];
      for (const std::int64_t place : order_) next[begin[digit(place)]++] = place;
      order_.swap(next);
    }
    for (std::size_t i = 0; i < order_.size(); ++i) {
      if (i == 0 || index[order_[i]] != index[order_[i - 1]]) first_.push_back(i);
    }
  }

  /// How many different indices there are.
  std::int64_t groups() const { return static_cast<std::int64_t>(first_.size()); }
  std::int64_t index_of(std::int64_t group) const {
    return index_[order_[first_[static_cast<std::size_t>(group)]]];
  }
  /// Calls body(place) for each place of a group.
  template <class Body>
  void for_each(std::int64_t group, const Body& body) const {
    const auto g = static_cast<std::size_t>(group);
    const std::size_t end = g + 1 < first_.size() ? first_[g + 1] : order_.size();
    for (std::size_t i = first_[g]; i < end; ++i) body(order_[i]);
  }

 private:
  const std::int64_t* index_;
  std::vector<std::int64_t> order_;
  std::vector<std::size_t> first_;
};

/// scores[b, j] = hidden[b] . weight[index[b, j]] + bias[index[b, j]], with no copy of the rows of
/// weight. Each sum has one order, whatever the number of threads. An empty bias stands for
/// none: custom functions take no undefined tensors.
struct IndexedScores : Function<IndexedScores> {
  static Tensor forward(AutogradContext* ctx, const Tensor& hidden, const Tensor& weight,
                        const Tensor& bias, const Tensor& index) {
    ctx->save_for_backward({hidden, weight, index});
    ctx->saved_data["has_bias"] = bias.numel() > 0;
    const std::int64_t m = index.size(1);
    const std::int64_t d = weight.size(1);
    Tensor scores = at::empty(index.sizes(), hidden.options());
    AT_DISPATCH_FLOATING_TYPES(hidden.scalar_type(), "IndexedScores", [&] {
      const auto* h = hidden.data_ptr<scalar_t>();
      const auto* w = weight.data_ptr<scalar_t>();
      const auto* extra = bias.numel() > 0 ? bias.data_ptr<scalar_t>() : nullptr;
      const auto* at_index = index.data_ptr<std::int64_t>();
      auto* out = scores.data_ptr<scalar_t>();
      at::parallel_for(0, index.size(0), grain(m * d), [&](std::int64_t begin, std::int64_t end) {
        for (std::int64_t b = begin; b < end; ++b) {
          for (std::int64_t j = b * m; j < (b + 1) * m; ++j) {
            if (j + kAhead < end * m) prefetch(w + at_index[j + kAhead] * d, d);
            out[j] = dot(h + b * d, w + at_index[j] * d, d);
            if (extra != nullptr) out[j] += extra[at_index[j]];
          }
        }
      });
    });
    return scores;
  }

  static variable_list backward(AutogradContext* ctx, const variable_list& gradients) {
    const auto saved = ctx->get_saved_variables();
    const Tensor& hidden = saved[0];
    const Tensor& weight = saved[1];
    const Tensor& index = saved[2];
    const bool has_bias = ctx->saved_data["has_bias"].toBool();
    const Tensor g = gradients[0].contiguous();
    if (at::GradMode::is_enabled()) return differentiable(hidden, weight, index, g, has_bias);
    const Shape bias_sizes = {weight.size(0)};
    const Places places(index.data_ptr<std::int64_t>(), index.numel(), weight.size(0));
    Tensor rows = at::empty({places.groups()}, at::kLong);
    Tensor by_weight = at::zeros({places.groups(), weight.size(1)}, weight.options());
    Tensor by_bias = at::zeros({places.groups()}, weight.options());
    Tensor by_hidden = at::zeros_like(hidden);
    AT_DISPATCH_FLOATING_TYPES(hidden.scalar_type(), "IndexedScores", [&] {
      to_hidden<scalar_t>(g, weight, index, by_hidden);
      to_rows<scalar_t>(g, hidden, places, rows, by_weight, by_bias);
    });
    const Tensor weight_gradient = sparse(rows, by_weight, weight.sizes())._coalesced_(true);
    const Tensor bias_gradient =
        has_bias ? sparse(rows, by_bias, bias_sizes)._coalesced_(true) : Tensor();
    return {by_hidden, weight_gradient, bias_gradient, Tensor()};
  }

 private:
  template <class T>
  static void to_hidden(const Tensor& g, const Tensor& weight, const Tensor& index,
                        const Tensor& by_hidden) {
    const std::int64_t m = index.size(1);
    const std::int64_t d = weight.size(1);
    const auto* from = g.data_ptr<T>();
    const auto* w = weight.data_ptr<T>();
    const auto* at_index = index.data_ptr<std::int64_t>();
    auto* out = by_hidden.data_ptr<T>();
    at::parallel_for(0, index.size(0), grain(m * d), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t b = begin; b < end; ++b) {
        for (std::int64_t j = b * m; j < (b + 1) * m; ++j) {
          if (j + kAhead < end * m) prefetch(w + at_index[j + kAhead] * d, d);
          add_scaled(out + b * d, from[j], w + at_index[j] * d, d);
        }
      }
    });
  }

  template <class T>
  static void to_rows(const Tensor& g, const Tensor& hidden, const Places& places,
                      const Tensor& rows, const Tensor& by_weight, const Tensor& by_bias) {
    const std::int64_t m = g.size(1);
    const std::int64_t d = hidden.size(1);
    const auto* from = g.data_ptr<T>();
    const auto* h = hidden.data_ptr<T>();
    auto* row = rows.data_ptr<std::int64_t>();
    auto* to_weight = by_weight.data_ptr<T>();
    auto* to_bias = by_bias.data_ptr<T>();
    at::parallel_for(0, places.groups(), grain(d), [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t group = begin; group < end; ++group) {
        row[group] = places.index_of(group);
        places.for_each(group, [&](std::int64_t place) {
          add_scaled(to_weight + group * d, from[place], h + place / m * d, d);
          to_bias[group] += from[place];
        });
      }
    });
  }

  static variable_list differentiable(const Tensor& hidden, const Tensor& weight,
                                      const Tensor& index, const Tensor& g, bool has_bias) {
    const Tensor flat = index.flatten();
    const Tensor rows =
        weight.index_select(0, flat).view({index.size(0), index.size(1), weight.size(1)});
    const Tensor by_rows = (g.unsqueeze(2) * hidden.unsqueeze(1)).flatten(0, 1);
    return {(g.unsqueeze(2) * rows).sum(1), dense(flat, by_rows, weight.sizes()),
            has_bias ? dense(flat, g.flatten(), {weight.size(0)}) : Tensor(), Tensor()};
  }
};

bool has_kernel(const Tensor& tensor) {
  return tensor.device().is_cpu() &&
         (tensor.scalar_type() == at::kFloat || tensor.scalar_type() == at::kDouble);
}

/// The same for any device and type, with a copy of the rows of weight.
Tensor gathered_scores(const Tensor& hidden, const OutputLayer& output, const Tensor& index) {
  const Tensor flat = index.flatten();
  const Tensor rows =
      sparse_rows(output.weight, flat).view({index.size(0), index.size(1), output.weight.size(1)});
  const Tensor scores = rows.matmul(hidden.unsqueeze(2)).squeeze(2);
  return output.bias.defined() ? scores + sparse_rows(output.bias, flat).view_as(index) : scores;
}

SampledScores shared_scores(const OutputBatch& batch, const OutputLayer& output,
                            const Tensor& noise) {
  const std::int64_t b = batch.targets.size(0);
  const std::int64_t k = noise.size(0);
  const Tensor index = at::cat({batch.targets, noise});
  const Tensor rows = sparse_rows(output.weight, index);
  Tensor target = (batch.hidden * rows.narrow(0, 0, b)).sum(-1);
  Tensor others = batch.hidden.mm(rows.narrow(0, b, k).t());
  if (output.bias.defined()) {
    const Tensor bias = sparse_rows(output.bias, index);
    target = target + bias.narrow(0, 0, b);
    others = others + bias.narrow(0, b, k);
  }
  return {target, others};
}

/// log(k q) of targets, each of which must be possible as noise.
Tensor log_expected_targets(const NoiseDistribution& noise, std::int64_t k,
                            const OutputBatch& batch) {
  Tensor log_kq = noise.log_expected_count(batch.targets, k, batch.hidden.scalar_type());
  const Tensor impossible = log_kq.isinf();
  if (!impossible.any().item<bool>()) return log_kq;
  const auto row = impossible.nonzero()[0].item<std::int64_t>();
  throw InvalidArgument("targets", fmt::format("row {}: category {} has probability 0 as noise",
                                               row, batch.targets[row].item<std::int64_t>()));
}

}  // namespace

void check_indices(const char* argument, const Tensor& index, std::int64_t rows,
                   std::int64_t range) {
  if (!at::isIntegralType(index.scalar_type(), /*includeBool=*/false) ||
      index.sizes() != IntArrayRef{rows}) {
    throw InvalidArgument(
        argument, fmt::format("expected integers [{}], one for each row of hidden, got {} {}", rows,
                              at::toString(index.scalar_type()), to_string(index.sizes())));
  }
  const Tensor outside = (index < 0).logical_or(index >= range);
  if (!outside.any().item<bool>()) return;
  const auto row = outside.nonzero()[0].item<std::int64_t>();
  throw InvalidArgument(argument, fmt::format("row {}: expected 0..{}, got {}", row, range - 1,
                                              index[row].item<std::int64_t>()));
}

Tensor draw_noise(const NoiseDistribution& noise, std::int64_t k, bool shared,
                  const OutputBatch& batch, const OutputLayer& output, const Random& random) {
  check_size("noise", noise.size(), output.outputs(), "categories, one for each row of weight");
  const Shape shape = shared ? Shape{k} : Shape{batch.targets.size(0), k};
  return noise.draw(shape, shared ? random.whole() : random).to(batch.targets.device());
}

Tensor accidental_hits(const Tensor& targets, const Tensor& noise) {
  return noise == targets.unsqueeze(1);
}

Tensor sparse_rows(const Tensor& table, const Tensor& index) {
  return SparseRows::apply(table, index);
}

Tensor indexed_scores(const Tensor& hidden, const OutputLayer& output, const Tensor& index) {
  if (!has_kernel(hidden)) return gathered_scores(hidden, output, index);
  const Tensor bias =
      output.bias.defined() ? output.bias.contiguous() : at::empty({0}, output.weight.options());
  return IndexedScores::apply(hidden.contiguous(), output.weight.contiguous(), bias, index);
}

SampledScores sampled_scores(const OutputBatch& batch, const OutputLayer& output,
                             const Tensor& noise) {
  if (output.columns != nullptr) return split_sampled_scores(batch, output, noise);
  if (noise.dim() == 1) return shared_scores(batch, output, noise);
  const Tensor scores =
      indexed_scores(batch.hidden, output, at::cat({batch.targets.unsqueeze(1), noise}, 1));
  return {scores.select(1, 0), scores.narrow(1, 1, noise.size(1))};
}

CorrectedScores corrected_scores(const NoiseDistribution& noise, std::int64_t k, bool shared,
                                 const OutputBatch& batch, const OutputLayer& output,
                                 const Random& random) {
  const Tensor drawn = draw_noise(noise, k, shared, batch, output, random);
  const auto [target, others] = sampled_scores(batch, output, drawn);
  return {drawn, target - log_expected_targets(noise, k, batch),
          others - noise.log_expected_count(drawn, k, others.scalar_type())};
}

}  // namespace partita::losses
