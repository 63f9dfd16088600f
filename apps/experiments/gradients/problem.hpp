// SPDX-License-Identifier: Apache-2.0
// The problems of `partita gradients`: E[f(z)] for z ~ p(z | theta), whose exact gradient is known.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/experiments/estimators.hpp"
#include "apps/experiments/gradients/mdp.hpp"
#include "partita/learn/estimators/measure.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::app {

struct SamplerOptions {
  std::int64_t samples = 1;
  double temperature = 0.5;
  bool tune = false;  ///< whether the estimator may choose its temperature itself
};

/// A kind of estimator, as a problem's variant offers it.
struct Entry {
  EstimatorKind kind;
  std::vector<std::int64_t> samples;  ///< how many one estimate draws, one measurement each
  std::int64_t evaluations_each = 1;  ///< evaluations of f per sample
  bool has_temperature = false;
  std::function<estimators::GradientSampler(const SamplerOptions&)> make;
};

struct Variant {
  std::string name;
  Tensor start;  ///< [parameters]
  /// E f for each row of theta [rows, parameters], exact and differentiable.
  std::function<Tensor(const Tensor& theta)> expected;
  double best_value = 0;
  double step_size = 0;  ///< initial step size; falls to 0 linearly
  bool ascends = false;
  std::vector<Entry> entries;
};

/// The variance of an estimator with one sample, as a function of theta.
struct ClosedFormVariance {
  EstimatorKind estimator;
  std::function<double(double theta)> variance;
};

struct Problem {
  std::string title;
  std::string description;
  std::string value_name;
  std::vector<Variant> variants = {};
  std::vector<ClosedFormVariance> closed_forms = {};  ///< over theta in [least, most]
  double least_theta = 0;
  double most_theta = 0;
};

Problem gaussian_problem();
Problem bernoulli_problem();
Problem categorical_problem();
Problem bernoulli_vae_problem();
Problem categorical_vae_problem();
Problem subset_problem();
Problem mdp_problem(const Mdp& mdp);

}  // namespace partita::app
