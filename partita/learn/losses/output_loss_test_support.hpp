// SPDX-License-Identifier: Apache-2.0
// Shared by the tests of losses: a small model in double, its gradients, and what they should be.
#pragma once

#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <gtest/gtest.h>

#include <functional>
#include <limits>
#include <vector>

#include "partita/learn/losses/output_loss.hpp"
#include "partita/learn/rows.hpp"

namespace partita::losses::testing {

inline Tensor leaf(const Tensor& value) { return value.detach().clone().set_requires_grad(true); }

inline Tensor normal(IntArrayRef shape, std::uint64_t id, double scale = 1) {
  return scale * Random(Stream{.seed = 20, .id = id}).normal(shape, at::kDouble);
}

inline Tensor integers(const std::vector<std::int64_t>& values) {
  return at::tensor(values, at::kLong);
}

/// Rows of hidden states, targets and an output layer that are not special in any way.
struct SmallModel {
  OutputBatch batch;
  OutputLayer output;

  explicit SmallModel(std::int64_t rows = 5, std::int64_t outputs = 7, std::int64_t d = 19)
      : batch{leaf(normal({rows, d}, 0)), (at::arange(rows) * 3).remainder(outputs)},
        output{leaf(normal({outputs, d}, 1, 0.4)), leaf(normal({outputs}, 2))} {}

  std::vector<Tensor> leaves() const { return {batch.hidden, output.weight, output.bias}; }
};

using Scalar = std::function<Tensor()>;

inline std::vector<Tensor> gradients(const Scalar& loss, const std::vector<Tensor>& leaves) {
  std::vector<Tensor> out;
  for (const Tensor& g : torch::autograd::grad({loss()}, leaves)) {
    out.push_back(g.is_sparse() ? g.to_dense() : g);
  }
  return out;
}

/// Central differences: an error of about 1e-10 for losses of order 1 in double.
inline Tensor slope(const Scalar& loss, const Tensor& leaf) {
  const at::NoGradGuard no_grad;
  constexpr double kStep = 1e-5;
  Tensor out = at::empty_like(leaf);
  const Tensor values = leaf.view(-1);
  for (std::int64_t i = 0; i < leaf.numel(); ++i) {
    const double at = values[i].item<double>();
    values[i] = at + kStep;
    const Tensor above = loss();
    values[i] = at - kStep;
    out.view(-1)[i] = (above - loss()) / (2 * kStep);
    values[i] = at;
  }
  return out;
}

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

inline double largest_difference(const Tensor& a, const Tensor& b) {
  EXPECT_EQ(a.sizes(), b.sizes());
  return (a - b).abs().max().item<double>();
}

/// Samples from a distribution, by inverting its CDF: int64 [n].
inline Tensor sample_categories(const Tensor& probs, std::int64_t n, std::uint64_t id) {
  const Tensor u = Random(Stream{.seed = 21, .id = id}).uniform({n}, at::kDouble);
  return at::searchsorted(probs.cumsum(0), u).clamp_max(probs.size(0) - 1);
}

}  // namespace partita::losses::testing
