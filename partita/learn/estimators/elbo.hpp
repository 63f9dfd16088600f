// The evidence lower bound, E_q[log p(x | z)] - KL(q || prior) <= log p(x), by any estimator.
//
//   Pathwise pathwise;
//   auto [surrogate, value] = elbo(q, prior, log_likelihood, pathwise, random);
//   (-surrogate.mean()).backward();            // encoder's and decoder's gradients
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

enum class KlTerm {
  analytic,  ///< kl_divergence(q, prior), which must know the pair
  sampled,   ///< log q(z) - log prior(z) at the same samples, which must be in q's support: no
             ///< relaxed ones
};

/// @param log_likelihood log p(x | z), a Function; its own parameters get their gradient too.
/// @return the bound and its gradient, [batch] of q; the prior's batch broadcasts to it.
Estimate elbo(const Distribution& q, const Distribution& prior, const Function& log_likelihood,
              Estimator& estimator, const Random& random, KlTerm kl = KlTerm::analytic);

}  // namespace partita::estimators
