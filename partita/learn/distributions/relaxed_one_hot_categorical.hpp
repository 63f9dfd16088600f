// SPDX-License-Identifier: Apache-2.0
// The Concrete distribution, or Gumbel-softmax: a category that can be differentiated.
//
//   RelaxedOneHotCategorical q(0.5, Logits(x));
//   Tensor y = q.rsample({64}, random);          // points of the simplex, nearly one-hot
//   ExpRelaxedCategorical(0.5, Logits(x))        // their logarithms, which do not underflow
//
// Both take (temperature, probs) or (temperature, Logits(logits)), temperature > 0, a number or a
// tensor that broadcasts with the batch; a temperature of one element counts as a number. A
// category of probability 0 (a logit of -inf) is absent: its coordinate is 0, and the density is
// that of the others.
//
// At every temperature, the arg max of a draw is categorical with the given probabilities; the
// Gumbels keep their whole tail in every type.
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// log X for X ~ RelaxedOneHotCategorical(temperature, probs): log_softmax((logits + G) /
/// temperature), G standard Gumbels.
///
/// Density (Maddison, Mnih, Teh 2017, appendix C.3), in the log of all coordinates but one:
///   (K - 1)! temperature^(K - 1) prod_k softmax(logits - temperature y)_k.
/// -inf where a possible category has y = -inf; never NaN.
class ExpRelaxedCategorical : public Distribution {
 public:
  ExpRelaxedCategorical(const TensorOrNumber& temperature, const ProbsOrLogits& parameter,
                        bool validate_args = true);

  const Tensor& temperature() const { return parameter(1); }
  Tensor probs() const;
  /// Normalized: log probs.
  Tensor logits() const;

  Constraint support() const override { return constraints::real_vector(); }
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<ExpRelaxedCategorical>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  friend class RelaxedOneHotCategorical;

  /// The logits as given, or the log of the probabilities as given.
  Tensor log_weights() const;
  /// do_log_prob of finite values, over the categories that are not absent.
  /// @param offset mean_size(log_weights())
  Tensor log_density(const Tensor& finite, double offset) const;
  /// (logits + G) / temperature, less a constant; a draw is the softmax of it.
  Tensor scores(IntArrayRef sample_shape, const Random& random) const;

  bool is_logits_;
};

/// X = softmax((logits + G) / temperature), a point of the simplex.
///
/// Density (Maddison, Mnih, Teh 2017, eq. 10), computed from log x:
///   (K - 1)! temperature^(K - 1) prod_k (probs_k x_k^(-temperature - 1)) /
///                                (sum_k probs_k x_k^-temperature)^K.
/// A coordinate of 0 counts as the smallest normal number of its type, since such a draw
/// underflowed: log_prob is finite at the vertices (Python: NaN), and for draws at K = 1000 and
/// temperature 0.1.
class RelaxedOneHotCategorical : public Distribution {
 public:
  RelaxedOneHotCategorical(const TensorOrNumber& temperature, const ProbsOrLogits& parameter,
                           bool validate_args = true);

  const Tensor& temperature() const { return parameter(1); }
  Tensor probs() const { return base_dist().probs(); }
  /// Normalized: log probs.
  Tensor logits() const { return base_dist().logits(); }
  /// The distribution of log X.
  ExpRelaxedCategorical base_dist() const;

  Constraint support() const override { return constraints::simplex(); }
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<RelaxedOneHotCategorical>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor do_log_prob(const Tensor& value) const override;

 private:
  bool is_logits_;
};

}  // namespace partita::distributions
