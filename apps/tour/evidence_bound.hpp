// SPDX-License-Identifier: Apache-2.0
// The claim of chapter E about lower bounds of the evidence.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding evidence_bound(const TourContext& context);  // E5

}  // namespace partita::app
