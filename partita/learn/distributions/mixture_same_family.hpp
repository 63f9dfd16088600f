// SPDX-License-Identifier: Apache-2.0
// A mixture of distributions of one kind.
//
//   MixtureSameFamily(Categorical(weights), Normal(locs, scales))      // K normals
//   MixtureSameFamily(Categorical(Logits(z)),                          // K normal vectors of 2
//                     Independent(Normal(at::zeros({k, 2}), 1), 1))
#pragma once

#include <utility>

#include "partita/learn/distributions/categorical.hpp"

namespace partita::distributions {

/// MixtureSameFamily(mixture_distribution, component_distribution): sum_k w_k component_k. The
/// components lie along the last batch dimension of component_distribution, [batch_shape, K]; the
/// batch shape of the mixture's Categorical over K broadcasts to batch_shape. Draws have no
/// gradient, since the choice of a component has none.
class MixtureSameFamily : public Distribution {
 public:
  /// @throws InvalidArgument if the shapes do not fit.
  MixtureSameFamily(const Categorical& mixture_distribution,
                    const AnyDistribution& component_distribution, bool validate_args = true);

  const Categorical& mixture_distribution() const { return mixture_; }
  const Distribution& component_distribution() const { return *component_; }

  std::string to_string() const override;
  at::TensorOptions options() const override { return component_->options(); }
  /// The support of any one component.
  Constraint support() const override;
  Tensor mean() const override;
  Tensor variance() const override;
  DistributionPtr expand(IntArrayRef batch_shape) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<MixtureSameFamily>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_log_cdf_below(const Tensor& value) const override;
  Tensor do_log_survival_from(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;
  Tensor rounded_down(const Tensor& value) const override;
  Tensor rounded_up(const Tensor& value) const override;

 private:
  /// The dimension of the components, from the end of a sample.
  std::int64_t dimension() const { return -1 - static_cast<std::int64_t>(event_shape().size()); }
  /// sum_k w_k values_k for values [..., batch_shape, K, event_shape].
  Tensor average(const Tensor& values) const;
  /// The ends of the support: the lowest and the highest of the components that have a weight.
  std::pair<Tensor, Tensor> ends() const;
  /// log sum_k w_k exp(values_k) for values [..., batch_shape, K].
  Tensor log_average(const Tensor& values) const;

  Categorical mixture_;  ///< expanded to batch_shape
  DistributionPtr component_;
};

}  // namespace partita::distributions
