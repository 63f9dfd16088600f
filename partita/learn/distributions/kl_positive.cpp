// SPDX-License-Identifier: Apache-2.0
// kl_divergence from distributions on a half-line.
#include <numbers>

#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/continuous_bernoulli.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/half_cauchy.hpp"
#include "partita/learn/distributions/half_normal.hpp"
#include "partita/learn/distributions/internal/kl_pairs.hpp"
#include "partita/learn/distributions/inverse_gamma.hpp"
#include "partita/learn/distributions/log_normal.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/pareto.hpp"
#include "partita/learn/distributions/uniform.hpp"
#include "partita/learn/distributions/weibull.hpp"

namespace partita::distributions::internal {

namespace {

Tensor exponential_gumbel_kl(const Exponential& p, const Gumbel& q) {
  const Tensor log_laplace = -at::log1p((p.rate() * q.scale()).reciprocal());
  return gumbel_cross_entropy(p.mean(), log_laplace, q.loc(), q.scale()) - p.entropy();
}

Tensor gamma_gumbel_kl(const Gamma& p, const Gumbel& q) {
  const Tensor log_laplace = -p.concentration() * at::log1p((p.rate() * q.scale()).reciprocal());
  return gumbel_cross_entropy(p.mean(), log_laplace, q.loc(), q.scale()) - p.entropy();
}

/// Of Gamma(a, rate_p) and Gamma(b, rate_q): b gap(r), r the ratio of their means, and what
/// log_gamma_divergence() has beyond that of a and b.
Tensor gamma_kl(const Tensor& a, const Tensor& rate_p, const Tensor& b, const Tensor& rate_q) {
  const Tensor concentrations = (a - b) / b;
  const Tensor rates = (rate_q - rate_p) / rate_p;
  const Tensor log_ratio = a.log() - b.log() + rate_q.log() - rate_p.log();
  return b * gap(concentrations + rates + concentrations * rates, log_ratio) +
         0.5 * ratio_gap(b, a) + stirling_divergence(a, b - a);
}

/// For Gamma and InverseGamma alike: the divergences of X and of 1 / X are equal.
template <class D>
Tensor gamma_kl(const D& p, const D& q) {
  return gamma_kl(p.concentration(), p.rate(), q.concentration(), q.rate());
}

/// An Exponential is a Gamma.
Tensor one(const Distribution& like) { return at::ones({}, like.options()); }

/// The mean of a Pareto where it is finite (alpha > 1), and 1 elsewhere, where it is not used.
Tensor finite_mean(const Pareto& p) {
  const Tensor alpha = at::where(p.alpha() > 1, p.alpha(), at::full({}, 2, p.options()));
  return p.scale() * alpha / (alpha - 1);
}

Tensor pareto_exponential_kl(const Pareto& p, const Exponential& q) {
  return infinite_unless(p.alpha() > 1, q.rate() * finite_mean(p) - q.rate().log() - p.entropy());
}

Tensor pareto_gamma_kl(const Pareto& p, const Gamma& q) {
  const Tensor mean_log = p.scale().log() + p.alpha().reciprocal();
  return infinite_unless(
      p.alpha() > 1,
      gamma_cross_entropy(finite_mean(p), mean_log, q.concentration(), q.rate()) - p.entropy());
}

Tensor pareto_normal_kl(const Pareto& p, const Normal& q) {
  const Tensor finite = p.alpha() > 2;
  const Tensor alpha = at::where(finite, p.alpha(), at::full({}, 3, p.options()));
  const Tensor variance = (p.scale() / (alpha - 1)).square() * alpha / (alpha - 2);
  const Tensor mean = p.scale() * alpha / (alpha - 1);
  return infinite_unless(finite,
                         normal_cross_entropy(mean, variance, q.loc(), q.scale()) - p.entropy());
}

/// Bauckhage 2013, "Computing the Kullback-Leibler divergence between two Weibull distributions".
/// (X / scale)^concentration is Exponential(1), of mean log -gamma.
Tensor weibull_kl(const Weibull& p, const Weibull& q) {
  const Tensor ratio = q.concentration() / p.concentration();
  const Tensor log_scale = q.concentration() * (p.scale().log() - q.scale().log());
  // ratio gamma - log ratio - log_scale + e^u - (1 + gamma), u = log_scale + log Gamma(1 + ratio)
  const Tensor u = log_scale + at::lgamma(1 + ratio);
  return gap(at::expm1(u), u) + log_gamma_divergence(at::ones_like(ratio), ratio - 1);
}

}  // namespace

std::vector<KlPair> positive_kl_pairs() {
  std::vector<KlPair> pairs = {
      kl_pair<Exponential, Exponential>(
          [](const Exponential& p, const Exponential& q) { return ratio_gap(q.rate(), p.rate()); }),
      kl_pair<Exponential, Gamma>([](const Exponential& p, const Gamma& q) {
        return gamma_kl(one(p), p.rate(), q.concentration(), q.rate());
      }),
      kl_pair<Exponential, Gumbel>(exponential_gumbel_kl),
      kl_pair<Exponential, Normal>([](const Exponential& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<Gamma, Exponential>([](const Gamma& p, const Exponential& q) {
        return gamma_kl(p.concentration(), p.rate(), one(q), q.rate());
      }),
      kl_pair<Gamma, Gamma>(gamma_kl<Gamma>),
      kl_pair<Gamma, Gumbel>(gamma_gumbel_kl),
      kl_pair<Gamma, Normal>([](const Gamma& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<HalfCauchy, HalfCauchy>([](const HalfCauchy& p, const HalfCauchy& q) {
        const Tensor zero = at::zeros({}, p.options());
        return cauchy_kl(zero, p.scale(), zero, q.scale());
      }),
      kl_pair<HalfNormal, HalfNormal>([](const HalfNormal& p, const HalfNormal& q) {
        const Tensor zero = at::zeros({}, p.options());
        return normal_kl(zero, p.scale(), zero, q.scale());
      }),
      kl_pair<InverseGamma, InverseGamma>(gamma_kl<InverseGamma>),
      kl_pair<LogNormal, LogNormal>([](const LogNormal& p, const LogNormal& q) {
        return normal_kl(p.loc(), p.scale(), q.loc(), q.scale());
      }),
      kl_pair<Pareto, Exponential>(pareto_exponential_kl),
      kl_pair<Pareto, Gamma>(pareto_gamma_kl),
      kl_pair<Pareto, Normal>(pareto_normal_kl),
      kl_pair<Pareto, Pareto>([](const Pareto& p, const Pareto& q) {
        return infinite_unless(
            p.scale() >= q.scale(),
            ratio_gap(q.alpha(), p.alpha()) +
                q.alpha() * at::log1p((p.scale() - q.scale()).clamp_min(0) / q.scale()));
      }),
      kl_pair<Weibull, Weibull>(weibull_kl),
  };
  append(pairs, infinite_pairs<Exponential, Beta, ContinuousBernoulli, Pareto, Uniform>());
  append(pairs, infinite_pairs<Gamma, Beta, ContinuousBernoulli, Pareto, Uniform>());
  append(pairs, infinite_pairs<Pareto, Beta, ContinuousBernoulli, Uniform>());
  return pairs;
}

}  // namespace partita::distributions::internal
