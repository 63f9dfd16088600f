// SPDX-License-Identifier: Apache-2.0
// Gradients through samples: d E[f(z)] / d theta, z ~ p(z | theta), for every estimator in one
// form.
//
//   Bernoulli coin{Logits(theta)};                              // theta requires grad
//   ScoreFunction estimator({.samples = 8, .baseline = baselines::LeaveOneOut{}});
//   auto [surrogate, value] =
//       estimator(coin, [&](const Tensor& b) { return (b - t).square(); }, random);
//   surrogate.sum().backward();                                 // theta.grad(): the estimate
//   value;                                                      // the estimate of E[f]
//
// Another estimator is another first line: Rebar estimator({.samples = 8});
//
//   estimator              header              distributions              evaluations of f   bias
//   ScoreFunction          score_function.hpp  all with log_prob          samples            no
//   Pathwise               pathwise.hpp        all with rsample           samples            no
//   Concrete               relaxation.hpp      bits, one-hot              samples            yes
//   StraightThroughGumbel  relaxation.hpp      bits, one-hot              samples            yes
//   ReinMax, ReinMaxRao    relaxation.hpp      bits, one-hot              samples            yes
//   StraightThrough        relaxation.hpp      bits, one-hot, subsets     samples            yes
//   ImplicitMle            implicit_mle.hpp    subsets                    samples            yes
//   PerturbedTopK          perturbed_top_k.hpp  subsets                   samples            yes
//   Rebar, Relax           rebar.hpp           bits, one-hot              3 samples (Relax 1)  no
//   Arm, DisArm            arm.hpp             bits                       2 samples          no
//   Arms                   arms.hpp            bits, one-hot              samples            no
//   DoubleControlVariates  double_control_variates.hpp  bits, one-hot     samples            no
//   UnorderedSet           unordered_set.hpp   finite support             samples            no
//   SumAndSample           unordered_set.hpp   finite support             samples            no
//   Enumeration            enumeration.hpp     finite support             all                exact
//
// Bits are Bernoulli, one-hot vectors OneHotCategorical, subsets Subset, and several variables that
// f takes together an Independent of them, Independent(Bernoulli(...), 1): an event is what f
// returns one number for. Relaxed estimators pass f vectors of the same shape inside the simplex or
// the cube.
#pragma once

#include <functional>
#include <vector>

#include "partita/learn/distributions/distribution.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::estimators {

using distributions::Distribution;

/// [samples, batch, event] -> [samples, batch], each batch row from that row alone, for any number
/// of samples. It may depend on parameters itself, those of the distribution among them (the
/// log q(z) of an ELBO): their gradient is part of the estimate.
using Function = std::function<Tensor(const Tensor& samples)>;

struct GradientEstimate {
  /// [batch]: its gradient is the estimate of the gradient of E[f] (in expectation, where the
  /// estimator is unbiased). Its own value means nothing.
  Tensor surrogate;
  /// [batch]: the estimate of E[f], without gradient. For a relaxation, that of the relaxed f.
  Tensor value;
};

class Estimator {
 public:
  virtual ~Estimator() = default;

  const char* name() const { return name_; }

  /// @throws InvalidArgument if the estimator does not fit the distribution (naming both), or if f
  ///         returns a shape other than [samples, batch].
  GradientEstimate operator()(const Distribution& distribution, const Function& f,
                              const Random& random);

  /// What the estimator itself learns (a baseline's weights, REBAR's temperature), for an
  /// optimizer: backward() of the surrogate leaves the gradient of the estimator's own loss there.
  virtual std::vector<Tensor> parameters() const { return {}; }

 protected:
  /// @throws InvalidArgument if samples < least.
  Estimator(const char* name, std::int64_t samples, std::int64_t least = 1);
  Estimator(const Estimator&) = default;
  Estimator(Estimator&&) = default;
  Estimator& operator=(const Estimator&) = default;
  Estimator& operator=(Estimator&&) = default;

  virtual GradientEstimate estimate(const Distribution& distribution, const Function& f,
                                    const Random& random) = 0;

  std::int64_t samples() const { return samples_; }
  /// f(samples), [samples, batch].
  /// @throws InvalidArgument if it has another shape.
  Tensor evaluate(const Function& f, const Tensor& samples, const Distribution& distribution) const;
  /// The derivative of the sum of values = f(samples) by the samples, a leaf that requires grad.
  /// @throws InvalidArgument if f is not differentiable.
  Tensor slope_of(const Tensor& values, const Tensor& samples) const;
  /// "ARM: expected Bernoulli ..., got Normal".
  [[noreturn]] void does_not_fit(const Distribution& distribution, const char* expected) const;

 private:
  /// The estimate of an empty batch, which is empty.
  GradientEstimate nothing(const Distribution& distribution, const Function& f,
                           const Random& random) const;

  const char* name_;
  std::int64_t samples_;
};

/// Adds an estimator's own loss (a number) to its surrogate, so that backward() takes the loss's
/// gradient to the estimator's own parameters and to nothing else that the loss was computed from:
/// with its own sign even where -surrogate is descended, because f is to rise.
Tensor with_own_loss(const Tensor& surrogate, const Tensor& loss,
                     const std::vector<Tensor>& parameters);

}  // namespace partita::estimators
