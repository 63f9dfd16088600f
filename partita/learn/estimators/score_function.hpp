// The score-function estimator, REINFORCE (Williams 1992), and what is subtracted from f to tame
// its variance.
//
//   ScoreFunction reinforce({.samples = 8});
//   ScoreFunction reinforce({.samples = 8, .baseline = baselines::LeaveOneOut{}});
//   ScoreFunction reinforce({.baseline = baselines::Learned{
//       .function = [&] { return net->forward(x).squeeze(-1); }, .parameters =
//       net->parameters()}});
#pragma once

#include <variant>

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

/// What may stand for b in (f(z) - b) grad log p(z). None of them depends on the z it is
/// subtracted for, so all leave the estimate unbiased.
namespace baselines {

struct None {};

/// Exponential moving average of f over the earlier calls, all rows together, corrected for its
/// start at 0 as in Adam. The first call has none.
struct MovingAverage {
  double decay = 0.9;
};

/// The mean of f over the other samples: samples >= 2 (Mnih and Rezende 2016).
struct LeaveOneOut {};

/// A function of the input that the distribution was computed from (Mnih and Gregor 2014), [batch]
/// or a shape that broadcasts to it. Its loss is the mean of (f - b)^2 over the samples.
struct Learned {
  std::function<Tensor()> function;
  std::vector<Tensor> parameters;  ///< that the loss trains; with none, a fixed function
};

/// (f - a h) grad log p + a grad E[h], with the a that has the least variance for each entry of the
/// distribution's parameters, Cov(f score, h score) / Var(h score) (Paisley, Blei, Jordan 2012,
/// eq. 11). The a of a sample is estimated from the other samples (samples >= 3): estimated from
/// all, a would be correlated with the sample it multiplies, and the estimate biased.
/// Without functions h = 1, the optimal constant baseline.
struct ControlVariate {
  Function function;  ///< h; its values must not depend on the distribution's parameters
  /// E[h], [batch], differentiable in the parameters of the distribution.
  std::function<Tensor(const Distribution&)> expectation;
};

}  // namespace baselines

using Baseline = std::variant<baselines::None, baselines::MovingAverage, baselines::LeaveOneOut,
                              baselines::Learned, baselines::ControlVariate>;

/// The state of a moving average.
class MovingMean {
 public:
  double mean() const { return weight_ == 0 ? 0 : sum_ / weight_; }
  void add(double value, double decay) {
    sum_ = decay * sum_ + (1 - decay) * value;
    weight_ = decay * weight_ + (1 - decay);
  }

 private:
  double sum_ = 0;
  double weight_ = 0;
};

struct ScoreFunctionOptions {
  std::int64_t samples = 1;
  Baseline baseline = baselines::None{};
};

/// Mean over the samples of (f(z) - b) grad log p(z | theta). Unbiased.
class ScoreFunction : public Estimator {
 public:
  explicit ScoreFunction(ScoreFunctionOptions options = {});

  std::vector<Tensor> parameters() const override;

 protected:
  Estimate estimate(const Distribution& distribution, const Function& f, Random random) override;

 private:
  Baseline baseline_;
  MovingMean mean_;
};

}  // namespace partita::estimators
