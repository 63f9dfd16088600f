// SPDX-License-Identifier: Apache-2.0
// Probabilities of counts by Loader's saddle point expansion, which has no large terms that cancel.
// Not installed.
#pragma once

#include <array>
#include <cmath>
#include <cstddef>
#include <numbers>

namespace partita {

/// log k! - log(sqrt(2 pi k) (k / e)^k), for whole k >= 1 (Loader 2000, "Fast and accurate
/// computation of binomial probabilities").
inline double stirling_error(double k) {
  constexpr std::array<double, 10> kLogFactorial = {0,
                                                    0,
                                                    0.693147180559945309,
                                                    1.79175946922805500,
                                                    3.17805383034794562,
                                                    4.78749174278204599,
                                                    6.57925121201010100,
                                                    8.52516136106541430,
                                                    10.6046029027452502,
                                                    12.8018274800814696};
  if (k < static_cast<double>(kLogFactorial.size())) {
    return kLogFactorial[static_cast<std::size_t>(k)] - (k + 0.5) * std::log(k) + k -
           0.5 * std::log(2 * std::numbers::pi);
  }
  const double square = 1 / (k * k);
  return (1.0 / 12 -
          (1.0 / 360 - (1.0 / 1260 - (1.0 / 1680 - square / 1188) * square) * square) * square) /
         k;
}

/// k log(k / mean) + mean - k, with an absolute error of a few ulp of |k - mean| (Loader 2000).
inline double deviance(double k, double mean) {
  const double difference = k - mean;
  return k == 0 ? mean : k * std::log1p(difference / mean) - difference;
}

/// log of the Poisson probability of k.
inline double log_poisson(double k, double rate) {
  if (k == 0) return -rate;
  return -stirling_error(k) - deviance(k, rate) - 0.5 * std::log(2 * std::numbers::pi * k);
}

/// log of the binomial probability of k among n trials, less what does not depend on k:
/// -log_poisson(n, n).
inline double log_binomial(double k, double n, double p) {
  return log_poisson(k, n * p) + log_poisson(n - k, n * (1 - p));
}

}  // namespace partita
