// SPDX-License-Identifier: Apache-2.0
// Claim D8: what a training step costs against the number of words.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding step_cost(const TourContext& context);

}  // namespace partita::app
