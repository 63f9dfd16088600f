// SPDX-License-Identifier: Apache-2.0
// One of V categories, as a vector of one 1 and V - 1 zeros.
//
//   OneHotCategorical(Logits(z)).sample({8}, random)                  // [8, V]
//   OneHotCategoricalStraightThrough(Logits(z)).rsample({8}, random)  // the same, with a gradient
#pragma once

#include "partita/learn/distributions/categorical.hpp"

namespace partita::distributions {

/// OneHotCategorical(probs) or OneHotCategorical(Logits(logits)), as for Categorical; samples are
/// [..., V], of floating-point type.
class OneHotCategorical : public Distribution {
 public:
  explicit OneHotCategorical(const ProbsOrLogits& parameter, bool validate_args = true)
      : OneHotCategorical("OneHotCategorical", parameter, validate_args) {}

  /// [batch_shape, V], normalized.
  Tensor probs() const { return categorical().probs(); }
  /// log probs, [batch_shape, V].
  Tensor logits() const { return categorical().logits(); }

  Constraint support() const override { return constraints::one_hot(); }
  Tensor entropy() const override { return categorical().entropy(); }
  Tensor mean() const override { return probs(); }
  Tensor mode() const override;
  Tensor variance() const override;
  bool has_enumerate_support() const override { return true; }
  Tensor enumerate_support(bool expand = true) const override;

 protected:
  OneHotCategorical(const char* name, const ProbsOrLogits& parameter, bool validate_args);
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<OneHotCategorical>(*this);
  }
  Tensor do_sample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  /// The distribution of the index.
  Categorical categorical() const;

  bool is_logits_;
};

/// A OneHotCategorical whose rsample() uses the gradient of probs as that of the sample: biased,
/// with low variance (Bengio, Leonard, Courville 2013, "Estimating or propagating gradients through
/// stochastic neurons").
class OneHotCategoricalStraightThrough : public OneHotCategorical {
 public:
  explicit OneHotCategoricalStraightThrough(const ProbsOrLogits& parameter,
                                            bool validate_args = true)
      : OneHotCategorical("OneHotCategoricalStraightThrough", parameter, validate_args) {}

  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<OneHotCategoricalStraightThrough>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
};

}  // namespace partita::distributions
