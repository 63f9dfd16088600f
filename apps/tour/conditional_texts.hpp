// SPDX-License-Identifier: Apache-2.0
// The claims of chapter H about texts given something: another text, or a constraint.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding counterfactuals(const TourContext& context);       // H4
Finding constrained_sampling(const TourContext& context);  // H5

}  // namespace partita::app
