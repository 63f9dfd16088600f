// kl_divergence from distributions of whole numbers and of categories.
#include <fmt/format.h>

#include <limits>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/categorical.hpp"
#include "partita/learn/distributions/kl_pairs.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"

namespace partita::distributions::internal {

namespace {

/// Probabilities and their logarithms.
struct Outcome {
  Tensor p;
  Tensor log_p;
};

/// p log(p / q) + q - p >= 0, which is to be summed over outcomes whose q - p sum to 0: unlike
/// those of p log(p / q), its terms do not cancel.
Tensor divergence_term(const Outcome& p, const Outcome& q) {
  const Tensor near = (q.p - p.p).abs() < 0.1 * p.p;
  const Tensor zero = at::zeros({}, p.p.options());
  const Tensor d = at::where(near, q.p - p.p, zero) / at::where(near, p.p, zero + 1);
  const Tensor log_ratio = at::where(p.p == 0, zero, q.log_p - p.log_p);
  return at::where(near, p.p * gap(d, zero), q.p - p.p - p.p * log_ratio);
}

Outcome success(const Tensor& probs) {
  return {probs, at::where(probs == 0, at::ones({}, probs.options()), probs)
                     .log()
                     .masked_fill(probs == 0, -std::numeric_limits<double>::infinity())};
}

/// 1 and 0 of a coin that is given by its probs or its logits.
template <class D>
std::pair<Outcome, Outcome> outcomes(const D& distribution) {
  for (const Parameter& parameter : distribution.parameters()) {
    if (std::string_view(parameter.name) == "logits") {
      const Tensor& x = parameter.value;
      return {{x.sigmoid(), at::log_sigmoid(x)}, {(-x).sigmoid(), at::log_sigmoid(-x)}};
    }
  }
  const Tensor p = distribution.probs();
  const Tensor certain = p == 1;
  const Tensor log_failure = at::log1p(-at::where(certain, at::zeros({}, p.options()), p))
                                 .masked_fill(certain, -std::numeric_limits<double>::infinity());
  return {success(p), {1 - p, log_failure}};
}

/// Of the one draw that each of Bernoulli, Binomial, Geometric and NegativeBinomial repeats.
template <class D>
Tensor coin_kl(const D& p, const D& q) {
  const auto [p1, p0] = outcomes(p);
  const auto [q1, q0] = outcomes(q);
  return divergence_term(p1, q1) + divergence_term(p0, q0);
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
  return divergence_term({p_probs, p.logits()}, {q_probs, q.logits()}).sum(-1);
}

}  // namespace

std::vector<KlPair> discrete_kl_pairs() {
  return {
      kl_pair<Bernoulli, Bernoulli>(coin_kl<Bernoulli>),
      kl_pair<Categorical, Categorical>(category_kl<Categorical>),
      kl_pair<OneHotCategorical, OneHotCategorical>(category_kl<OneHotCategorical>),
  };
}

}  // namespace partita::distributions::internal
