// SPDX-License-Identifier: Apache-2.0
// The claim of chapter H about the k largest under noise.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding perturbed_sets(const TourContext& context);  // H10

}  // namespace partita::app
