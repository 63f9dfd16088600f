// SPDX-License-Identifier: Apache-2.0
// The Kullback-Leibler divergence of two distributions, in closed form (with Student's t, by
// quadrature).
//
//   kl_divergence(Normal(loc, scale), Normal(0, 1)).sum()          // an ELBO's regularizer
//   kl_divergence(Gamma(2, 1), Exponential(0.5))
//
//   register_kl<Triangular, Uniform>(                               // a pair of your own
//       [](const Triangular& p, const Uniform& q) -> Tensor { ... });
#pragma once

#include <functional>
#include <type_traits>
#include <typeindex>
#include <typeinfo>
#include <utility>
#include <vector>

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// KL(p || q) = E_p[log p(x) - log q(x)], of the shape to which both batch shapes broadcast.
///
/// Covers every pair in Python's registry, normal vectors beside Independent(Normal, 1), StudentT
/// and Normal in either place, and, for p and q of the same family, also InverseGamma, Multinomial,
/// NegativeBinomial, StudentT, VonMises, Weibull and Wishart. 0 log 0 is 0; +inf where q is 0 and p
/// is not. For nearly equal p and q of the same family no digits are lost (so no divergence comes
/// out below 0, as Python's can in single precision): coins, counts and categories, Normal and what
/// is built on it, Cauchy, Exponential, Laplace and Pareto.
///
/// A pair registered for exactly the types of p and q comes first, then the one registered last for
/// classes they derive from; the caller's own pairs come before the library's.
/// @throws NotAvailable (not_available.hpp) if there is no such pair; InvalidArgument if the shapes
///         do not fit.
Tensor kl_divergence(const Distribution& p, const Distribution& q);

/// KL(p || q) of two members exp(sum_i eta_i t_i(x) - F(eta)) h(x) of an exponential family: the
/// Bregman divergence F(eta_q) - F(eta_p) - (eta_q - eta_p) . grad F(eta_p) (Nielsen and Nock 2010,
/// "Entropies and cross-entropies of exponential families"), with grad F by autograd, and without
/// cancellation where p and q are close.
///
///   register_kl<Maxwell, Maxwell>([](const Maxwell& p, const Maxwell& q) {   // eta = -1 / (2 a^2)
///     return exponential_family_kl([](const auto& eta) { return -1.5 * (-eta[0]).log(); },
///                                  {-0.5 / p.a().square()}, {-0.5 / q.a().square()});
///   });
///
/// @param log_normalizer F, of the batch's shape, up to a constant; differentiable twice
/// @param eta_p, eta_q natural parameters: tensors of the same shapes in both, which begin with the
///        batch's, in double precision
Tensor exponential_family_kl(
    const std::function<Tensor(const std::vector<Tensor>& eta)>& log_normalizer,
    const std::vector<Tensor>& eta_p, const std::vector<Tensor>& eta_q);

namespace internal {

struct KlPair {
  std::type_index p;
  std::type_index q;
  bool (*derived)(const Distribution& p, const Distribution& q);
  std::function<Tensor(const Distribution& p, const Distribution& q)> divergence;
};

/// f(const P&, const Q&) -> Tensor, whose shape broadcasts to that of both batch shapes.
template <class P, class Q, class F>
KlPair kl_pair(F f) {
  static_assert(std::is_base_of_v<Distribution, P> && std::is_base_of_v<Distribution, Q>);
  return {typeid(P), typeid(Q),
          [](const Distribution& p, const Distribution& q) {
            return dynamic_cast<const P*>(&p) != nullptr && dynamic_cast<const Q*>(&q) != nullptr;
          },
          [f = std::move(f)](const Distribution& p, const Distribution& q) -> Tensor {
            return f(dynamic_cast<const P&>(p), dynamic_cast<const Q&>(q));
          }};
}

void add_kl_pair(KlPair pair);

}  // namespace internal

/// Makes kl_divergence(p, q) of a P and a Q (or of classes derived from them) call f(p, q), which
/// returns the divergences of the batch. Any thread may call it at any time; the pair stays
/// registered for the whole process, as in Python, so that every caller of kl_divergence sees it.
template <class P, class Q, class F>
void register_kl(F f) {
  internal::add_kl_pair(internal::kl_pair<P, Q>(std::move(f)));
}

}  // namespace partita::distributions
