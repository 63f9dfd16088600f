// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/elbo.hpp"

#include <ATen/ATen.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/kl.hpp"

namespace partita::estimators {

namespace {

/// Estimators add their own loss to a surrogate that is to fall, so what is to rise goes in and
/// comes out negated.
GradientEstimate rising(Estimator& estimator, const Distribution& distribution, const Function& f,
                        const Random& random) {
  const GradientEstimate cost = estimator(
      distribution, [&](const Tensor& z) { return -f(z); }, random);
  return {-cost.surrogate, -cost.value};
}

}  // namespace

Elbo elbo(const Distribution& q, const Distribution& prior, const Function& log_likelihood,
          Estimator& estimator, const Random& random, KlTerm kl) {
  if (kl == KlTerm::sampled) {
    const Function log_ratio = [&](const Tensor& z) {
      return log_likelihood(z) + (prior.log_prob(z) - q.log_prob(z));
    };
    const GradientEstimate bound = rising(estimator, q, log_ratio, random);
    return {bound.surrogate, bound.value};
  }
  const Tensor divergence = distributions::kl_divergence(q, prior);
  const GradientEstimate reconstruction = rising(estimator, q, log_likelihood, random);
  return {reconstruction.surrogate - divergence, reconstruction.value - divergence.detach(),
          divergence};
}

GradientEstimate importance_weighted(const Distribution& q, const Distribution& prior,
                                     const Function& log_likelihood, Estimator& estimator,
                                     const Random& random) {
  if (q.batch_shape().empty()) {
    throw InvalidArgument("q", "expected a batch shape [..., k], got []");
  }
  const auto k_dim = static_cast<std::int64_t>(q.batch_shape().size());  // in [samples, batch, k]
  const std::int64_t k = q.batch_shape().back();
  const distributions::Independent all(q.expand(q.batch_shape()), 1, /*validate_args=*/false);
  const Function log_mean_weight = [&](const Tensor& z) {
    const Tensor given = log_likelihood(z.movedim(k_dim, 1).flatten(0, 1));  // [samples * k, batch]
    const Tensor log_likelihoods =
        given.view(concatenate({z.size(0), k}, given.sizes().slice(1))).movedim(1, -1);
    const Tensor log_weight = log_likelihoods + (prior.log_prob(z) - q.log_prob(z));
    return distributions::log_sum_exp(log_weight) - std::log(static_cast<double>(k));
  };
  return rising(estimator, all, log_mean_weight, random);
}

}  // namespace partita::estimators
