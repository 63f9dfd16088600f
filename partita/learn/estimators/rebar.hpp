// SPDX-License-Identifier: Apache-2.0
// The score function with a relaxation as its control variate, for bits and one-hot vectors:
// unbiased at any temperature, and of low variance when the relaxation is good.
//
//   Rebar rebar({.temperature = 0.5});
//   torch::optim::Adam optimizer(rebar.parameters());     // tunes temperature and scale
//   auto [surrogate, value] = rebar(distribution, f, random);
//   surrogate.sum().backward();                           // theta's gradient, and the tuning's
//
//   Relax relax({.control_variate = [&](const Tensor& z) { return net->forward(z).squeeze(-1); },
//                .parameters = net->parameters()});
//
// By a probability that is exactly 0 or 1 the estimate is 0, since the logit is infinite.
//
// Both are (f(b) - c(z')) grad log p(b) + grad c(z) - grad c(z'), where z are the perturbed logits,
// b = H(z) the hard sample, and z' perturbed logits drawn given b, which stay differentiable in
// theta. REBAR's c is scale * f(relaxed z), RELAX's any function.
#pragma once

#include <optional>

#include "partita/learn/estimators/estimator.hpp"

namespace partita::estimators {

struct RebarOptions {
  std::int64_t samples = 1;
  double temperature = 0.5;  ///< > 0
  double scale = 1;          ///< eta, how much of the control variate is used
  /// Whether backward() also leaves the gradient of the estimate's variance in parameters(). It
  /// takes second derivatives of f.
  bool tune = true;
};

/// Tucker, Mnih, Maddison, Lawson, Sohl-Dickstein (2017), "REBAR: Low-variance, unbiased gradient
/// estimates for discrete latent variable models". f must be differentiable.
class Rebar : public Estimator {
 public:
  explicit Rebar(const RebarOptions& options = {});

  /// The logarithm of the temperature, and the scale. Their loss is E[g^2], g the estimate from one
  /// sample with respect to the logits: the variance, up to the square of the mean, which neither
  /// changes.
  std::vector<Tensor> parameters() const override;
  double temperature() const;
  double scale() const;

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  Tensor log_temperature_;
  Tensor scale_;
  bool tune_;
};

struct RelaxOptions {
  std::int64_t samples = 1;
  /// c: perturbed logits [samples, batch, event] -> [samples, batch], differentiable.
  Function control_variate = {};
  std::vector<Tensor> parameters = {};  ///< c's, to be trained; empty for a fixed c
  /// If given (> 0), c is control_variate plus f of the relaxation at this temperature, so that
  /// what is learned only corrects REBAR's c (section 3.3). f must then be differentiable, and is
  /// evaluated three times.
  std::optional<double> temperature = {};
};

/// Grathwohl, Choi, Wu, Roeder, Duvenaud (2018), "Backpropagation through the void". Without a
/// temperature, f is evaluated at hard samples only and need not be differentiable. Perturbed
/// logits are normalized: those of one-hot vectors are log-probabilities plus Gumbel noise.
class Relax : public Estimator {
 public:
  explicit Relax(RelaxOptions options);

  /// Those of the options; their loss is Rebar's.
  std::vector<Tensor> parameters() const override { return parameters_; }

 protected:
  GradientEstimate estimate(const Distribution& distribution, const Function& f,
                            const Random& random) override;

 private:
  Function control_variate_;
  std::vector<Tensor> parameters_;
  std::optional<double> temperature_;
};

}  // namespace partita::estimators
