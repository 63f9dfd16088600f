// SPDX-License-Identifier: Apache-2.0
// The softmax layer of a language model or a large classifier, softmax(h W^T + b), without its
// logits in memory: a tile of them is computed, used and forgotten (Wijmans et al. 2024, "Cut Your
// Losses in Large-Vocabulary Language Models").
//
//   #include "partita/linear/cblas.hpp"                     // or a product of your own
//
//   const partita::LinearLayer layer{.weights = {w, V, d}, .bias = {b, V}};
//   const partita::LinearSoftmax pass(hidden, layer, partita::multiply_by_cblas, {.targets = y});
//   pass.log_prob()[i];                                     // log p of row i's target
//   pass.log_sum_exp()[i];
//
//   // A category for each row, or k without replacement, in the same pass:
//   const Stream stream{.seed = 1};
//   const partita::LinearSoftmax drawn(hidden, layer, multiply, {.k = 1, .streams = stream});
//   drawn.sample().indices[i];
//
//   // Gradients of sum_i c_i log p_i: of the mean loss with c_i = -1/n.
//   auto skipped = pass.add_gradients({.log_prob = c}, {.hidden = dh, .weights = dw, .bias = db},
//                                     {.epsilon = 0x1p-12});
//
// Logits are those of single precision, z = cap tanh((h . w + b) / cap) with a soft cap, and sums
// over them are made in double: results are within some 1e-6 of logits of size 1. They depend on
// how the product that the caller gives rounds, and on nothing else: not on threads, and on the
// batch only as the product does.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/sample.hpp"

namespace partita {

/// c = a b + beta c, row by row and in single precision: BLAS's sgemm. a is [m, k], or [k, m] if it
/// is to be transposed; b is [k, n] or [n, k]; c is [m, n]. Strides are those of rows.
struct MatrixProduct {
  std::size_t m, n, k;
  bool transpose_a, transpose_b;
  const float* a;
  std::size_t a_stride;
  const float* b;
  std::size_t b_stride;
  float beta;  ///< 0 (c need not be initialized) or 1
  float* c;
  std::size_t c_stride;
};

/// Whatever library multiplies: cblas.hpp, or libtorch's (learn/losses/linear_softmax.hpp).
using Multiply = std::function<void(const MatrixProduct&)>;

/// The last layer of a model.
struct LinearLayer {
  Rows weights;                      ///< [V, d], f32, bf16 or f16
  std::span<const float> bias = {};  ///< [V], or none
  double soft_cap = 0;               ///< > 0: z becomes cap tanh(z / cap) (Gemma Team 2024); 0: off
};

/// What a pass is to find out beside log-sum-exps.
struct LinearSoftmaxRequest {
  /// [n]: each row's target, or kIgnored for none.
  std::span<const std::int64_t> targets = {};
  bool mean_log_prob = false;  ///< over all categories: label smoothing's
  bool entropy = false;
  std::size_t top = 0;         ///< how many of the most likely to list
  std::size_t k = 0;           ///< how many distinct categories to draw
  Streams streams = Stream{};  ///< of each row; read if k > 0
  int threads = 1;             ///< beside those of the product
};

/// What a result is worth to the caller: its derivatives by each row's value, [n], or none where it
/// does not depend on it.
struct LinearSoftmaxCotangents {
  std::span<const double> log_prob = {};
  std::span<const double> log_sum_exp = {};
  std::span<const double> mean_log_prob = {};
  std::span<const double> entropy = {};
};

/// Where gradients are added; null where they are not wanted.
struct LinearSoftmaxGradients {
  float* hidden = nullptr;   ///< [n, d]
  float* weights = nullptr;  ///< [V, d]
  float* bias = nullptr;     ///< [V]
};

struct LinearSoftmaxBackward {
  /// Rows are left out of a tile of 512 categories in which all of theirs, target excepted, have a
  /// probability below this; 0: none is (gradients are exact). 2^-12 is below what bf16 resolves
  /// (Wijmans et al. 2024, section 4.3). In [0, 1).
  double epsilon = 0;
  int threads = 1;
};

/// One pass over the layer for all rows, and what it found. Keeps views of its arguments for
/// add_gradients(); 12 bytes for each row and 512 categories beside the results.
class LinearSoftmax {
 public:
  static constexpr std::int64_t kIgnored = -100;  ///< as in torch's cross_entropy

  /// @param hidden   [n, d], f32, bf16 or f16
  /// @throws InvalidArgument naming what does not fit together (shapes, a format, a target that is
  ///         no category, k or top above V), or the first row whose logits hold NaN or +inf.
  LinearSoftmax(Rows hidden, const LinearLayer& layer, Multiply multiply,
                const LinearSoftmaxRequest& request = {});

  std::size_t rows() const { return hidden_.rows(); }

  /// [n], natural logarithms.
  const std::vector<double>& log_sum_exp() const { return log_sum_exp_; }
  /// [n]: of the targets; 0 where there is none.
  const std::vector<double>& log_prob() const { return log_prob_; }
  /// [n]: sum_j log p_j / V.
  const std::vector<double>& mean_log_prob() const { return mean_log_prob_; }
  /// [n], nats.
  const std::vector<double>& entropy() const { return entropy_; }
  /// [n, top]: most likely first; of equals, those of lower index.
  const std::vector<CategoryLogProb>& top() const { return top_; }
  /// [n, k]: as of gumbel_top_k(), with its log_prob, perturbed, threshold. A row's draw is a
  /// function of its logits and its stream.
  const TopKSample& sample() const { return sample_; }

  /// Adds the gradients of whatever has these derivatives by the results. Computes the logits of
  /// tiles again, of the rows that matter in them.
  /// @return the share of logits that were left out by epsilon
  /// @throws InvalidArgument if a cotangent has not n values, or belongs to a result that was not
  ///         asked for; or if epsilon is out of its range.
  double add_gradients(const LinearSoftmaxCotangents& cotangents,
                       const LinearSoftmaxGradients& gradients,
                       const LinearSoftmaxBackward& options = {}) const;

 private:
  Rows hidden_;
  LinearLayer layer_;
  Multiply multiply_;
  std::vector<std::int64_t> targets_;
  std::vector<float> tile_max_;  // [tiles, n]
  std::vector<double> log_sum_exp_;
  std::vector<double> log_prob_;
  std::vector<double> mean_log_prob_;
  std::vector<double> entropy_;
  std::vector<CategoryLogProb> top_;
  TopKSample sample_;
};

}  // namespace partita
