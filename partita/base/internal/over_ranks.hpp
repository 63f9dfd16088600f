// SPDX-License-Identifier: Apache-2.0
// What functions of rows that lie on several ranks have in common: errors that all ranks throw, and
// order statistics. Not installed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/group.hpp"

namespace partita {

/// The error of the lowest rank that has one, on every rank. @param own this rank's; may be null
/// @throws InvalidArgument with "rank 1: " before the reason, if there is more than one rank
void throw_together(const InvalidArgument* own, Group& group);

/// Calls body() on every rank; an InvalidArgument that it throws on one is thrown on all.
template <class Body>
void together(Group& group, const Body& body) {
  try {
    body();
  } catch (const InvalidArgument& error) {
    throw_together(&error, group);
  }
  throw_together(nullptr, group);
}

/// The values of ranks 1 ... n among those of all ranks of the group together.
/// @param own     ascending, without NaN; may be empty
/// @param wanted  each 1 ... n, the same on every rank of the group
std::vector<double> order_statistics(std::span<const double> own,
                                     std::span<const std::uint64_t> wanted, Group& group);

}  // namespace partita
