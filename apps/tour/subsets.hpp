// SPDX-License-Identifier: Apache-2.0
// The claim of chapter H about sets of a fixed size.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding fixed_size_subsets(const TourContext& context);  // H7

}  // namespace partita::app
