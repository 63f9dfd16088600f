// Shared by the language models. Not installed.
#pragma once

#include <optional>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita {

/// @throws InvalidArgument naming the option that is out of range.
void check_language_model(std::int64_t vocabulary, std::int64_t dim, std::int64_t layers,
                          double dropout);

/// Dropout (Srivastava et al. 2014): each element 0 with probability p, and else divided by 1 - p.
Tensor drop(const Tensor& x, double p, const std::optional<Random>& random);

}  // namespace partita
