// SPDX-License-Identifier: Apache-2.0
// The part of claim C5 that goes through sets of classes.
#pragma once

#include <cstdint>
#include <vector>

#include "apps/tour/claim.hpp"
#include "partita/base/rows.hpp"

namespace partita::app {

struct Outputs {
  std::size_t classes;
  std::vector<double> logits;
  std::vector<std::int64_t> labels;

  Rows rows() const { return {logits.data(), labels.size(), classes}; }
};

/// @param fitted, fresh outputs of a network that is too sure of itself, as many of either
std::vector<Check> prediction_sets(const TourContext& context, const Outputs& fitted,
                                   const Outputs& fresh);

}  // namespace partita::app
