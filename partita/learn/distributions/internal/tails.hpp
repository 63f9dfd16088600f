// SPDX-License-Identifier: Apache-2.0
// Both tails of the gamma, beta and von Mises distributions, and how a point of fixed probability
// moves with the parameters: the regularized incomplete gamma and beta functions, accurate far into
// either tail, with their derivatives. (libtorch 1.13 has no incomplete beta function, its
// _standard_gamma_grad errs by up to 1 %, and its _dirichlet_grad is off by factors of 10 to 100
// where x * (other concentration) is large and the other concentration exceeds 1e4.)
//
//   const Tails t = gamma_tails(std::log(x), concentration);
//   t.log_upper                                  // log Q(concentration, x)
//
// Around the center a tail is its density times an integral of positive, log-concave terms: with t
// the point x moved outward by u,
//
//   P(X <= x) / p(x) = integral over u > 0 of p(t) / p(x),
//
// which one Gauss-Legendre rule gets right for every size of the parameters, since the integrand
// falls to 1e-17 at a distance that is easily found. Its derivative with respect to a parameter has
// the same integrand times the score d log p(t) / d parameter. Close to an end of the support,
// power series take over (DLMF 8.7.1 and 8.17.7). Densities are in Loader's form ("Fast and
// accurate computation of binomial probabilities", 2000), which does not cancel where parameters
// are large.
#pragma once

namespace partita::distributions {

/// Tails of a random variable Y at y. Relative errors of probabilities and shifts are below 1e-11
/// for parameters in [1e-3, 1e5] (tails_test.cpp), and grow as parameter^(1/2) * 1e-16 beyond.
struct Tails {
  double log_lower;    ///< log P(Y <= y)
  double log_upper;    ///< log P(Y > y)
  double log_density;  ///< log density of Y at y
  /// dy / d parameter with P(Y <= y) held: -(dP / d parameter) / density. The implicit gradient of
  /// a draw (Figurnov, Mohamed, Mnih 2018, equation 5).
  double shift[2];
};

/// Y = log X, X ~ Gamma(concentration, 1).
Tails gamma_tails(double y, double concentration);

/// Y = logit X, X ~ Beta(a, b).
Tails beta_tails(double y, double a, double b);

/// Y the angle in [-pi, pi] of the von Mises distribution around 0.
Tails von_mises_tails(double y, double concentration);

}  // namespace partita::distributions
