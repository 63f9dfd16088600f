// SPDX-License-Identifier: Apache-2.0
// What is subtracted from f to reduce the variance of the score-function estimator and of the
// policy gradient: b in (f(z) - b) grad log p(z). None of these depends on the z for which it is
// subtracted, so all leave the estimate unbiased.
//
//   ScoreFunction({.samples = 8, .baseline = baselines::LeaveOneOut{}})
//   ScoreFunction({.baseline = baselines::Learned{
//       .function = [&] { return net->forward(x).squeeze(-1); }, .parameters = net->parameters()}})
#pragma once

#include <functional>
#include <variant>
#include <vector>

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

namespace baselines {

struct None {};

/// Exponential moving average of f over the earlier calls, all rows together, corrected for its
/// start at 0 as in Adam. The first call has no baseline.
struct MovingAverage {
  double decay = 0.9;  ///< in [0, 1)
};

/// The mean of f over the other samples, of which there must be at least one (Kool, van Hoof,
/// Welling 2019, "Buy 4 REINFORCE samples, get a baseline for free!").
struct LeaveOneOut {};

/// A function of the input that the distribution was computed from (Mnih and Gregor 2014), of a
/// shape that broadcasts to f's. Its loss is the mean over the samples of (f - b)^2.
struct Learned {
  std::function<Tensor()> function = {};
  std::vector<Tensor> parameters = {};  ///< trained by the loss; empty for a fixed function
};

/// (f - a h) grad log p + a grad E[h], with the a that has the least variance for each entry of the
/// distribution's parameters, Cov(f score, h score) / Var(h score) (Paisley, Blei, Jordan 2012,
/// "Variational Bayesian inference with stochastic search"). The a of a sample is estimated from
/// the other samples, of which there must be at least two: estimated from all of them, a would be
/// correlated with the sample it multiplies, and the estimate biased. Without functions, h = 1, the
/// optimal constant baseline.
struct ControlVariate {
  Function function = {};  ///< h; its values must not depend on the distribution's parameters
  /// E[h], [batch], differentiable in the parameters of the distribution.
  std::function<Tensor(const Distribution&)> expectation = {};
};

}  // namespace baselines

using Baseline = std::variant<baselines::None, baselines::MovingAverage, baselines::LeaveOneOut,
                              baselines::Learned, baselines::ControlVariate>;

/// Values minus a baseline: any but ControlVariate, which needs more than the values.
class Advantage {
 public:
  struct Result {
    Tensor advantage;  ///< values minus the baseline, of the values' shape
    Tensor loss;  ///< the baseline's own, for with_own_loss(); undefined where nothing is learned
  };

  /// @throws InvalidArgument if a parameter of the baseline is out of range.
  explicit Advantage(Baseline baseline);

  /// @param values without gradient; independent samples along dimension `samples_dim`.
  /// @throws InvalidArgument if the baseline needs more samples, or has another shape.
  Result operator()(const Tensor& values, std::int64_t samples_dim);

  const Baseline& baseline() const { return baseline_; }
  std::vector<Tensor> parameters() const;

  /// What MovingAverage remembers of the earlier calls, to be saved and restored; 0 for any other.
  struct Average {
    double sum = 0;     ///< of decayed values
    double weight = 0;  ///< of their weights
  };
  const Average& average() const { return average_; }
  void set_average(const Average& average) { average_ = average; }

 private:
  Baseline baseline_;
  Average average_;
};

}  // namespace partita::estimators
