// SPDX-License-Identifier: Apache-2.0
// The claims of chapter E that train generative models.
#pragma once

#include "apps/tour/claim.hpp"

namespace partita::app {

Finding auto_encoder(const TourContext& context);  // E7
Finding seqgan(const TourContext& context);        // E9

}  // namespace partita::app
