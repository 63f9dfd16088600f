// SPDX-License-Identifier: Apache-2.0
// Ordered categories, such as answers from "never" to "always": which of the intervals between the
// cutpoints a logistic variable falls into.
//
//   OrderedLogistic(score, cutpoints).log_prob(answer)
//   OrderedLogistic(0.3, torch::tensor({-1., 0., 2.})).sample({64}, random)   // 0 ... 3, of int64
#pragma once

#include "partita/learn/distributions/categorical.hpp"

namespace partita::distributions {

/// OrderedLogistic(predictor, cutpoints): P(X <= k) = 1 / (1 + exp(predictor - cutpoints_k)) for k
/// from 0 to K - 1, cutpoints [..., K] increasing; X is one of K + 1 categories (McCullagh 1980,
/// "Regression models for ordinal data"). (Pyro has it; Python's torch.distributions does not.) The
/// batch is that of predictor [...] and of the vectors of cutpoints.
class OrderedLogistic : public Distribution {
 public:
  OrderedLogistic(const TensorOrNumber& predictor, const Tensor& cutpoints,
                  bool validate_args = true);

  const Tensor& predictor() const { return parameter(0); }
  const Tensor& cutpoints() const { return parameter(1); }

  /// [batch_shape, K + 1], and their logarithms.
  Tensor probs() const { return logits().exp(); }
  Tensor logits() const;

  /// Samples are int64.
  at::TensorOptions options() const override;
  Constraint support() const override;
  Tensor entropy() const override { return categorical().entropy(); }
  /// NaN, as of every Categorical.
  Tensor mean() const override { return categorical().mean(); }
  Tensor mode() const override { return categorical().mode(); }
  Tensor variance() const override { return categorical().variance(); }
  bool has_enumerate_support() const override { return true; }
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<OrderedLogistic>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;
  Tensor do_cdf(const Tensor& value) const override;
  Tensor do_log_cdf(const Tensor& value) const override;
  Tensor do_log_survival(const Tensor& value) const override;

 private:
  Categorical categorical() const { return Categorical(Logits(logits()), false); }
  /// cutpoints - predictor: the logits of P(X <= k).
  Tensor distances() const { return cutpoints() - predictor().unsqueeze(-1); }
  /// distances() at the step at or below value, where there is one.
  Tensor distance_at(const Tensor& value) const;
  std::int64_t categories() const { return cutpoints().size(-1) + 1; }
};

}  // namespace partita::distributions
