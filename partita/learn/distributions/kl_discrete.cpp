// SPDX-License-Identifier: Apache-2.0
// kl_divergence from distributions of whole numbers and of categories.
#include <ATen/ExpandUtils.h>
#include <fmt/format.h>

#include <string_view>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/geometric.hpp"
#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/kl_pairs.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/quadrature.hpp"
#include "partita/learn/distributions/internal/subset_law.hpp"
#include "partita/learn/distributions/multinomial.hpp"
#include "partita/learn/distributions/negative_binomial.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/subset.hpp"

namespace partita::distributions::internal {

namespace {

/// p log(p / q) + q - p >= 0, which is to be summed over outcomes whose q - p sum to 0: unlike
/// those of p log(p / q), its terms do not cancel.
Tensor divergence_term(const Tensor& p, const Tensor& log_p, const Tensor& q, const Tensor& log_q) {
  const Tensor near = (q - p).abs() < 0.1 * p;
  const Tensor zero = at::zeros({}, p.options());
  const Tensor d = at::where(near, q - p, zero) / at::where(near, p, zero + 1);
  const Tensor log_ratio = at::where(p == 0, zero, log_q - log_p);
  return at::where(near, p * gap(d, zero), q - p - p * log_ratio);
}

/// count * divergence, where 0 * inf is 0.
Tensor repeated(const Tensor& count, const Tensor& divergence) {
  return -times(count, -divergence);
}

/// The coin that Bernoulli, Binomial, Geometric and NegativeBinomial repeat.
Coin coin_of(const Distribution& distribution) {
  const Parameter& parameter = distribution.parameters().back();
  return {parameter.value, std::string_view(parameter.name) == "logits"};
}

Tensor coin_kl(const Coin& p, const Coin& q) {
  return divergence_term(p.probs(), p.log_probs(), q.probs(), q.log_probs()) +
         divergence_term(p.failure_probs(), p.log_failure_probs(), q.failure_probs(),
                         q.log_failure_probs());
}

Tensor coin_kl(const Distribution& p, const Distribution& q) {
  return coin_kl(coin_of(p), coin_of(q));
}

template <class D>
Tensor category_kl(const D& p, const D& q) {
  const Tensor p_probs = p.probs();
  const Tensor q_probs = q.probs();
  if (p_probs.size(-1) != q_probs.size(-1)) {
    throw InvalidArgument(
        "p, q", fmt::format("kl_divergence: expected as many categories in both, got {} and {}",
                            p.to_string(), q.to_string()));
  }
  return divergence_term(p_probs, p.logits(), q_probs, q.logits()).sum(-1);
}

Tensor binomial_kl(const Binomial& p, const Binomial& q) {
  const auto counts = at::broadcast_tensors({p.total_count(), q.total_count()});
  const Tensor& n = counts[0];
  const Tensor& m = counts[1];
  const Coin q_coin = coin_of(q);
  Tensor divergence = repeated(n, coin_kl(p, q));
  if (!(n == m).all().item<bool>()) {
    // q tosses m - n times more, all in vain, and may choose among m.
    const Tensor fewer = at::minimum(n, m);
    const Tensor choices =
        binomial_expectation(fewer, coin_of(p), [&](const Tensor& k, const Tensor& /*log_p*/) {
          return log_choose(in_double(fewer), k) - log_choose(in_double(m), k);
        });
    divergence = divergence + choices - times(m - fewer, q_coin.log_failure_probs());
  }
  // p may toss more often than q only if always in vain.
  const Tensor never = p.probs() == 0;
  return infinite_unless((n <= m).logical_or(never),
                         at::where(never, -times(m, q_coin.log_failure_probs()), divergence));
}

Tensor multinomial_kl(const Multinomial& p, const Multinomial& q) {
  return infinite_unless(p.total_count() == q.total_count(),
                         repeated(p.total_count(), category_kl(p, q)));
}

Tensor negative_binomial_kl(const NegativeBinomial& p, const NegativeBinomial& q) {
  if (!(p.total_count() == q.total_count()).all().item<bool>()) {
    throw InvalidArgument("total_count",
                          fmt::format("kl_divergence: expected the same in both, got {} and {}",
                                      p.to_string(), q.to_string()));
  }
  return repeated(p.total_count() / coin_of(p).failure_probs(), coin_kl(p, q));
}

/// From logits p to q = p + d: int_0^1 (1 - t) Var(sum_{i in S} d_i; p + t d) dt, the remainder of
/// the log-normalizer's expansion. Nothing cancels, and nothing has a gradient.
Tensor near_subset_kl(const SubsetLaw& p, const SubsetLaw& q) {
  const at::NoGradGuard no_grad;
  const Tensor d = (q.logits - p.logits).nan_to_num(0, 0, 0);
  Tensor sum = at::zeros({}, d.options());
  integrate(1, [&](double t, double weight) {
    const SubsetLaw between = SubsetLaw::of(p.logits + t * d, p.k);
    sum = sum + weight * (1 - t) * (d * between.covariance_times(d)).sum(-1);
  });
  return sum;
}

Tensor subset_kl(const Subset& p, const Subset& q) {
  if (p.event_shape() != q.event_shape()) {
    throw InvalidArgument(
        "p, q", fmt::format("kl_divergence: expected as many categories in both, got {} and {}",
                            p.to_string(), q.to_string()));
  }
  if (p.k() != q.k()) return infinite(p, q);
  const SubsetLaw a = law_of(p);
  const SubsetLaw b = law_of(q);
  const SubsetMarginals marginals = subset_marginals(a.logits, a.k);
  const auto gain = [](const Tensor& chance, const Tensor& log_p, const Tensor& log_q) {
    return chance * at::where(chance == 0, at::zeros({}, chance.options()), log_p - log_q);
  };
  const Tensor divergence = (gain(marginals.included, a.log_heads(), b.log_heads()) +
                             gain(marginals.excluded, a.log_tails(), b.log_tails()))
                                .sum(-1) -
                            a.log_chance + b.log_chance;
  constexpr double kNear = 1e-4;
  const Tensor same_support = (a.logits.isinf() == b.logits.isinf()).all(-1);
  const Tensor near = (divergence.detach() < kNear).logical_and(same_support);
  const Tensor precise = near.any().item<bool>()
                             ? at::where(near, near_subset_kl(a, b), divergence.detach())
                             : divergence.detach();
  return with_derivatives_of(divergence, precise)
      .expand(at::infer_size(p.batch_shape(), q.batch_shape()))
      .to(p.logits().scalar_type());
}

Tensor bernoulli_poisson_kl(const Bernoulli& p, const Poisson& q) {
  // E[log x!] = 0
  return q.rate() - times(p.probs(), log_or_minus_infinity(q.rate())) - p.entropy();
}

}  // namespace

std::vector<KlPair> discrete_kl_pairs() {
  return {
      kl_pair<Bernoulli, Bernoulli>([](const auto& p, const auto& q) { return coin_kl(p, q); }),
      kl_pair<Bernoulli, Poisson>(bernoulli_poisson_kl),
      kl_pair<Binomial, Binomial>(binomial_kl),
      kl_pair<Categorical, Categorical>(category_kl<Categorical>),
      kl_pair<Geometric, Geometric>(
          [](const Geometric& p, const Geometric& q) { return coin_kl(p, q) / p.probs(); }),
      kl_pair<Multinomial, Multinomial>(multinomial_kl),
      kl_pair<NegativeBinomial, NegativeBinomial>(negative_binomial_kl),
      kl_pair<OneHotCategorical, OneHotCategorical>(category_kl<OneHotCategorical>),
      kl_pair<Poisson, Bernoulli>([](const Poisson& p, const Bernoulli& q) {
        return infinite_unless(p.rate() == 0, -coin_of(q).log_failure_probs());
      }),
      kl_pair<Poisson, Binomial>([](const Poisson& p, const Binomial& q) {
        return infinite_unless(p.rate() == 0,
                               -times(q.total_count(), coin_of(q).log_failure_probs()));
      }),
      kl_pair<Poisson, Poisson>([](const Poisson& p, const Poisson& q) {
        return divergence_term(p.rate(), log_or_minus_infinity(p.rate()), q.rate(),
                               log_or_minus_infinity(q.rate()));
      }),
      kl_pair<Subset, Subset>(subset_kl),
  };
}

}  // namespace partita::distributions::internal
