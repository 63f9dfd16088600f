// SPDX-License-Identifier: Apache-2.0
// kl_divergence from distributions on the real line and on the circle.
#include <cmath>
#include <numbers>

#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/cauchy.hpp"
#include "partita/learn/distributions/continuous_bernoulli.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/internal/kl_pairs.hpp"
#include "partita/learn/distributions/laplace.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/pareto.hpp"
#include "partita/learn/distributions/uniform.hpp"
#include "partita/learn/distributions/von_mises.hpp"

namespace partita::distributions::internal {

namespace {

Tensor gumbel_kl(const Gumbel& p, const Gumbel& q) {
  const Tensor ratio = p.scale() / q.scale();
  const Tensor shift = (p.loc() - q.loc()) / q.scale();
  // shift - log ratio + gamma ratio + e^u - (1 + gamma), u = log Gamma(1 + ratio) - shift
  const Tensor u = at::lgamma(1 + ratio) - shift;
  return gap(at::expm1(u), u) +
         log_gamma_divergence(at::ones_like(ratio), (p.scale() - q.scale()) / q.scale());
}

Tensor laplace_kl(const Laplace& p, const Laplace& q) {
  // With u = |loc difference| / p.scale: r (u + e^-u - 1) + (r - 1 - log r)
  const Tensor u = (p.loc() - q.loc()).abs() / p.scale();
  return p.scale() / q.scale() * gap(at::expm1(-u), -u) + ratio_gap(p.scale(), q.scale());
}

Tensor normal_gumbel_kl(const Normal& p, const Gumbel& q) {
  const Tensor log_laplace = 0.5 * (p.scale() / q.scale()).square() - p.loc() / q.scale();
  return gumbel_cross_entropy(p.loc(), log_laplace, q.loc(), q.scale()) - p.entropy();
}

Tensor normal_laplace_kl(const Normal& p, const Laplace& q) {
  // E|X - m| of a normal X (the mean of a folded normal)
  const Tensor z = (p.loc() - q.loc()) / p.scale();
  const Tensor mean_distance =
      p.scale() * (std::sqrt(2 / std::numbers::pi) * (-0.5 * z.square()).exp() +
                   z * at::erf(z / std::numbers::sqrt2));
  return mean_distance / q.scale() + (2 * q.scale()).log() - p.entropy();
}

/// With the density exp(k cos(x - m)) / (2 pi I0(k)), the mean of cos(X - m) is A = I1(k) / I0(k).
Tensor von_mises_kl(const VonMises& p, const VonMises& q) {
  const auto k = at::broadcast_tensors({p.concentration(), q.concentration()});
  const Tensor d = k[1] - k[0];
  const Tensor versine = 2 * (0.5 * (p.loc() - q.loc())).sin().square();  // 1 - cos
  // Both functions less their slope of 1, which the divergence does not see.
  return bregman(
             k[0], d, d.abs() < 0.5 * k[0].clamp_min(1),
             [](const Tensor& t) { return at::special_i0e(t).log(); },
             [](const Tensor& t) { return -expected_versine(t); }, bessel_ratio_slope) +
         k[1] * (1 - expected_versine(k[0])) * versine;
}

}  // namespace

std::vector<KlPair> real_kl_pairs() {
  std::vector<KlPair> pairs = {
      kl_pair<Cauchy, Cauchy>([](const Cauchy& p, const Cauchy& q) {
        return cauchy_kl(p.loc(), p.scale(), q.loc(), q.scale());
      }),
      kl_pair<Gumbel, Gumbel>(gumbel_kl),
      kl_pair<Gumbel, Normal>([](const Gumbel& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<Laplace, Laplace>(laplace_kl),
      kl_pair<Laplace, Normal>([](const Laplace& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<Normal, Gumbel>(normal_gumbel_kl),
      kl_pair<Normal, Laplace>(normal_laplace_kl),
      kl_pair<Normal, Normal>([](const Normal& p, const Normal& q) {
        return normal_kl(p.loc(), p.scale(), q.loc(), q.scale());
      }),
      kl_pair<VonMises, VonMises>(von_mises_kl),
  };
  append(pairs,
         infinite_pairs<Gumbel, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform>());
  append(pairs,
         infinite_pairs<Laplace, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform>());
  append(pairs,
         infinite_pairs<Normal, Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform>());
  return pairs;
}

}  // namespace partita::distributions::internal
