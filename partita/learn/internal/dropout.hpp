// SPDX-License-Identifier: Apache-2.0
// Dropout, for networks whose masks come from a Random.
#pragma once

#include <optional>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita {

/// Dropout (Srivastava et al. 2014): each element 0 with probability p, and else divided by 1 - p;
/// x itself without a source of masks.
Tensor drop(const Tensor& x, double p, const std::optional<Random>& random);

}  // namespace partita
