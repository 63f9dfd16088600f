// Formulas that several distributions share, each free of overflow and cancellation. Internal.
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// The distance from 1 to the next larger number of a floating-point type.
double epsilon(at::ScalarType type);
/// The smallest positive normal number of a floating-point type.
double smallest_normal(at::ScalarType type);

/// log(1 - e^x) for x <= 0, to full relative precision (Maechler 2012, "Accurately computing
/// log(1 - exp(-|a|))"). At 0: -inf, with gradient -inf.
Tensor log1mexp(const Tensor& x);

/// log(x), of gradient 0 (not inf) where x = 0.
Tensor log_or_minus_infinity(const Tensor& x);

}  // namespace partita::distributions
