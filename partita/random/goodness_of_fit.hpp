// SPDX-License-Identifier: Apache-2.0
// Whether draws have the distribution they should: p-values of Pearson's chi-square test and of
// the Kolmogorov-Smirnov test.
//
//   std::vector<double> counts(6), expected(6, rolls / 6.0);
//   ...
//   double p = partita::chi_square_p_value(counts, expected);
//   if (p < partita::kFalseAlarm) throw std::runtime_error("the die is loaded");
//
// With a fixed seed such a test either always passes or always fails; a bound on p is the chance
// that a correct generator was given an unlucky seed.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <vector>

namespace partita {

/// The bound on p that this library's own tests and its tour use.
inline constexpr double kFalseAlarm = 1e-6;

/// The z_score() of a correct estimator exceeds this with probability kFalseAlarm.
inline constexpr double kFiveSigma = 4.8916;

/// The regularized upper incomplete gamma function Q(a, x), a > 0, by its series or its continued
/// fraction (Abramowitz and Stegun 6.5.29 and 6.5.31). Relative error below 1e-12 for a up to 1e4.
double gamma_q(double a, double x);

/// P(X >= k) for X ~ Binomial(n, p), p in (0, 1), k <= n: the exact one-sided test of a count. By
/// summing the tail that does not hold the mean; relative error below 1e-10 for n up to 10^7.
double binomial_upper_tail(std::uint64_t n, double p, std::uint64_t k);

/// Pearson's test: p-value of sum (observed - expected)^2 / expected, with one degree of freedom
/// fewer than there are cells. Cells whose expectation is under 5 are pooled; an observation in a
/// cell of expectation zero gives 0, and fewer than two cells give 1.
/// @throws InvalidArgument if the sizes differ
double chi_square_p_value(std::span<const double> observed, std::span<const double> expected);

/// p-value of the two-sided test of a sample against a continuous CDF, by the asymptotic
/// distribution with Stephens' (1970) correction: for samples of 100 or more.
/// @throws InvalidArgument if the sample is empty
double ks_p_value(std::vector<double> sample, const std::function<double(double)>& cdf);

/// |mean - expected| in standard errors of the mean.
/// @throws InvalidArgument for fewer than two values
double z_score(std::span<const double> sample, double expected);

}  // namespace partita
