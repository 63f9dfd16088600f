// SPDX-License-Identifier: Apache-2.0
// A coin that can be differentiated: the Concrete distribution of two outcomes.
//
//   RelaxedBernoulli(0.5, Logits(x)).rsample({64}, random)   // in (0, 1), mostly near its ends
//   LogitRelaxedBernoulli(0.5, Logits(x))                    // their logits, which do not saturate
//
// Both take (temperature, probs) or (temperature, Logits(logits)), temperature > 0, a number or a
// tensor. A coin that is certain (probs 0 or 1, logits of -inf or +inf) is a point mass: its value
// has log_prob 0, every other one -inf.
#pragma once

#include <functional>

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// (logits + L) / temperature for a standard logistic L: log p(y) = log temperature + d - 2
/// softplus(d), d = logits - temperature y (Maddison, Mnih, Teh 2017, eq. 20).
class LogitRelaxedBernoulli : public Distribution {
 public:
  LogitRelaxedBernoulli(const TensorOrNumber& temperature, const ProbsOrLogits& parameter,
                        bool validate_args = true);

  const Tensor& temperature() const { return parameter(1); }
  Tensor probs() const;
  Tensor logits() const;

  Constraint support() const override { return constraints::real(); }
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<LogitRelaxedBernoulli>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  friend class RelaxedBernoulli;

  /// True where the coin is certain.
  Tensor certain() const;
  /// The logits, with some finite number where the coin is certain.
  Tensor finite_logits() const;
  /// temperature value - logits: the standard logistic from which `value` was made.
  Tensor standardized(const Tensor& value) const;

  bool is_logits_;
};

/// The sigmoid of a LogitRelaxedBernoulli. Values of 0 and 1 count as the nearest numbers inside
/// (for 0, the smallest normal one), since a draw that equals them was rounded: log_prob is finite
/// there.
class RelaxedBernoulli : public Distribution {
 public:
  RelaxedBernoulli(const TensorOrNumber& temperature, const ProbsOrLogits& parameter,
                   bool validate_args = true);

  const Tensor& temperature() const { return parameter(1); }
  Tensor probs() const { return base_dist().probs(); }
  Tensor logits() const { return base_dist().logits(); }
  /// The distribution of logit X.
  LogitRelaxedBernoulli base_dist() const;

  Constraint support() const override { return constraints::unit_interval(); }
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<RelaxedBernoulli>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  Tensor do_icdf(const Tensor& probability) const override;
  Tensor do_isf(const Tensor& probability) const override;

 private:
  /// A tail, from the base's: that of a certain coin and those at 0 and 1 are constants.
  Tensor tail_of_logit(
      const Tensor& value, double below, double above,
      const std::function<Tensor(const LogitRelaxedBernoulli&, const Tensor&)>& tail) const;

  bool is_logits_;
};

}  // namespace partita::distributions
