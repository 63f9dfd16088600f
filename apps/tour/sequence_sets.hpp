// SPDX-License-Identifier: Apache-2.0
// The claims of chapter H about sets of sequences.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding random_beams(const TourContext& context);         // H6
Finding diverse_beams(const TourContext& context);        // H8
Finding choice_by_agreement(const TourContext& context);  // H9

}  // namespace partita::app
