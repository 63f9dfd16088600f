// SPDX-License-Identifier: Apache-2.0
// What distributions of k out of V categories are given: PlackettLuce, RelaxedPlackettLuce, Subset.
// Internal.
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

}  // namespace partita::distributions
