// SPDX-License-Identifier: Apache-2.0
// The score-function estimator, REINFORCE (Williams 1992).
//
//   ScoreFunction reinforce({.samples = 8});
//   ScoreFunction reinforce({.samples = 8, .baseline = baselines::LeaveOneOut{}});
#pragma once

#include "partita/learn/estimators/baseline.hpp"

namespace partita::estimators {

struct ScoreFunctionOptions {
  std::int64_t samples = 1;
  Baseline baseline = baselines::None{};
};

/// Mean over the samples of (f(z) - b) grad log p(z | theta), for any distribution and any f.
/// Unbiased, except by a probability that is exactly 0: what is never drawn has no score, so the
/// sum of f(z) grad p(z) is over the possible z only, where Enumeration's is over all. By logits it
/// makes no difference.
class ScoreFunction : public Estimator {
 public:
  explicit ScoreFunction(ScoreFunctionOptions options = {});

  std::vector<Tensor> parameters() const override { return advantage_.parameters(); }
  const Advantage& advantage() const { return advantage_; }
  Advantage& advantage() { return advantage_; }

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  GradientEstimate with_control_variate(const Distribution& distribution, const Tensor& z,
                                        const Tensor& values,
                                        const baselines::ControlVariate& control) const;

  Advantage advantage_;
};

}  // namespace partita::estimators
