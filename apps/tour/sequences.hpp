// SPDX-License-Identifier: Apache-2.0
// The claims of chapter G that draw sequences.
#pragma once

#include <cstddef>
#include <span>

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding tree(const TourContext& context);       // G5
Finding beam(const TourContext& context);       // G6
Finding estimates(const TourContext& context);  // G7

/// Probability of an ordered sample without replacement, by the formula of G2.
double ordered_probability(std::span<const double> log_prob, std::span<const std::size_t> drawn);

}  // namespace partita::app
