// SPDX-License-Identifier: Apache-2.0
// Shared by the files behind kl_divergence: its tables, and formulas that several pairs use.
// Internal.
#pragma once

#include <ATen/ATen.h>

#include <numbers>
#include <vector>

#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/kl.hpp"

namespace partita::distributions::internal {

// The tables, by the support of p.
std::vector<KlPair> bounded_kl_pairs();       ///< an interval, a simplex
std::vector<KlPair> discrete_kl_pairs();      ///< whole numbers, categories
std::vector<KlPair> multivariate_kl_pairs();  ///< vectors, and distributions made of others
std::vector<KlPair> positive_kl_pairs();      ///< a half-line
std::vector<KlPair> real_kl_pairs();          ///< the real line, a circle
std::vector<KlPair> student_t_kl_pairs();     ///< Student's t, by quadrature

/// `divergence` where `finite`, else +inf.
Tensor infinite_unless(const Tensor& finite, const Tensor& divergence);
/// +inf: p has mass where q has none, whatever the parameters.
Tensor infinite(const Distribution& p, const Distribution& q);

/// The pairs of P and each Q that are infinite.
template <class P, class... Q>
std::vector<KlPair> infinite_pairs() {
  return {kl_pair<P, Q>([](const P& p, const Q& q) { return infinite(p, q); })...};
}

void append(std::vector<KlPair>& pairs, std::vector<KlPair> more);

/// E[-log q(X)] for q = Normal(loc, scale) and an X of this mean and variance.
Tensor normal_cross_entropy(const Tensor& mean, const Tensor& variance, const Tensor& loc,
                            const Tensor& scale);
/// KL(Normal(loc_p, scale_p) || Normal(loc_q, scale_q)).
Tensor normal_kl(const Tensor& loc_p, const Tensor& scale_p, const Tensor& loc_q,
                 const Tensor& scale_q);
/// KL(Cauchy(loc_p, scale_p) || Cauchy(loc_q, scale_q)) (Chyzak and Nielsen 2019, "A closed-form
/// formula for the Kullback-Leibler divergence between Cauchy distributions").
Tensor cauchy_kl(const Tensor& loc_p, const Tensor& scale_p, const Tensor& loc_q,
                 const Tensor& scale_q);
/// E[-log q(X)] for q = Gamma(concentration, rate), from the means of X and of log X.
Tensor gamma_cross_entropy(const Tensor& mean, const Tensor& mean_log, const Tensor& concentration,
                           const Tensor& rate);
/// E[-log q(X)] for q = Gumbel(loc, scale), from the mean of X and log E[exp(-X / scale)].
Tensor gumbel_cross_entropy(const Tensor& mean, const Tensor& log_laplace, const Tensor& loc,
                            const Tensor& scale);

}  // namespace partita::distributions::internal
