// SPDX-License-Identifier: Apache-2.0
// kl_divergence from distributions on an interval or a simplex.
#include "partita/learn/distributions/beta.hpp"
#include "partita/learn/distributions/continuous_bernoulli.hpp"
#include "partita/learn/distributions/dirichlet.hpp"
#include "partita/learn/distributions/exponential.hpp"
#include "partita/learn/distributions/gamma.hpp"
#include "partita/learn/distributions/gumbel.hpp"
#include "partita/learn/distributions/internal/kl_pairs.hpp"
#include "partita/learn/distributions/internal/special.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/pareto.hpp"
#include "partita/learn/distributions/uniform.hpp"

namespace partita::distributions::internal {

namespace {

/// E[-log q(X)] of an X in [0, 1]: log q is linear in x.
Tensor cross_entropy(const Tensor& mean, const ContinuousBernoulli& q) {
  return -mean * q.logits() - q.log_prob(at::zeros_like(q.logits()));
}

/// log of the integral of e^(s x) over [0, 1].
Tensor log_partition(const Tensor& s) {
  return -ContinuousBernoulli(Logits(s), false).log_prob(at::zeros({}, s.options()));
}

Tensor continuous_bernoulli_kl(const ContinuousBernoulli& p, const ContinuousBernoulli& q) {
  const auto s = at::broadcast_tensors({p.logits(), q.logits()});
  const Tensor d = s[1] - s[0];
  return bregman(
      s[0], d, d.abs() < 1, log_partition,
      [](const Tensor& t) { return ContinuousBernoulli(Logits(t), false).mean(); },
      [](const Tensor& t) { return ContinuousBernoulli(Logits(t), false).variance(); });
}

/// The divergence of log-gamma functions, the one of the sum subtracted: with means a_i / n and
/// b_i / m, sum_i b_i gap(a_i m / (b_i n)) + (sum_i gap(b_i / a_i) - gap(m / n)) / 2 + what
/// stirling() adds, each of which is >= 0.
Tensor dirichlet_kl(const Tensor& a, const Tensor& b) {
  const Tensor n = a.sum(-1, true);
  const Tensor m = b.sum(-1, true);
  const Tensor excess = (a * sum_of_others(b) - b * sum_of_others(a)) / (b * n);
  const Tensor means = b * gap(excess, a.log() - b.log() + m.log() - n.log());
  const auto sizes = [](const Tensor& from, const Tensor& to) {
    return 0.5 * gap((to - from) / from, to.log() - from.log()) +
           stirling_divergence(from, to - from);
  };
  return (means + sizes(a, b)).sum(-1) - sizes(n, m).squeeze(-1);
}

Tensor beta_kl(const Beta& p, const Beta& q) {
  const auto pair = [](const Beta& d) {
    return at::stack({d.concentration1(), d.concentration0()}, -1);
  };
  return dirichlet_kl(pair(p), pair(q));
}

Tensor beta_gamma_kl(const Beta& p, const Gamma& q) {
  const Tensor mean_log =
      at::digamma(p.concentration1()) - at::digamma(p.concentration1() + p.concentration0());
  return gamma_cross_entropy(p.mean(), mean_log, q.concentration(), q.rate()) - p.entropy();
}

/// q = Uniform: the cross-entropy is log(high - low), where p lies within.
Tensor within_uniform(const Tensor& low, const Tensor& high, const Distribution& p,
                      const Uniform& q) {
  return infinite_unless((q.low() <= low).logical_and(q.high() >= high), q.entropy() - p.entropy());
}

/// E[log X] = log(high) - 1 + low / (high - low) log(high / low) of X ~ Uniform(low, high) with
/// low >= 0; 0 where `valid` is false.
Tensor uniform_mean_log(const Tensor& low, const Tensor& high, const Tensor& valid) {
  const Tensor one = at::ones({}, low.options());
  const Tensor ratio = at::where(valid.logical_and(low > 0), (high - low) / low, one);
  const Tensor tail = (at::log1p(ratio) / ratio).masked_fill(low == 0, 0);
  return at::where(valid, at::where(valid, high, one).log() - 1 + tail, one - 1);
}

Tensor uniform_beta_kl(const Uniform& p, const Beta& q) {
  const Tensor valid = (p.low() >= 0).logical_and(p.high() <= 1);
  const Tensor& a = q.concentration1();
  const Tensor& b = q.concentration0();
  return infinite_unless(valid, at::lgamma(a) + at::lgamma(b) - at::lgamma(a + b) - p.entropy() -
                                    (a - 1) * uniform_mean_log(p.low(), p.high(), valid) -
                                    (b - 1) * uniform_mean_log(1 - p.high(), 1 - p.low(), valid));
}

Tensor uniform_gamma_kl(const Uniform& p, const Gamma& q) {
  const Tensor valid = p.low() >= 0;
  return infinite_unless(valid,
                         gamma_cross_entropy(p.mean(), uniform_mean_log(p.low(), p.high(), valid),
                                             q.concentration(), q.rate()) -
                             p.entropy());
}

Tensor uniform_gumbel_kl(const Uniform& p, const Gumbel& q) {
  // E[exp(-X / s)] = exp(-low / s) (1 - e^-t) / t, t = (high - low) / s
  const Tensor t = (p.high() - p.low()) / q.scale();
  const Tensor log_laplace = (-at::expm1(-t) / t).log() - p.low() / q.scale();
  return gumbel_cross_entropy(p.mean(), log_laplace, q.loc(), q.scale()) - p.entropy();
}

Tensor uniform_pareto_kl(const Uniform& p, const Pareto& q) {
  const Tensor valid = p.low() >= q.scale();
  const Tensor mean_log = uniform_mean_log(p.low(), p.high(), valid);
  return infinite_unless(
      valid, q.alpha() * (mean_log - q.scale().log()) + mean_log - q.alpha().log() - p.entropy());
}

}  // namespace

std::vector<KlPair> bounded_kl_pairs() {
  std::vector<KlPair> pairs = {
      kl_pair<Beta, Beta>(beta_kl),
      kl_pair<Beta, ContinuousBernoulli>([](const Beta& p, const ContinuousBernoulli& q) {
        return cross_entropy(p.mean(), q) - p.entropy();
      }),
      kl_pair<Beta, Exponential>([](const Beta& p, const Exponential& q) {
        return q.rate() * p.mean() - q.rate().log() - p.entropy();
      }),
      kl_pair<Beta, Gamma>(beta_gamma_kl),
      kl_pair<Beta, Normal>([](const Beta& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<Beta, Uniform>([](const Beta& p, const Uniform& q) {
        const Tensor mean = p.mean();
        return within_uniform(at::zeros_like(mean), at::ones_like(mean), p, q);
      }),
      kl_pair<ContinuousBernoulli, ContinuousBernoulli>(continuous_bernoulli_kl),
      kl_pair<ContinuousBernoulli, Exponential>(
          [](const ContinuousBernoulli& p, const Exponential& q) {
            return q.rate() * p.mean() - q.rate().log() - p.entropy();
          }),
      kl_pair<ContinuousBernoulli, Normal>([](const ContinuousBernoulli& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<ContinuousBernoulli, Uniform>([](const ContinuousBernoulli& p, const Uniform& q) {
        const Tensor mean = p.mean();
        return within_uniform(at::zeros_like(mean), at::ones_like(mean), p, q);
      }),
      kl_pair<Dirichlet, Dirichlet>([](const Dirichlet& p, const Dirichlet& q) {
        return dirichlet_kl(p.concentration(), q.concentration());
      }),
      kl_pair<Uniform, Beta>(uniform_beta_kl),
      kl_pair<Uniform, ContinuousBernoulli>([](const Uniform& p, const ContinuousBernoulli& q) {
        return infinite_unless((p.low() >= 0).logical_and(p.high() <= 1),
                               cross_entropy(p.mean(), q) - p.entropy());
      }),
      kl_pair<Uniform, Exponential>([](const Uniform& p, const Exponential& q) {
        return infinite_unless(p.low() >= 0, q.rate() * p.mean() - q.rate().log() - p.entropy());
      }),
      kl_pair<Uniform, Gamma>(uniform_gamma_kl),
      kl_pair<Uniform, Gumbel>(uniform_gumbel_kl),
      kl_pair<Uniform, Normal>([](const Uniform& p, const Normal& q) {
        return normal_cross_entropy(p.mean(), p.variance(), q.loc(), q.scale()) - p.entropy();
      }),
      kl_pair<Uniform, Pareto>(uniform_pareto_kl),
      kl_pair<Uniform, Uniform>([](const Uniform& p, const Uniform& q) {
        return within_uniform(p.low(), p.high(), p, q);
      }),
  };
  append(pairs, infinite_pairs<Beta, Pareto>());
  append(pairs, infinite_pairs<ContinuousBernoulli, Pareto>());
  return pairs;
}

}  // namespace partita::distributions::internal
