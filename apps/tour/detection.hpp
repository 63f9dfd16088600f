// SPDX-License-Identifier: Apache-2.0
// The claim of chapter B that goes through the scores of unknown inputs.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding detection_of_unknown(const TourContext& context);  // B4

}  // namespace partita::app
