// SPDX-License-Identifier: Apache-2.0
// kl_divergence of vectors, and of distributions that are made of others.
#include <fmt/format.h>

#include <algorithm>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/internal/kl_pairs.hpp"
#include "partita/learn/distributions/multivariate_normal.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/transformed_distribution.hpp"
#include "partita/learn/distributions/wishart.hpp"

namespace partita::distributions::internal {

namespace {

/// The sum of all squares of each matrix.
Tensor squared_norm(const Tensor& matrix) { return matrix.square().sum({-2, -1}); }

Tensor sum_log_diagonal(const Tensor& matrix) { return matrix.diagonal(0, -2, -1).log().sum(-1); }

/// A covariance S = L L' given by its Cholesky factor.
struct Dense {
  explicit Dense(const MultivariateNormal& distribution) : tril(distribution.scale_tril()) {}

  Tensor half_log_determinant() const { return sum_log_diagonal(tril); }
  /// tr(M' S^-1 M)
  Tensor quadratic(const Tensor& m) const {
    return squared_norm(at::linalg_solve_triangular(tril, m, /*upper=*/false));
  }
  /// tr(S^-1 D), D = diag(d)
  Tensor trace_with_diagonal(const Tensor& d) const { return quadratic(d.sqrt().diag_embed()); }
  /// tr(Q^-1 S)
  template <class Q>
  Tensor trace_under(const Q& q) const {
    return q.quadratic(tril);
  }

  Tensor tril;
};

/// A covariance S = W W' + D, D = diag(d), of r columns W: with C = I + W' D^-1 W = K K' and
/// A = K^-1 W' D^-1, S^-1 = D^-1 - A' A (Woodbury) and |S| = |C| |D|. In O(n r^2).
struct LowRank {
  explicit LowRank(const LowRankMultivariateNormal& distribution)
      : factor(distribution.cov_factor()), diagonal(distribution.cov_diag()) {
    const Tensor scaled = factor.mT() / diagonal.unsqueeze(-2);
    const Tensor capacitance =
        at::matmul(scaled, factor) + at::eye(factor.size(-1), factor.options());
    capacitance_tril = at::linalg_cholesky(capacitance);
    a = at::linalg_solve_triangular(capacitance_tril, scaled, /*upper=*/false);
  }

  Tensor half_log_determinant() const {
    return sum_log_diagonal(capacitance_tril) + 0.5 * diagonal.log().sum(-1);
  }
  Tensor quadratic(const Tensor& m) const {
    return squared_norm(m / diagonal.sqrt().unsqueeze(-1)) - squared_norm(at::matmul(a, m));
  }
  Tensor trace_with_diagonal(const Tensor& d) const {
    return (d / diagonal).sum(-1) - squared_norm(a * d.sqrt().unsqueeze(-2));
  }
  template <class Q>
  Tensor trace_under(const Q& q) const {
    return q.quadratic(factor) + q.trace_with_diagonal(diagonal);
  }

  Tensor factor;
  Tensor diagonal;
  Tensor capacitance_tril;
  Tensor a;
};

/// (log |Q| / |P| - n + tr(Q^-1 P) + (m_q - m_p)' Q^-1 (m_q - m_p)) / 2
template <class CovarianceP, class CovarianceQ, class P, class Q>
Tensor gaussian_kl(const P& p, const Q& q) {
  const CovarianceP covariance_p(p);
  const CovarianceQ covariance_q(q);
  return covariance_q.half_log_determinant() - covariance_p.half_log_determinant() +
         0.5 * (covariance_p.trace_under(covariance_q) - static_cast<double>(p.loc().size(-1)) +
                covariance_q.quadratic((q.loc() - p.loc()).unsqueeze(-1)));
}

/// The same of two Cholesky factors P and Q: with M = Q^-1 P, of which the diagonal is p_i / q_i,
/// the sum over i of (p_i / q_i)^2 / 2 - 1/2 - log(p_i / q_i), and half the squares of M's other
/// entries and of Q^-1 (m_q - m_p). Nothing cancels.
Tensor dense_kl(const MultivariateNormal& p, const MultivariateNormal& q) {
  const Tensor tril_p = p.scale_tril();
  const Tensor tril_q = q.scale_tril();
  const Tensor of_p = tril_p.diagonal(0, -2, -1);
  const Tensor of_q = tril_q.diagonal(0, -2, -1);
  const Tensor excess = (of_p - of_q) / of_q;
  const auto solve = [&](const Tensor& m) {
    return at::linalg_solve_triangular(tril_q, m, /*upper=*/false);
  };
  return (ratio_gap(of_p, of_q) + 0.5 * excess.square()).sum(-1) +
         0.5 * (squared_norm(solve(tril_p).tril(-1)) +
                squared_norm(solve((q.loc() - p.loc()).unsqueeze(-1))));
}

/// The density is proportional to |X|^((df - D - 1) / 2) exp(-tr(S^-1 X) / 2).
Tensor wishart_kl(const Wishart& p, const Wishart& q) {
  const auto d = static_cast<double>(p.event_shape()[0]);
  const auto natural = [](const Wishart& w) {
    return std::vector<Tensor>{0.5 * w.df(), -0.5 * w.precision_matrix()};
  };
  const auto log_normalizer = [d](const std::vector<Tensor>& eta) {
    const Tensor half_degrees = eta[0].unsqueeze(-1) - 0.5 * at::arange(d, eta[0].options());
    return at::lgamma(half_degrees).sum(-1) -
           2 * eta[0] * sum_log_diagonal(at::linalg_cholesky(-eta[1]));
  };
  return exponential_family_kl(log_normalizer, natural(p), natural(q));
}

Tensor independent_kl(const Independent& p, const Independent& q) {
  const std::int64_t dims = p.reinterpreted_batch_ndims();
  if (dims != q.reinterpreted_batch_ndims()) {
    throw InvalidArgument("reinterpreted_batch_ndims",
                          fmt::format("kl_divergence: expected the same in both, got {} and {}",
                                      dims, q.reinterpreted_batch_ndims()));
  }
  return sum_rightmost(kl_divergence(p.base_dist(), q.base_dist()), dims);
}

/// Independent normal variables as one normal vector.
MultivariateNormal as_vector(const Independent& independent) {
  const auto* normal = dynamic_cast<const Normal*>(&independent.base_dist());
  if (normal == nullptr || independent.reinterpreted_batch_ndims() != 1) {
    throw InvalidArgument("p, q",
                          fmt::format("kl_divergence: expected Independent(Normal, 1) beside a "
                                      "normal vector, got {}",
                                      independent.to_string()));
  }
  return {normal->loc(), ScaleTril(normal->scale().diag_embed()), /*validate_args=*/false};
}

template <class P>
std::vector<KlPair> pairs_with_independent() {
  return {kl_pair<P, Independent>(
              [](const P& p, const Independent& q) { return kl_divergence(p, as_vector(q)); }),
          kl_pair<Independent, P>(
              [](const Independent& p, const P& q) { return kl_divergence(as_vector(p), q); })};
}

/// A bijection of both changes nothing. (Python allows other maps, which lose some of it.)
Tensor transformed_kl(const TransformedDistribution& p, const TransformedDistribution& q) {
  const auto same = [](const AnyTransform& a, const AnyTransform& b) {
    return a.ptr()->bijective() && a.ptr()->equals(*b.ptr());
  };
  if (!std::equal(p.transforms().begin(), p.transforms().end(), q.transforms().begin(),
                  q.transforms().end(), same)) {
    throw InvalidArgument(
        "transforms",
        fmt::format("kl_divergence: expected the same in both, all of them bijective, "
                    "got {} and {}",
                    p.to_string(), q.to_string()));
  }
  const Tensor divergence = kl_divergence(p.base_dist(), q.base_dist());
  return sum_rightmost(
      divergence, divergence.dim() - static_cast<std::int64_t>(
                                         std::max(p.batch_shape().size(), q.batch_shape().size())));
}

}  // namespace

std::vector<KlPair> multivariate_kl_pairs() {
  std::vector<KlPair> pairs = {
      kl_pair<Independent, Independent>(independent_kl),
      kl_pair<LowRankMultivariateNormal, LowRankMultivariateNormal>(
          gaussian_kl<LowRank, LowRank, LowRankMultivariateNormal, LowRankMultivariateNormal>),
      kl_pair<LowRankMultivariateNormal, MultivariateNormal>(
          gaussian_kl<LowRank, Dense, LowRankMultivariateNormal, MultivariateNormal>),
      kl_pair<MultivariateNormal, LowRankMultivariateNormal>(
          gaussian_kl<Dense, LowRank, MultivariateNormal, LowRankMultivariateNormal>),
      kl_pair<MultivariateNormal, MultivariateNormal>(dense_kl),
      kl_pair<TransformedDistribution, TransformedDistribution>(transformed_kl),
      kl_pair<Wishart, Wishart>(wishart_kl),
  };
  append(pairs, pairs_with_independent<MultivariateNormal>());
  append(pairs, pairs_with_independent<LowRankMultivariateNormal>());
  return pairs;
}

}  // namespace partita::distributions::internal
