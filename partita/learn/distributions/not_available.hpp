// SPDX-License-Identifier: Apache-2.0
// What a distribution throws for a method that it lacks.
#pragma once

#include "partita/base/error.hpp"

namespace partita::distributions {

/// "icdf: not available for Dirichlet: only univariate distributions have quantiles"
class NotAvailable : public InvalidArgument {
 public:
  using InvalidArgument::InvalidArgument;
};

}  // namespace partita::distributions
