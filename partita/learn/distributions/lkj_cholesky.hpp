// SPDX-License-Identifier: Apache-2.0
// Random correlation matrices, by their Cholesky factors.
//
//   const Tensor l = LKJCholesky(3, 0.5).sample(random);                   // [3, 3]
//   MultivariateNormal(loc, ScaleTril(scale.unsqueeze(-1) * l))            // correlation l l^T
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// LKJCholesky(dim, concentration): L with p(L L^T) proportional to det(L L^T)^(concentration - 1),
/// on the correlation matrices of `dim` variables (Lewandowski, Kurowicka, Joe 2009, "Generating
/// random correlation matrices based on vines and extended onion method"); uniform for
/// concentration 1. dim >= 2, concentration > 0.
///
/// Draws are made by the onion method and have a gradient (Python's do not, nor have they, for dim
/// >= 3, the distribution that its log_prob says: rows are drawn with Beta(i - 1/2, ...) for Beta(i
/// / 2,
/// ...)).
class LKJCholesky : public Distribution {
 public:
  LKJCholesky(std::int64_t dim, const TensorOrNumber& concentration = 1, bool validate_args = true);

  std::int64_t dim() const { return event_shape()[0]; }
  const Tensor& concentration() const { return parameter(0); }

  Constraint support() const override { return constraints::corr_cholesky(); }
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<LKJCholesky>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
};

}  // namespace partita::distributions
