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
  /// Sampled, with a gradient by q's parameters through the samples alone: what is left out, the
  /// score of q, has mean 0, and the variance vanishes as q nears the posterior ("sticking the
  /// landing": Roeder, Wu, Duvenaud 2017). Only with Pathwise.
  sampled_path,
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

enum class WeightedGradient {
  total,  ///< what autograd gives: its signal falls behind its noise as k grows (Rainforth et al.
          ///< 2018)
  /// Through the samples alone, each with its normalized weight squared: unbiased, and with a
  /// signal that grows with k (Tucker et al. 2019, "Doubly reparameterized gradient estimators",
  /// eq. 8; sticking the landing for k = 1). Only with Pathwise.
  doubly_reparameterized,
};

/// The importance-weighted bound E[log 1/k sum_i p(x | z_i) prior(z_i) / q(z_i)] over independent
/// z_1 ... z_k ~ q: the evidence lower bound for k = 1, and larger for larger k (Burda, Grosse,
/// Salakhutdinov 2016, "Importance weighted autoencoders"). Each of the estimator's samples
/// comprises all k.
/// @param q of batch shape [batch, k]: the same distribution k times along the last dimension. Its
///          samples must be in its support: an estimator that relaxes them has no weights. Relaxed
///          codes have weights if q and the prior are relaxed themselves: two ExpRelaxedCategorical
///          and Pathwise, with the likelihood at exp(z) (Maddison, Mnih, Teh 2017, appendix C).
/// @param log_likelihood as for elbo(): [n, batch, event] -> [n, batch].
/// @param gradient       that by q's parameters
/// @return [batch]
GradientEstimate importance_weighted(const Distribution& q, const Distribution& prior,
                                     const Function& log_likelihood, Estimator& estimator,
                                     const Random& random,
                                     WeightedGradient gradient = WeightedGradient::total);

/// The same bound, with the gradient for discrete z by the score function, each z_j being credited
/// with what it adds to the bound: log of the mean weight, less the same with w_j replaced by the
/// geometric mean of the others ("VIMCO": Mnih and Rezende 2016, eq. 8 to 10). Unbiased; evaluates
/// log_likelihood once for each z, and needs no relaxation, baseline or estimator.
/// @param q       of batch shape [batch, k], as above, k >= 2
/// @param samples of all k, averaged
GradientEstimate vimco(const Distribution& q, const Distribution& prior,
                       const Function& log_likelihood, const Random& random,
                       std::int64_t samples = 1);

}  // namespace partita::estimators
