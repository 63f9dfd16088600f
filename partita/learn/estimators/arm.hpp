// SPDX-License-Identifier: Apache-2.0
// Antithetic estimators for bits: Bernoulli, or an Independent of it when f takes several. f need
// not be differentiable and is evaluated twice per sample.
//
//   DisArm disarm({.samples = 4});
//
// Both are estimates in the logits: by a probability that is exactly 0 or 1, whose two bits never
// differ, they are 0.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct ArmOptions {
  std::int64_t samples = 1;  ///< antithetic pairs
};

/// (f(1[u > sigmoid(-logits)]) - f(1[u < sigmoid(logits)])) (u - 1/2) with respect to the logits, u
/// uniform (Yin and Zhou 2019, "ARM: Augment-REINFORCE-merge gradient for stochastic binary
/// networks"). Unbiased.
class Arm : public Estimator {
 public:
  explicit Arm(ArmOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

/// ARM with u integrated out given the pair of bits (b, b'):
/// (f(b) - f(b')) / 2 * (-1)^b' 1[b != b'] sigmoid(|logits|) (Dong, Mnih, Tucker 2020, "DisARM: An
/// antithetic gradient estimator for binary latent variables"). Unbiased; its variance never
/// exceeds ARM's.
class DisArm : public Estimator {
 public:
  explicit DisArm(ArmOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
