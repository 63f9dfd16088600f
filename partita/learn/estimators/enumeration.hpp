// SPDX-License-Identifier: Apache-2.0
// The exact gradient, where the support is small.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

/// grad sum_z p(z | theta) f(z) over the whole support: value and gradient are exact, and no random
/// number is drawn. Given probabilities of 0 or 1, the derivative is one-sided, and takes f at
/// outcomes that are impossible, where it is finite: for a coin f(1) - f(0) everywhere, and for
/// categories f_i - E[f], p normalized. For distributions that enumerate their support, or an
/// Independent of one (all combinations, at most 2^20 of them).
class Enumeration : public Estimator {
 public:
  Enumeration();

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
