// Logarithms of probabilities that may be 0. Not installed.
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// log(p) of a probability; -inf at p = 0, with gradient 0 there and not 1 / 0.
Tensor log_of_probability(const Tensor& p);

/// log(1 - p), likewise at p = 1.
Tensor log_of_complement(const Tensor& p);

/// weight * log_prob, where 0 * -inf = 0.
Tensor times(const Tensor& weight, const Tensor& log_prob);

/// For sums of log-factorials: lgamma(1e6) in single precision is off by 0.5, whatever then
/// cancels. (Python's Poisson(1e6).log_prob(1e6) is -7.0 in single precision and -7.83 in double.)
Tensor in_double(const Tensor& x);

}  // namespace partita::distributions
