// SPDX-License-Identifier: Apache-2.0
// The Gumbel distribution, its truncation from above, and a set of Gumbels given their maximum.
//
// Why a Gumbel: if G_i ~ Gumbel(phi_i) are independent, then max_i G_i ~ Gumbel(log sum exp phi),
// and arg max_i G_i is category i with probability softmax(phi)_i, independently of the maximum
// (Gumbel 1954; Maddison, Tarlow, Minka 2014). All of Partita's sampling rests on this.
//
//   double g = partita::gumbel_icdf(stream.uniform(0), mu);           // a draw from Gumbel(mu)
//   double t = partita::truncated_gumbel_icdf(u, mu, g);              // another draw, below g
//
//   std::vector<double> children = ...;                               // independent Gumbels
//   partita::condition_on_maximum(children, parent);                  // their maximum is parent
#pragma once

#include <span>

#include "partita/random/stream.hpp"

namespace partita {

/// log density at g of Gumbel(location, scale): -(z + e^-z) - log scale, z = (g - location) /
/// scale. scale > 0.
double gumbel_log_prob(double g, double location = 0, double scale = 1);

/// P(G <= g) = exp(-e^-z).
double gumbel_cdf(double g, double location = 0, double scale = 1);

/// log P(G <= g) = -e^-z; does not underflow.
double gumbel_log_cdf(double g, double location = 0, double scale = 1);

/// log P(G > g) = log(1 - exp(-e^-z)), accurate in both tails.
double gumbel_log_survival(double g, double location = 0, double scale = 1);

/// The inverse of gumbel_cdf: location - scale log(-log u), for u in [0, 1].
double gumbel_icdf(double u, double location = 0, double scale = 1);

/// P(G <= g | G <= maximum) for a Gumbel(location) of scale 1
/// = exp(e^(location - maximum) - e^(location - min(g, maximum)))   (Kool et al. 2019, eq. 19).
double truncated_gumbel_cdf(double g, double location, double maximum);

/// The logarithm of truncated_gumbel_cdf, computed without cancellation.
double truncated_gumbel_log_cdf(double g, double location, double maximum);

/// The inverse of truncated_gumbel_cdf: location - log(e^(location - maximum) - log u)
/// (Kool et al. 2019, eq. 20), u in (0, 1].
double truncated_gumbel_icdf(double u, double location, double maximum);

/// truncated_gumbel_icdf at u = e^-exponential: a standard exponential draw keeps more of its bits
/// than a uniform does. Never above `maximum`; `maximum` may be +inf (a plain Gumbel). A location
/// of -inf (an impossible category) gives -inf.
double truncated_gumbel(double exponential, double location, double maximum);

/// Moves a set of independent Gumbels so that their largest is exactly `maximum`, keeping their
/// order and giving them the distribution of such a set conditioned on that maximum (Kool et al.
/// 2019, section 4.1 and appendix B.3): with Z the largest,
///   G' = -log(e^-T - e^-Z + e^-G),
/// computed as v = T - G + log1mexp(G - Z), G' = T - max(0, v) - log1pexp(-|v|).
/// -inf entries (impossible categories) stay -inf; an empty or all -inf set is left as it is.
void condition_on_maximum(std::span<double> gumbels, double maximum);

/// The same distribution the other way: draws a set of Gumbels with the given locations and
/// maximum, by choosing the arg max from softmax(locations) and truncating the rest. Writes one
/// value per location and returns the index of the maximum. Reads locations.size() + 1 positions of
/// `draws`.
/// @throws InvalidArgument if every location is -inf, or one is NaN or +inf.
std::size_t sample_given_maximum(std::span<const double> locations, double maximum, Draws& draws,
                                 std::span<double> gumbels);

}  // namespace partita
