// SPDX-License-Identifier: Apache-2.0
// The number of tails before the first head.
//
//   Geometric(0.3).sample({8}, random)           // 0, 1, 2 ..., of floating-point type
//   Geometric(Logits(x)).log_prob(k)
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

struct Coin;

/// Geometric(probs) or Geometric(Logits(logits)): P(k) = (1 - p)^k p for k = 0, 1, 2 ...; probs in
/// (0, 1].
class Geometric : public Distribution {
 public:
  explicit Geometric(const ProbsOrLogits& parameter, bool validate_args = true);

  Tensor probs() const;
  Tensor logits() const;

  Constraint support() const override { return constraints::nonnegative_integer(); }
  Tensor entropy() const override;
  Tensor mean() const override;
  Tensor mode() const override;
  Tensor variance() const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<Geometric>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  Coin coin() const;

  bool is_logits_;
};

}  // namespace partita::distributions
