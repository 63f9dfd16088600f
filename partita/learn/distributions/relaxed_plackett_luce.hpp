// SPDX-License-Identifier: Apache-2.0
// Rankings and sets that can be differentiated: the first k places of a PlackettLuce, relaxed.
//
//   RelaxedPlackettLuce q(0.5, Logits(z), 3);
//   Tensor places = q.rsample({64}, random);     // [64, 3, V]: rows of a simplex, nearly one-hot
//   Tensor set = places.sum(-2);                 // [64, V]: nearly three 1s
//   Tensor top = relaxed_top_k(scores, 3, 0.5);  // the same of given scores, [3, V]
//
// As the temperature falls, the set becomes that of PlackettLuce's first k places, k draws without
// replacement: not that of Subset, another law of sets. For that one see estimators/relaxation.hpp.
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// The k largest of `scores`, [..., V], each as a softmax over all: [..., k, V], one-hot as the
/// temperature falls. Row j is softmax(scores_j / temperature), where scores_{j + 1} = scores_j +
/// log(1 - row j) takes away what has been chosen (Xie and Ermon 2019, "Reparameterizable subset
/// sampling via continuous relaxations", algorithm 1; Ploetz and Roth 2018). A score of -inf is
/// never chosen.
/// @param temperature > 0; a tensor of the scores' batch shape [...] gives each row its own.
/// @throws InvalidArgument if k is not in 1 ... V or the temperature is not positive.
Tensor relaxed_top_k(const Tensor& scores, std::int64_t k, const TensorOrNumber& temperature);

/// RelaxedPlackettLuce(temperature, scores, k) or (temperature, Logits(logits), k), parameters as
/// for RelaxedOneHotCategorical and PlackettLuce: relaxed_top_k() of logits + G, G standard
/// Gumbels. Samples are [..., k, V]. The first row is a RelaxedOneHotCategorical(temperature,
/// logits), and the others are a function of it: a sample has no density among k rows, so log_prob
/// is not available.
class RelaxedPlackettLuce : public Distribution {
 public:
  RelaxedPlackettLuce(const TensorOrNumber& temperature, const ProbsOrLogits& scores,
                      std::int64_t k, bool validate_args = true);

  const Tensor& temperature() const { return parameter(1); }
  /// The log-probabilities of the first place, [batch_shape, V].
  Tensor logits() const;

  Constraint support() const override;
  bool has_rsample() const override { return true; }

 protected:
  std::shared_ptr<Distribution> clone() const override {
    return std::make_shared<RelaxedPlackettLuce>(*this);
  }
  Tensor do_rsample(IntArrayRef sample_shape, const Random& random) const override;
  Tensor narrowed(const Tensor& draws) const override { return draws.to(options()); }
  [[noreturn]] Tensor do_log_prob(const Tensor& value) const override;

 private:
  Tensor log_weights() const;

  bool is_logits_;
};

}  // namespace partita::distributions
