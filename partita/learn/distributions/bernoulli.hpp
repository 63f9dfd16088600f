// SPDX-License-Identifier: Apache-2.0
// A coin.
//
//   Bernoulli(0.3).sample({8}, random)           // 0 and 1, of floating-point type
//   Bernoulli(Logits(x)).log_prob(y)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

struct Coin;

/// Bernoulli(probs) or Bernoulli(Logits(logits)), logits = log(p / (1 - p)): 1 with probability p,
/// else 0. probs in [0, 1]; logits may be infinite.
class Bernoulli : public Distribution {
 public:
  explicit Bernoulli(const ProbsOrLogits& parameter, bool validate_args = true);

  Tensor probs() const;
  Tensor logits() const;

  Constraint support() const override { return constraints::boolean(); }
  /// Without gradient by a probability of 0 or 1, where its slope is infinite.
  Tensor entropy() const override;
  Tensor mean() const override { return probs(); }
  /// NaN where p = 1/2.
  Tensor mode() const override;
  Tensor variance() const override;
  bool has_enumerate_support() const override { return true; }
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Bernoulli>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;
  /// Between 0 and 1 log_prob is linear, as Python's: the expected score of a soft target.
  Constraint scored() const override { return constraints::unit_interval(); }

 private:
  Coin coin() const;

  bool is_logits_;
};

}  // namespace partita::distributions
