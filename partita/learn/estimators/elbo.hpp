// SPDX-License-Identifier: Apache-2.0
// Lower bounds of the evidence log p(x), by any estimator.
//
//   Pathwise pathwise;
//   auto bound = elbo(q, prior, log_likelihood, pathwise, random);
//   (-bound.surrogate.mean()).backward();      // encoder's and decoder's gradients
//
// Bounds are to be raised, so an optimizer descends -surrogate; the estimator's own loss
// (Estimator::parameters) then falls as well.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

enum class KlTerm {
  analytic,  ///< kl_divergence(q, prior), which must know the pair
  sampled,   ///< log q(z) - log prior(z) at the same samples, which must be in q's support: no
             ///< relaxed ones
};

struct Elbo {
  Tensor surrogate;  ///< [batch], as a GradientEstimate's
  Tensor value;      ///< [batch]
  /// KL(q || prior), [batch], with its gradient; undefined if sampled. Without it, value +
  /// divergence is the reconstruction, E_q[log p(x | z)].
  Tensor divergence = {};
};

/// The evidence lower bound, E_q[log p(x | z)] - KL(q || prior) <= log p(x).
/// @param log_likelihood log p(x | z), a Function; its own parameters get their gradient too.
/// @return [batch] of q; the prior's batch broadcasts to it.
Elbo elbo(const Distribution& q, const Distribution& prior, const Function& log_likelihood,
          Estimator& estimator, const Random& random, KlTerm kl = KlTerm::analytic);

/// The importance-weighted bound E[log 1/k sum_i p(x | z_i) prior(z_i) / q(z_i)] over independent
/// z_1 ... z_k ~ q: the evidence lower bound for k = 1, and larger for larger k (Burda, Grosse,
/// Salakhutdinov 2016, "Importance weighted autoencoders"). Each of the estimator's samples
/// comprises all k.
/// @param q of batch shape [batch, k]: the same distribution k times along the last dimension. Its
///          samples must be in its support: an estimator that relaxes them has no weights. Relaxed
///          codes have weights if q and the prior are relaxed themselves: two ExpRelaxedCategorical
///          and Pathwise, with the likelihood at exp(z) (Maddison, Mnih, Teh 2017, appendix C).
/// @param log_likelihood as for elbo(): [n, batch, event] -> [n, batch].
/// @return [batch]
GradientEstimate importance_weighted(const Distribution& q, const Distribution& prior,
                                     const Function& log_likelihood, Estimator& estimator,
                                     const Random& random);

}  // namespace partita::estimators
