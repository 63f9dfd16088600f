// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/lkj_cholesky.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

LKJCholesky::LKJCholesky(std::int64_t dim, const TensorOrNumber& concentration, bool validate_args)
    : Distribution("LKJCholesky", {{"concentration", concentration, constraints::positive()}},
                   {dim, dim}, validate_args) {
  check_at_least("dim", dim, 2);
}

Tensor LKJCholesky::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  // Row i, below the first: a direction of i coordinates, whose squared length is Beta(i / 2,
  // concentration + (dim - 1 - i) / 2) and leaves the rest of 1 to the diagonal.
  const Shape rows = concatenate(concatenate(sample_shape, batch_shape()), {dim() - 1});
  const Tensor i = at::arange(1, dim(), options().dtype(at::kDouble));
  const Tensor a = (i / 2).expand(rows);
  const Tensor b = (in_double(concentration()).unsqueeze(-1) + (dim() - 1 - i) / 2).expand(rows);
  const Tensor log_odds = implicit_draw(Family::kLogitBeta,
                                        Random(random.fork()).log_standard_gamma(a) -
                                            Random(random.fork()).log_standard_gamma(b.detach()),
                                        a, b);
  const Tensor normal = random.normal(concatenate(rows, {dim() - 1}), options().dtype(at::kDouble));
  const Tensor toward = normal.tril();
  const Tensor direction = toward / toward.square().sum(-1, /*keepdim=*/true).sqrt();
  const Tensor below = (at::log_sigmoid(log_odds) / 2).exp().unsqueeze(-1) * direction;
  const at::ScalarType type = at::typeMetaToScalarType(options().dtype());
  const Tensor diagonal = (at::log_sigmoid(-log_odds) / 2).exp().clamp_min(smallest_normal(type));
  const Tensor lower = at::constant_pad_nd(below, {0, 1, 1, 0});
  return (lower + at::constant_pad_nd(diagonal, {1, 0}, 1).diag_embed()).to(options());
}

Tensor LKJCholesky::do_log_prob(const Tensor& value) const {
  // Of the factor: the density of the matrix, det^(c - 1), times the Jacobian, the product of l_ii^
  // (dim - i) (i from 1). Each row has its own normalizer, that of the direction and its length.
  const Tensor c = in_double(concentration()).unsqueeze(-1);
  const Tensor i = at::arange(1, dim(), options().dtype(at::kDouble));
  const Tensor power = 2 * (c - 1) + (dim() - 1 - i);
  const Tensor log_diagonal = in_double(value.diagonal(0, -2, -1).narrow(-1, 1, dim() - 1)).log();
  // The integral over |w| < 1 in i dimensions of (1 - |w|^2)^(power / 2): pi^(i / 2) Gamma(b) /
  // Gamma(b + i / 2), b = power / 2 + 1.
  const Tensor b = power / 2 + 1;
  const Tensor log_normalizer = i / 2 * std::log(kPi) - log_rising(b, i / 2);
  return (times(power, log_diagonal) - log_normalizer)
      .sum(-1)
      .to(at::result_type(value, concentration()));
}

}  // namespace partita::distributions
