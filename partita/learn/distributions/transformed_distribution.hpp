// SPDX-License-Identifier: Apache-2.0
// A distribution sent through transforms.
//
//   // Logistic(a, b)
//   TransformedDistribution(Uniform(0, 1), {SigmoidTransform().inv(), AffineTransform(a, b)})
//   // on the simplex
//   TransformedDistribution(MultivariateNormal(loc, covariance), {StickBreakingTransform()})
#pragma once

#include <functional>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/distributions/transforms.hpp"

namespace partita::distributions {

/// Y = f(X), X ~ base, with f the transforms applied in order:
///   log p(y) = log p(x) - log |det dy/dx|, x = f^-1(y); -inf where p(x) is 0.
/// A discrete Y has probabilities, which no Jacobian changes. A value of it is taken for f of the
/// nearest whole number x, within rounding.
///
/// A transform of vectors turns batch dimensions of `base` into event dimensions, as Independent
/// does. cdf, log_cdf, log_survival, icdf and isf are those of `base`, with the tails swapped where
/// the transforms decrease; they need univariate bijective transforms. So do mean, mode and
/// variance (affine transforms only) and entropy (affine ones, or any if Y is discrete).
class TransformedDistribution : public Distribution {
 public:
  TransformedDistribution(const AnyDistribution& base, std::vector<AnyTransform> transforms,
                          bool validate_args = true);

  /// `base`, expanded and wrapped in Independent as the transforms require.
  const Distribution& base_dist() const { return *base_; }
  const std::vector<AnyTransform>& transforms() const { return transform_.parts(); }

  std::string to_string() const override;
  at::TensorOptions options() const override { return base_->options(); }
  Constraint support() const override;
  bool has_rsample() const override { return base_->has_rsample(); }
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor mode() const override;
  Tensor variance() const override;
  DistributionPtr expand(IntArrayRef batch_shape) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<TransformedDistribution>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
  Tensor do_log_cdf_below(const Tensor& value) const override;
  Tensor do_log_survival_from(const Tensor& value) const override;
  Tensor rounded_down(const Tensor& value) const override { return rounded(value, false); }
  Tensor rounded_up(const Tensor& value) const override { return rounded(value, true); }

 private:
  bool is_discrete() const { return base_->support().is_discrete; }
  /// f^-1(value), on_support().
  Tensor preimage(const Tensor& value) const;
  /// x = f^-1(value), moved to the nearest whole number (of a discrete base) and within the bounds
  /// of the base's support if only rounding took it from there: if f leads back to `value`.
  Tensor on_support(const Tensor& x, const Tensor& value) const;
  /// f of the base's numbers nearest to f^-1(value), on the side that is meant.
  Tensor rounded(const Tensor& value, bool up) const;
  /// rising(x) where the transforms increase, falling(x) where they decrease.
  Tensor by_direction(const Tensor& x, const std::function<Tensor(const Tensor&)>& rising,
                      const std::function<Tensor(const Tensor&)>& falling) const;
  /// The largest x with P(X >= x) >= probability.
  Tensor upper_end(const Tensor& probability) const;
  /// The product of the scales of the transforms, which must all be affine.
  Tensor scale(const char* method) const;

  DistributionPtr base_;
  ComposeTransform transform_;
};

}  // namespace partita::distributions
