// SPDX-License-Identifier: Apache-2.0
// Counts with more zeros than their distribution explains.
//
//   ZeroInflated(Poisson(rate), 0.3).log_prob(counts)
//   ZeroInflated(NegativeBinomial(n, Logits(x)), Logits(gate))
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// ZeroInflated(base, gate): 0 with probability gate, else a draw of `base`, a univariate
/// distribution of whole numbers: P(0) = gate + (1 - gate) base(0), P(k) = (1 - gate) base(k). gate
/// in [0, 1], or Logits(gate_logits), broadcasts with base's batch. (Pyro's
/// ZeroInflatedDistribution; Python's torch.distributions has none.)
class ZeroInflated : public Distribution {
 public:
  /// @throws InvalidArgument unless base is discrete and univariate.
  ZeroInflated(const AnyDistribution& base, const ProbsOrLogits& gate, bool validate_args = true);

  const Distribution& base_dist() const { return *base_; }
  Tensor gate() const;

  std::string to_string() const override;
  at::TensorOptions options() const override { return base_->options(); }
  Constraint support() const override;
  /// Where the base has one.
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor variance() const override;
  bool has_enumerate_support() const override { return base_->has_enumerate_support(); }
  Tensor enumerate_support(bool expand = true) const override {
    return base_->enumerate_support(expand);
  }
  DistributionPtr expand(IntArrayRef batch_shape) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<ZeroInflated>(*this);
  }
  void set_type(at::ScalarType type) override {
    Distribution::set_type(type);
    base_ = base_->with_type(type);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor rounded_down(const Tensor& value) const override { return base_->rounded_down(value); }
  Tensor rounded_up(const Tensor& value) const override { return base_->rounded_up(value); }

 private:
  Tensor log_gate() const;
  Tensor log_rest() const;
  /// log(gate + (1 - gate) e^log_p) where `with_gate`, else log((1 - gate) e^log_p).
  Tensor mixed(const Tensor& log_p, const Tensor& with_gate) const;

  DistributionPtr base_;
  bool is_logits_;
};

}  // namespace partita::distributions
