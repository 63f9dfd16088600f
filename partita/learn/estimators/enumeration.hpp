// The exact gradient, where the support is small.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

/// grad sum_z p(z | theta) f(z) over the whole support: value and gradient are exact, and no random
/// number is drawn. For distributions that enumerate their support, or an Independent of one (all
/// combinations, at most 2^20 of them).
class Enumeration : public Estimator {
 public:
  Enumeration();

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
