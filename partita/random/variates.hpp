// SPDX-License-Identifier: Apache-2.0
// Draws from distributions with parameters, one at a time, from a stream that is read in order.
//
//   partita::Draws draws(stream);
//   double k = partita::poisson_variate(draws, 3.5);
//
// How many positions a variate reads is itself random (all are made by rejection or by counting),
// so give each its own stretch of the stream where a result must not depend on what came before it.
// A parameter outside its range gives NaN.
#pragma once

#include <cstdint>
#include <span>

#include "partita/random/stream.hpp"

namespace partita {

/// log of a Gamma(concentration) of rate 1, concentration >= 0: Marsaglia and Tsang (2000), "A
/// simple method for generating gamma variables". A logarithm, since draws of small concentrations
/// underflow: for a concentration of 1e-3, half of them are below 1e-301.
double log_gamma_variate(Draws& draws, double concentration);

/// Poisson of the given rate >= 0: for rates from 10 on, by Hörmann (1993), "The transformed
/// rejection method for generating Poisson random variables" (PTRS); below, by inversion, with
/// probabilities accurate to 2e-16.
double poisson_variate(Draws& draws, double rate);

// Many of them: out[i] is the draw at position + i, a function of that position and of parameter i
// alone, so a range may be split in any way. They read the stream and its children.
void fill_log_gamma(const Stream& stream, std::uint64_t position,
                    std::span<const double> concentration, std::span<double> out);
void fill_poisson(const Stream& stream, std::uint64_t position, std::span<const double> rate,
                  std::span<double> out);

/// Successes in `total_count` trials of probability `probs`: from a mean of 10 successes (or
/// failures) on, by Hörmann (1993), "The generation of binomial random variates" (BTRS); below, by
/// waiting times (Devroye 1986, X.4.3).
double binomial_variate(Draws& draws, double total_count, double probs);

/// Von Mises around 0, in [-pi, pi], with concentration >= 0: Best and Fisher (1979), "Efficient
/// simulation of the von Mises distribution".
double von_mises_variate(Draws& draws, double concentration);

}  // namespace partita
