// SPDX-License-Identifier: Apache-2.0
// Estimators from k distinct outcomes, drawn without replacement: f is never evaluated twice at the
// same point. For distributions of finite support, like Enumeration, but of any size: the outcomes
// of an Independent of several variables are drawn by stochastic beam search, not enumerated.
//
//   UnorderedSet estimator({.samples = 4});                      // with its built-in baseline
//   UnorderedSet estimator({.samples = 4, .baseline = false});
//
// All are due to Kool, van Hoof, Welling (2020), "Estimating gradients for discrete random
// variables by sampling without replacement", unbiased, and exact when k covers the support: as
// ScoreFunction, of the outcomes with p > 0.
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct UnorderedSetOptions {
  std::int64_t samples = 2;  ///< k >= 1; >= 2 with the baseline
  bool baseline = true;
};

/// sum_{s in S} p(s) R(S, s) grad log p(s) (f(s) - b_s), S the unordered sample and R(S, s) the
/// leave-one-out ratio p^{D \ s}(S \ s) / p(S). The built-in baseline is the estimate of
/// E[f] given that s was drawn first, b_s = sum_{s' in S} p(s') R^{D \ s}(S, s') f(s').
class UnorderedSet : public Estimator {
 public:
  explicit UnorderedSet(UnorderedSetOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  bool baseline_;
};

struct SumAndSampleOptions {
  std::int64_t samples = 2;  ///< k >= 1
};

/// The first k - 1 outcomes C of the ordered sample, each with its probability, and the last with
/// all that is left, 1 - p(C) (Liu, Regier, Tripuraneni, Jordan, McAuliffe 2019, with C drawn as in
/// Kool et al.). UnorderedSet without its baseline is the mean of this given the set, so never
/// worse; k = 1 is the score function.
class SumAndSample : public Estimator {
 public:
  explicit SumAndSample(SumAndSampleOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;
};

}  // namespace partita::estimators
