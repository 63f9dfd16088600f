// SPDX-License-Identifier: Apache-2.0
// Biased estimators for bits and one-hot vectors: a gradient through a relaxed sample, or through a
// hard one as if it were relaxed. f must be differentiable.
//
//   Concrete({.temperature = 0.5})                 f of relaxed samples
//   StraightThroughGumbel({.temperature = 0.5})    f of hard samples, gradient of relaxed ones
//   StraightThrough()                              f of hard samples, gradient of the mean
//
// By a probability that is exactly 0 or 1 the first two give 0, since the logit is infinite;
// StraightThrough gives f'(z).
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct RelaxationOptions {
  std::int64_t samples = 1;
  /// > 0; a tensor of the distribution's batch shape gives each row its own.
  TensorOrNumber temperature = 0.5;
};

/// grad f(x), x the Concrete relaxation of the sample: softmax((logits + Gumbel) / temperature), or
/// sigmoid((logits + logistic) / temperature) for bits (Maddison, Mnih, Teh 2017; Jang, Gu, Poole
/// 2017). Biased for a temperature > 0: it is the gradient of E[f(x)].
class Concrete : public Estimator {
 public:
  explicit Concrete(RelaxationOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  TensorOrNumber temperature_;
};

/// f and its derivative are taken at the hard sample; the gradient then flows through the relaxed
/// sample made from the same noise (Jang, Gu, Poole 2017, section 2.2). Biased.
class StraightThroughGumbel : public Estimator {
 public:
  explicit StraightThroughGumbel(RelaxationOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  TensorOrNumber temperature_;
};

struct StraightThroughOptions {
  std::int64_t samples = 1;
};

/// f and its derivative are taken at the hard sample; the gradient then flows through the
/// probabilities (Bengio, Leonard, Courville 2013). Biased, unless f is linear.
class StraightThrough : public Estimator {
 public:
  explicit StraightThrough(StraightThroughOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
