// SPDX-License-Identifier: Apache-2.0
// The claim of chapter E that goes through a list of distributions.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding table_of_reparameterizations(const TourContext& context);  // E8

}  // namespace partita::app
