// SPDX-License-Identifier: Apache-2.0
// What distributions of k out of V categories are given: PlackettLuce, Subset, and the relaxations
// RelaxedPlackettLuce and RelaxedOneHotCategorical. Internal.
#pragma once

#include "partita/learn/distributions/distribution.hpp"

namespace partita::distributions {

/// V, of scores [..., V] that may turn out to have no dimension at all (which Distribution
/// rejects).
std::int64_t categories_of(const TensorOrNumber& scores);

/// @throws InvalidArgument if k is not in least ... categories.
void check_choice(const char* distribution, std::int64_t k, std::int64_t least,
                  std::int64_t categories);

/// Scores >= 0, or logits, of which at least k are possible.
Argument scores_argument(const ProbsOrLogits& scores, std::int64_t k);

/// Of a relaxation. One element, whatever its shape, counts as a number.
Argument temperature_argument(const TensorOrNumber& temperature);

}  // namespace partita::distributions
