// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/elbo.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/estimators/internal/discrete.hpp"

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

/// log q(z), with a gradient through z and none by q's own parameters.
Tensor path_log_prob(const Distribution& q, const Tensor& z) {
  const Tensor score = q.log_prob(z.detach());
  return q.log_prob(z) - (score - score.detach());
}

/// The importance weights of z [n, batch, k, event], where q is [batch, k]: their logarithms,
/// [n, batch, k].
Tensor log_weights(const Distribution& q, const Distribution& prior, const Function& log_likelihood,
                   const Tensor& z, const Tensor& log_q) {
  const auto k_dim = static_cast<std::int64_t>(q.batch_shape().size());    // in [n, batch, k]
  const Tensor given = log_likelihood(z.movedim(k_dim, 1).flatten(0, 1));  // [n * k, batch]
  const Tensor log_likelihoods =
      given.view(concatenate({z.size(0), q.batch_shape().back()}, given.sizes().slice(1)))
          .movedim(1, -1);
  return log_likelihoods + (prior.log_prob(z) - log_q);
}

Tensor log_mean(const Tensor& log_weight) {
  return distributions::log_sum_exp(log_weight) -
         std::log(static_cast<double>(log_weight.size(-1)));
}

void check_copies(const Distribution& q) {
  if (q.batch_shape().empty()) {
    throw InvalidArgument("q", "expected a batch shape [..., k], got []");
  }
}

}  // namespace

Elbo elbo(const Distribution& q, const Distribution& prior, const Function& log_likelihood,
          Estimator& estimator, const Random& random, KlTerm kl) {
  if (kl != KlTerm::analytic) {
    const Function log_ratio = [&](const Tensor& z) {
      const Tensor log_q = kl == KlTerm::sampled ? q.log_prob(z) : path_log_prob(q, z);
      return log_likelihood(z) + (prior.log_prob(z) - log_q);
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
                                     const Random& random, WeightedGradient gradient) {
  check_copies(q);
  const distributions::Independent all(q.expand(q.batch_shape()), 1, /*validate_args=*/false);
  const Function log_mean_weight = [&](const Tensor& given) {
    if (gradient == WeightedGradient::total) {
      return log_mean(log_weights(q, prior, log_likelihood, given, q.log_prob(given)));
    }
    // The bound's own gradient gives each z its weight once; the second is put on its way back.
    const Tensor z = given.view_as(given);
    const Tensor log_weight = log_weights(q, prior, log_likelihood, z, path_log_prob(q, z));
    if (z.requires_grad()) {
      const Tensor weight = log_weight.detach().softmax(-1);
      z.register_hook(
          [weight = unsqueeze_event(weight, q)](const Tensor& g) { return g * weight; });
    }
    return log_mean(log_weight);
  };
  return rising(estimator, all, log_mean_weight, random);
}

GradientEstimate vimco(const Distribution& q, const Distribution& prior,
                       const Function& log_likelihood, const Random& random, std::int64_t samples) {
  check_copies(q);
  const std::int64_t k = q.batch_shape().back();
  if (k < 2) {
    throw InvalidArgument("q", fmt::format("expected a batch shape [..., k] with k >= 2, got {}",
                                           to_string(q.batch_shape())));
  }
  check_at_least("samples", samples, 1);
  const Tensor z = q.sample({samples}, random);
  const Tensor log_q = q.log_prob(z);
  const Tensor log_weight = log_weights(q, prior, log_likelihood, z, log_q);
  const Tensor bound = log_mean(log_weight);
  // [n, batch, j, i]: the logarithms of all weights, that of j being the others' mean.
  const Tensor given = log_weight.detach();
  const Tensor own = at::eye(k, given.options()) == 1;
  const Tensor all = given.unsqueeze(-2);
  // Not their sum less the own: a weight of 0 has the logarithm -inf.
  const Tensor mean_of_others = all.masked_fill(own, 0).sum(-1, true) / static_cast<double>(k - 1);
  const Tensor without = at::where(own, mean_of_others, all);
  const Tensor credit = bound.detach().unsqueeze(-1) - log_mean(without);
  const Tensor surrogate = bound + (credit * log_q).sum(-1);
  return {surrogate.mean(0), bound.detach().mean(0)};
}

}  // namespace partita::estimators
