// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/vector_transforms.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <numbers>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// The shape without its last dimension, and that dimension.
std::pair<Shape, std::int64_t> split_last(const char* name, IntArrayRef shape) {
  if (shape.empty()) {
    throw InvalidArgument("shape", fmt::format("{}: expected 1 dimension or more, got []", name));
  }
  return {shape.slice(0, shape.size() - 1).vec(), shape.back()};
}

/// K - 1, K - 2, ..., 1 for the K - 1 numbers of x.
Tensor sticks_left(const Tensor& x) { return at::arange(x.size(-1), 0, -1, x.options()); }

}  // namespace

Tensor SoftmaxTransform::forward(const Tensor& x) const { return at::softmax(x, -1); }
Tensor SoftmaxTransform::inverse(const Tensor& y) const { return y.log(); }

Tensor StickBreakingTransform::forward(const Tensor& x) const {
  const Tensor u = x - sticks_left(x).log();
  const Tensor rest = at::log_sigmoid(-u).cumsum(-1);  // log of what y_1 ... y_i leave
  const Tensor none =
      at::zeros(concatenate(x.sizes().slice(0, x.sizes().size() - 1), {1}), x.options());
  const Tensor share = at::cat({at::log_sigmoid(u), none}, -1);
  return (share + at::cat({none, rest}, -1)).exp();
}

Tensor StickBreakingTransform::inverse(const Tensor& y) const {
  const double smallest = smallest_normal(y.scalar_type());
  const std::int64_t sticks = y.size(-1) - 1;
  const Tensor first = y.narrow(-1, 0, sticks);
  const Tensor rest = y.narrow(-1, 1, sticks).flip(-1).cumsum(-1).flip(-1);
  return first.clamp_min(smallest).log() - rest.clamp_min(smallest).log() +
         sticks_left(first).log();
}

Tensor StickBreakingTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  // Triangular, with y_i (1 - z_i) on the diagonal: y_i = z_i times what is left before it.
  const Tensor u = x - sticks_left(x).log();
  const Tensor rest = at::log_sigmoid(-u).cumsum(-1);
  return (at::log_sigmoid(u) + rest).sum(-1);
}

Shape StickBreakingTransform::forward_shape(IntArrayRef shape) const {
  const auto [batch, size] = split_last("StickBreakingTransform", shape);
  return concatenate(batch, {size + 1});
}

Shape StickBreakingTransform::inverse_shape(IntArrayRef shape) const {
  const auto [batch, size] = split_last("StickBreakingTransform", shape);
  return concatenate(batch, {size - 1});
}

Tensor LowerCholeskyTransform::forward(const Tensor& x) const {
  return x.tril(-1) + x.diagonal(0, -2, -1).exp().diag_embed();
}

Tensor LowerCholeskyTransform::inverse(const Tensor& y) const {
  return y.tril(-1) + y.diagonal(0, -2, -1).log().diag_embed();
}

Tensor PositiveDefiniteTransform::forward(const Tensor& x) const {
  const Tensor tril = LowerCholeskyTransform()(x);
  return tril.matmul(tril.mT());
}

Tensor PositiveDefiniteTransform::inverse(const Tensor& y) const {
  return LowerCholeskyTransform().inverse(at::linalg_cholesky(y));
}

// --- Correlations -------------------------------------------------------------------------------

namespace {

/// log(1 - tanh(x)^2) = log(4 / (e^x + e^-x)^2)
Tensor log_rest(const Tensor& x) {
  const Tensor size = x.abs();
  return 2 * (std::numbers::ln2 - size - at::log1p((-2 * size).exp()));
}

Tensor rows_and_columns(std::int64_t dim, const Tensor& like) {
  return at::tril_indices(dim, dim, -1, at::TensorOptions(at::kLong).device(like.device()));
}

/// The D for which vectors of D (D - 1) / 2 numbers fill a matrix below its diagonal.
std::int64_t matrix_size(std::int64_t vector_size) {
  const auto dim = static_cast<std::int64_t>(
      std::llround((1 + std::sqrt(1 + 8 * static_cast<double>(vector_size))) / 2));
  if (dim * (dim - 1) / 2 != vector_size) {
    throw InvalidArgument("shape",
                          fmt::format("CorrCholeskyTransform: expected vectors of D (D - 1) / 2 "
                                      "numbers for a matrix of D rows, got {}",
                                      vector_size));
  }
  return dim;
}

/// The vectors' numbers in the places below the diagonal of matrices of `dim` rows, and 0
/// elsewhere.
Tensor below_diagonal(const Tensor& vectors, std::int64_t dim) {
  const Tensor at = rows_and_columns(dim, vectors);
  const Tensor flat =
      at::zeros(concatenate(vectors.sizes().slice(0, vectors.sizes().size() - 1), {dim * dim}),
                vectors.options());
  return flat.index_add(-1, at[0] * dim + at[1], vectors).unflatten(-1, {dim, dim});
}

/// The reverse.
Tensor entries_below_diagonal(const Tensor& matrices) {
  const std::int64_t dim = matrices.size(-1);
  const Tensor at = rows_and_columns(dim, matrices);
  return matrices.flatten(-2).index_select(-1, at[0] * dim + at[1]);
}

/// Each row's running sum up to, not including, each place.
Tensor sum_before(const Tensor& rows) { return rows.cumsum(-1) - rows; }

}  // namespace

Tensor CorrCholeskyTransform::forward(const Tensor& x) const {
  const std::int64_t dim = matrix_size(x.size(-1));
  const Tensor left = (sum_before(below_diagonal(log_rest(x), dim)) / 2).exp();
  return left.tril() * (below_diagonal(x.tanh(), dim) + at::eye(dim, x.options()));
}

Tensor CorrCholeskyTransform::inverse(const Tensor& y) const {
  // tanh(x) = y / sqrt(what is left), so that sinh(x) = y / sqrt(what is left after it): the sum of
  // the squares that follow in the row, of which the diagonal's is one.
  const Tensor squares = y.tril().square();
  const Tensor from = squares.flip(-1).cumsum(-1).flip(-1);
  const Tensor after = at::constant_pad_nd(from.narrow(-1, 1, y.size(-1) - 1), {0, 1});
  const double smallest = smallest_normal(y.scalar_type());
  return at::asinh(entries_below_diagonal(y) /
                   entries_below_diagonal(after).clamp_min(smallest).sqrt());
}

Tensor CorrCholeskyTransform::log_abs_det_jacobian(const Tensor& x, const Tensor& /*y*/) const {
  // Each row is triangular, with (1 - tanh^2) sqrt(what is left) on its diagonal.
  const Tensor rest = below_diagonal(log_rest(x), matrix_size(x.size(-1)));
  return log_rest(x).sum(-1) + 0.5 * sum_before(rest).tril(-1).sum({-2, -1});
}

Shape CorrCholeskyTransform::forward_shape(IntArrayRef shape) const {
  const auto [batch, size] = split_last("CorrCholeskyTransform", shape);
  const std::int64_t dim = matrix_size(size);
  return concatenate(batch, {dim, dim});
}

Shape CorrCholeskyTransform::inverse_shape(IntArrayRef shape) const {
  if (shape.size() < 2 || shape[shape.size() - 1] != shape[shape.size() - 2]) {
    throw InvalidArgument("shape",
                          fmt::format("CorrCholeskyTransform: expected [..., D, D], got {}",
                                      partita::to_string(shape)));
  }
  const std::int64_t dim = shape.back();
  return concatenate(shape.slice(0, shape.size() - 2), {dim * (dim - 1) / 2});
}

}  // namespace partita::distributions
