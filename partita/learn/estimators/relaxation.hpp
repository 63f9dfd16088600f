// SPDX-License-Identifier: Apache-2.0
// Biased estimators for bits and one-hot vectors (StraightThrough: and for sets of a fixed size): a
// gradient through a relaxed sample, or through a hard one as if it were relaxed. f must be
// differentiable.
//
//   Concrete({.temperature = 0.5})                 f of relaxed samples
//   StraightThroughGumbel({.temperature = 0.5})    f of hard samples, gradient of relaxed ones
//   GumbelRao({.temperature = 0.5, .inner = 10})   the same gradient, averaged over relaxed ones
//   StraightThrough()                              f of hard samples, gradient of the mean
//   StraightThrough({.temperature = 2})            the same, spread wider (decoupled)
//   ReinMax()                                      the same to second order: exact for quadratic f
//   ReinMaxRao({.temperature = 1, .inner = 10})    ReinMax with less variance and more bias
//
// By a probability that is exactly 0 or 1 all but StraightThrough give 0, since the logit is
// infinite; StraightThrough at its temperature of 1 gives f'(z).
#pragma once

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct RelaxationOptions {
  std::int64_t samples = 1;
  /// > 0; a tensor of the distribution's batch shape gives each row its own.
  TensorOrNumber temperature = 0.5;
};

struct DiscreteVariables;  // internal/discrete.hpp

/// What the following have in common: f of samples that carry a gradient, made at a temperature.
class Relaxation : public Estimator {
 protected:
  Relaxation(const char* name, std::int64_t samples, TensorOrNumber temperature);

  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  /// What f is to see, [samples, batch, event]. @param temperature [batch, 1 for the event]
  virtual Tensor relax(const DiscreteVariables& variables, const Tensor& temperature,
                       const Random& random) const = 0;

  TensorOrNumber temperature_;
};

/// grad f(x), x the Concrete relaxation of the sample: softmax((logits + Gumbel) / temperature), or
/// sigmoid((logits + logistic) / temperature) for bits (Maddison, Mnih, Teh 2017; Jang, Gu, Poole
/// 2017). Biased for a temperature > 0: it is the gradient of E[f(x)].
class Concrete : public Relaxation {
 public:
  explicit Concrete(RelaxationOptions options = {});

 private:
  Tensor relax(const DiscreteVariables& variables, const Tensor& temperature,
               const Random& random) const override;
};

/// f and its derivative are taken at the hard sample; the gradient then flows through the relaxed
/// sample made from the same noise (Jang, Gu, Poole 2017, section 2.2). Biased.
class StraightThroughGumbel : public Relaxation {
 public:
  explicit StraightThroughGumbel(RelaxationOptions options = {});

 private:
  Tensor relax(const DiscreteVariables& variables, const Tensor& temperature,
               const Random& random) const override;
};

struct GumbelRaoOptions {
  std::int64_t samples = 1;
  TensorOrNumber temperature = 0.5;  ///< as in RelaxationOptions
  std::int64_t inner = 10;           ///< relaxed samples for each hard one, >= 1
};

/// StraightThroughGumbel with its Jacobian averaged over `inner` relaxed samples that have the same
/// hard one (Paulus, Maddison, Krause 2021, section 3): f is still evaluated once, the bias is the
/// same, and the variance is never larger, less with more of them.
class GumbelRao : public Relaxation {
 public:
  /// @throws InvalidArgument if inner < 1
  explicit GumbelRao(GumbelRaoOptions options = {});

 private:
  Tensor relax(const DiscreteVariables& variables, const Tensor& temperature,
               const Random& random) const override;
  std::int64_t inner_;
};

struct StraightThroughOptions {
  std::int64_t samples = 1;
  /// As in RelaxationOptions: what the logits are divided by on the way back alone.
  TensorOrNumber temperature = 1.0;
};

/// f and its derivative are taken at the hard sample; the gradient then flows through the
/// probabilities (Bengio, Leonard, Courville 2013), of a Subset through its exact marginals, which
/// is SIMPLE (Ahmed, Zeng, Niepert, Van den Broeck 2023). Biased, unless f is linear and the
/// temperature 1.
///
/// At another temperature the gradient flows through softmax(logits / temperature): a high one
/// spreads it over categories that are hardly ever drawn, whatever the samples are (decoupled
/// straight-through: Shah, Yan, Mozer, Liu 2024, arXiv 2410.13331; the forward temperature is that
/// of the distribution's own logits). By a probability of exactly 0 or 1 it is then 0.
class StraightThrough : public Estimator {
 public:
  /// @throws InvalidArgument, when it is called, if a temperature is not > 0
  explicit StraightThrough(StraightThroughOptions options = {});

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  TensorOrNumber temperature_;
};

struct ReinMaxOptions {
  std::int64_t samples = 1;
  TensorOrNumber temperature = 1.0;  ///< as in RelaxationOptions; 1 is second order
};

/// StraightThrough made accurate to second order by Heun's method (Liu et al. 2023, algorithm 2):
/// with p = softmax(logits), the hard sample z and q = (z + softmax(logits / temperature)) / 2, the
/// gradient of f at z is passed on by 2 J(q) - J(p) / 2, J(p) = diag(p) - p p'. At temperature 1 it
/// is unbiased for quadratic f (each of several variables, the others fixed).
class ReinMax : public Relaxation {
 public:
  explicit ReinMax(ReinMaxOptions options = {});

 private:
  Tensor relax(const DiscreteVariables& variables, const Tensor& temperature,
               const Random& random) const override;
};

struct ReinMaxRaoOptions {
  std::int64_t samples = 1;
  TensorOrNumber temperature = 1.0;  ///< as in RelaxationOptions
  std::int64_t inner = 10;           ///< relaxed samples for each hard one, >= 1
};

/// ReinMax with the first of its two Jacobians, J(q) of q = (z + p) / 2, replaced by that of
/// Gumbel-Rao at the logits log q: the mean over relaxed samples whose hard one is z. The gradient
/// of f at z is passed on by 2 E[J(softmax(y / temperature)) / temperature | z] - J(p) / 2, with
/// y = log q + Gumbel noise given that z marks the largest (ReinMax-Rao: Wang and Bui 2026, arXiv
/// 2603.08257; a bit's are logit q and logistic noise). J(q) depends on z alone, so that this mean
/// is no conditional expectation of it: at a temperature near 1 it mostly varies less, and it
/// is biased for quadratic f as well.
class ReinMaxRao : public Relaxation {
 public:
  /// @throws InvalidArgument if inner < 1
  explicit ReinMaxRao(ReinMaxRaoOptions options = {});

 private:
  Tensor relax(const DiscreteVariables& variables, const Tensor& temperature,
               const Random& random) const override;
  std::int64_t inner_;
};

}  // namespace partita::estimators
