// SPDX-License-Identifier: Apache-2.0
// Batch dimensions made part of the event.
//
//   Independent(Normal(at::zeros({3}), 1), 1)    // a draw is a vector of 3; log_prob is their sum
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// Independent(base, reinterpreted_batch_ndims): `base` with its last reinterpreted_batch_ndims
/// batch dimensions reinterpreted as event dimensions, so that log_prob and entropy are summed over
/// them. Draws and moments are those of `base`. cdf is the joint one, P(X_i <= value_i for all i);
/// log_survival is that of its complement: some X_i > value_i. (Python has no cdf.)
/// @throws InvalidArgument unless 0 <= reinterpreted_batch_ndims <= base's batch dimensions.
class Independent : public Distribution {
 public:
  Independent(const AnyDistribution& base, std::int64_t reinterpreted_batch_ndims,
              bool validate_args = true);

  const Distribution& base_dist() const { return *base_; }
  std::int64_t reinterpreted_batch_ndims() const { return dims_; }

  std::string to_string() const override;
  at::TensorOptions options() const override { return base_->options(); }
  Constraint support() const override;
  bool has_rsample() const override { return base_->has_rsample(); }
  Tensor entropy() const override;
  Tensor mean() const override { return base_->mean(); }
  Tensor mode() const override { return base_->mode(); }
  Tensor variance() const override { return base_->variance(); }
  /// Only with reinterpreted_batch_ndims = 0, as in Python: no Cartesian products.
  bool has_enumerate_support() const override;
  Tensor enumerate_support(bool expand = true) const override;
  DistributionPtr expand(IntArrayRef batch_shape) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Independent>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
  Tensor rounded_down(const Tensor& value) const override { return base_->rounded_down(value); }
  Tensor rounded_up(const Tensor& value) const override { return base_->rounded_up(value); }

 private:
  DistributionPtr base_;
  std::int64_t dims_;
};

}  // namespace partita::distributions
