#include "partita/learn/estimators/elbo.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/kl.hpp"

namespace partita::estimators {

Estimate elbo(const Distribution& q, const Distribution& prior, const Function& log_likelihood,
              Estimator& estimator, const Random& random, KlTerm kl) {
  if (kl == KlTerm::sampled) {
    const Function log_ratio = [&](const Tensor& z) {
      return log_likelihood(z) + (prior.log_prob(z) - q.log_prob(z));
    };
    return estimator(q, log_ratio, random);
  }
  const Tensor divergence = distributions::kl_divergence(q, prior);
  const Estimate reconstruction = estimator(q, log_likelihood, random);
  return {reconstruction.surrogate - divergence, reconstruction.value - divergence.detach()};
}

}  // namespace partita::estimators
