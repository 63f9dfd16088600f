// SPDX-License-Identifier: Apache-2.0
// What `partita gradients` measures, apart from how it is shown: the bias and variance of gradient
// estimators on problems whose exact gradient is known, and how well each of them optimizes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "apps/experiments/estimators.hpp"
#include "apps/experiments/gradients/mdp.hpp"
#include "apps/experiments/run.hpp"

namespace partita::app {

enum class GradientsProblem : std::uint8_t {
  gaussian,
  bernoulli,
  categorical,
  bernoulli_vae,
  categorical_vae,
  subset,
  mdp
};

inline constexpr auto kGradientsProblems =
    names<GradientsProblem>({{"gaussian", GradientsProblem::gaussian},
                             {"bernoulli", GradientsProblem::bernoulli},
                             {"categorical", GradientsProblem::categorical},
                             {"bernoulli-vae", GradientsProblem::bernoulli_vae},
                             {"categorical-vae", GradientsProblem::categorical_vae},
                             {"subset", GradientsProblem::subset},
                             {"mdp", GradientsProblem::mdp}});

struct GradientsOptions {
  GradientsProblem problem = GradientsProblem::gaussian;
  std::optional<Mdp> mdp = {};                 ///< the process of the problem mdp; none: the river
  std::vector<EstimatorKind> estimators = {};  ///< some of estimators_for(); empty: all
  std::int64_t samples = 10'000;
  std::int64_t steps = 500;
  bool timed = false;  ///< whether to measure what estimates cost, on one thread
  std::uint64_t seed = 0;
  int threads = 1;
};

/// The estimates of one estimator at the start of a variant.
struct Measurement {
  EstimatorKind estimator;
  std::optional<double> temperature = {};
  std::int64_t samples = 1;      ///< drawn by one estimate
  std::int64_t evaluations = 1;  ///< evaluations of f per estimate
  double bias = 0;               ///< mean - exact, or its norm for several parameters
  double bias_error = 0;         ///< standard error of the mean
  double variance = 0;           ///< one estimate's, summed over the parameters
  double variance_error = 0;     ///< standard error
  double microseconds = 0;       ///< processor time, kTimedRows together; 0: not timed
};

/// E f after some steps of stochastic gradient descent (or ascent), the mean of kRuns runs.
struct OptimizationCurve {
  EstimatorKind estimator;
  std::vector<double> step = {};
  std::vector<double> value = {};
  std::vector<double> error = {};  ///< standard error over the runs
};

/// The variance of an estimator against the parameter, measured and in closed form.
struct VarianceCurve {
  EstimatorKind estimator;
  std::vector<double> theta = {};
  std::vector<double> variance = {};
  std::vector<double> error = {};  ///< standard error
  std::vector<double> closed_form = {};
};

/// A problem with its numbers filled in: "t = 0.499".
struct VariantResult {
  std::string name;
  std::vector<double> start;  ///< the parameters at which everything is measured and runs begin
  std::vector<double> exact_gradient;
  double best_value = 0;  ///< the limit of optimization
  double step_size = 0;
  std::vector<Measurement> measurements;
  std::vector<OptimizationCurve> curves;
  std::vector<VarianceCurve> variance_curves;  ///< gaussian only
};

struct GradientsResult {
  std::string title;
  std::string description;
  std::string value_name;  ///< what E f is: "E[z²]", "expected return"
  std::vector<VariantResult> variants;
};

inline constexpr std::int64_t kRuns = 16;        ///< side by side, from the same start
inline constexpr std::int64_t kTimedRows = 256;  ///< estimates in one call, as in a minibatch

inline constexpr const char* kRelaxations = "relaxations";
inline constexpr const char* kStraightThrough = "straight-through";

/// How figures group an estimator with its relatives: "score function", ... The biased ones are
/// kRelaxations and kStraightThrough.
std::string family_of(EstimatorKind estimator);

/// The estimators that fit a problem, in the order in which they are measured.
std::vector<EstimatorKind> estimators_for(GradientsProblem problem);

/// @throws InvalidArgument for an estimator that does not fit the problem
GradientsResult run_gradients(const GradientsOptions& options, const Phases& phases = {});

}  // namespace partita::app
