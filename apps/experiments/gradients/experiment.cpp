// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/gradients/experiment.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <utility>

#include "apps/experiments/gradients/problem.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/estimators/measure.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

constexpr double kTemperatures[] = {0.1, 0.2, 0.5, 1, 2};
constexpr double kUsualTemperature = 0.5;
constexpr double kLearningRate = 0.02;
constexpr std::int64_t kCurvePoints = 50;
constexpr std::int64_t kTimedRuns = 7;
constexpr int kThetas = 13;

Tensor rows_of(const Tensor& theta, std::int64_t rows) {
  return theta.expand({rows, theta.size(0)}).clone().set_requires_grad(true);
}

Tensor exact_gradient(const Variant& variant, const Tensor& at) {
  const Tensor theta = rows_of(at, 1);
  variant.expected(theta).sum().backward();
  return theta.grad()[0];
}

/// Steps of an estimator's own parameters, if it has any.
class OwnLearning {
 public:
  explicit OwnLearning(const std::vector<Tensor>& parameters) {
    if (!parameters.empty()) {
      optimizer_ = std::make_unique<torch::optim::Adam>(parameters,
                                                        torch::optim::AdamOptions(kLearningRate));
    }
  }
  bool needed() const { return optimizer_ != nullptr; }
  void forget_gradient() {
    if (needed()) optimizer_->zero_grad();
  }
  void step() {
    if (needed()) optimizer_->step();
  }

 private:
  std::unique_ptr<torch::optim::Adam> optimizer_;
};

/// The entries of a variant that were asked for.
std::vector<Entry> chosen_entries(const Variant& variant, const GradientsOptions& options) {
  if (options.estimators.empty()) return variant.entries;
  std::vector<Entry> chosen;
  for (const EstimatorKind kind : options.estimators) {
    const auto found = std::find_if(variant.entries.begin(), variant.entries.end(),
                                    [&](const Entry& entry) { return entry.kind == kind; });
    if (found == variant.entries.end()) {
      throw InvalidArgument("estimators",
                            fmt::format("{} does not fit the problem {}", name_of(kind),
                                        name_of(kGradientsProblems, options.problem)));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

/// Each has random numbers of its own, so that its measurements do not depend on the thread.
using Tasks = std::vector<std::function<void(const Random&)>>;

void measure(const Entry& entry, const Variant& variant, const GradientsOptions& options,
             Measurement& into, const Random& random) {
  const auto sampler = entry.make(
      {.samples = into.samples, .temperature = into.temperature.value_or(kUsualTemperature)});
  const auto moments =
      estimators::measure(sampler, variant.start, exact_gradient(variant, variant.start), random,
                          {.estimates = options.samples});
  into.bias = moments.bias;
  into.bias_error = moments.bias_error;
  into.variance = moments.variance;
  into.variance_error = moments.variance_error;
}

/// The measurements of an entry: each number of samples, and each temperature with the first.
std::vector<Measurement> settings_of(const Entry& entry) {
  std::vector<Measurement> out;
  for (const std::int64_t samples : entry.samples) {
    Measurement at{.estimator = entry.kind,
                   .samples = samples,
                   .evaluations = samples * entry.evaluations_each};
    if (!entry.has_temperature) {
      out.push_back(at);
      continue;
    }
    for (const double temperature : kTemperatures) {
      if (samples != entry.samples.front() && temperature != kUsualTemperature) continue;
      at.temperature = temperature;
      out.push_back(at);
    }
  }
  return out;
}

/// The median over some runs, after one that brings memory in.
double microseconds_of(const Entry& entry, const Variant& variant, const Measurement& at,
                       const Random& random) {
  const auto sampler = entry.make(
      {.samples = at.samples, .temperature = at.temperature.value_or(kUsualTemperature)});
  std::array<double, kTimedRuns> runs{};
  for (std::int64_t run = -1; run < kTimedRuns; ++run) {
    const Tensor theta = rows_of(variant.start, kTimedRows);
    const double start = thread_seconds();
    sampler.surrogate(theta, random).sum().backward();
    if (run >= 0) runs[static_cast<std::size_t>(run)] = 1e6 * (thread_seconds() - start);
  }
  std::nth_element(runs.begin(), runs.begin() + kTimedRuns / 2, runs.end());
  return runs[kTimedRuns / 2] / static_cast<double>(kTimedRows);
}

void optimize(const Entry& entry, const Variant& variant, const GradientsOptions& options,
              OptimizationCurve& into, const Random& random) {
  const auto sampler = entry.make({.samples = entry.samples.front(), .tune = true});
  OwnLearning own(sampler.parameters);
  Tensor theta = rows_of(variant.start, kRuns);
  const std::int64_t stride = std::max<std::int64_t>(1, options.steps / kCurvePoints);
  for (std::int64_t step = 0; step <= options.steps; ++step) {
    if (step % stride == 0 || step == options.steps) {
      const Mean value = mean_of(to_vector(variant.expected(theta.detach())));
      into.step.push_back(static_cast<double>(step));
      into.value.push_back(value.value);
      into.error.push_back(value.standard_error);
    }
    own.forget_gradient();
    sampler.surrogate(theta, random).sum().backward();
    own.step();
    const double left = 1 - static_cast<double>(step) /
                                static_cast<double>(std::max<std::int64_t>(options.steps, 1));
    const double size = (variant.ascends ? 1 : -1) * variant.step_size * left;
    theta = (theta + size * theta.grad()).detach().set_requires_grad(true);
  }
}

void add_variance_curves(const Problem& problem, const Variant& variant,
                         const std::vector<Entry>& entries, const GradientsOptions& options,
                         VariantResult& result, Tasks& tasks) {
  for (const auto& [kind, closed_form] : problem.closed_forms) {
    const auto entry =
        std::find_if(entries.begin(), entries.end(),
                     [&wanted = kind](const Entry& each) { return each.kind == wanted; });
    if (entry == entries.end()) continue;
    VarianceCurve curve{.estimator = kind};
    for (int i = 0; i < kThetas; ++i) {
      const double theta =
          problem.least_theta + (problem.most_theta - problem.least_theta) * i / (kThetas - 1);
      curve.theta.push_back(theta);
      curve.closed_form.push_back(closed_form(theta));
    }
    curve.variance.resize(curve.theta.size());
    curve.error.resize(curve.theta.size());
    result.variance_curves.push_back(std::move(curve));
    VarianceCurve* const into = &result.variance_curves.back();
    tasks.push_back([=, &variant, &options](const Random& random) {
      for (std::size_t i = 0; i < into->theta.size(); ++i) {
        const Tensor at = at::full_like(variant.start, into->theta[i]);
        const auto moments =
            estimators::measure(entry->make({}), at, exact_gradient(variant, at), random,
                                {.estimates = options.samples, .warm_up = 0});
        into->variance[i] = moments.variance;
        into->error[i] = moments.variance_error;
      }
    });
  }
}

Problem make_problem(GradientsProblem problem, const std::optional<Mdp>& mdp) {
  switch (problem) {
    case GradientsProblem::gaussian:
      return gaussian_problem();
    case GradientsProblem::bernoulli:
      return bernoulli_problem();
    case GradientsProblem::categorical:
      return categorical_problem();
    case GradientsProblem::bernoulli_vae:
      return bernoulli_vae_problem();
    case GradientsProblem::categorical_vae:
      return categorical_vae_problem();
    case GradientsProblem::subset:
      return subset_problem();
    case GradientsProblem::mdp:
      break;
  }
  return mdp_problem(mdp ? *mdp : river());
}

}  // namespace

std::string family_of(EstimatorKind estimator) {
  switch (estimator) {
    case EstimatorKind::concrete:
    case EstimatorKind::straight_through_gumbel:
    case EstimatorKind::gumbel_rao:
    case EstimatorKind::relaxed_top_k:
    case EstimatorKind::perturbed_top_k:
    case EstimatorKind::implicit_mle:
      return kRelaxations;
    case EstimatorKind::straight_through:
    case EstimatorKind::decoupled_straight_through:
    case EstimatorKind::reinmax:
    case EstimatorKind::reinmax_rao:
      return kStraightThrough;
    case EstimatorKind::rebar:
    case EstimatorKind::relax:
    case EstimatorKind::double_control_variates:
    case EstimatorKind::arm:
    case EstimatorKind::disarm:
    case EstimatorKind::arms:
      return "control variates and antithetic samples";
    case EstimatorKind::unordered_set:
    case EstimatorKind::unordered_set_plain:
    case EstimatorKind::sum_and_sample:
    case EstimatorKind::enumeration:
      return "sets";
    default:
      return "score function";
  }
}

std::vector<EstimatorKind> estimators_for(GradientsProblem problem) {
  const Problem made = make_problem(problem, {});
  std::vector<EstimatorKind> kinds;
  for (const Entry& entry : made.variants.front().entries) kinds.push_back(entry.kind);
  return kinds;
}

GradientsResult run_gradients(const GradientsOptions& options, const Phases& phases) {
  const Problem problem = make_problem(options.problem, options.mdp);
  GradientsResult result{.title = problem.title,
                         .description = problem.description,
                         .value_name = problem.value_name,
                         .variants = std::vector<VariantResult>(problem.variants.size())};
  Tasks tasks;
  std::vector<std::function<void()>> timings;
  std::vector<std::vector<Entry>> entries;
  for (const Variant& variant : problem.variants) {
    entries.push_back(chosen_entries(variant, options));
  }
  for (std::size_t v = 0; v < problem.variants.size(); ++v) {
    const Variant& variant = problem.variants[v];
    VariantResult& into = result.variants[v];
    into.name = variant.name;
    into.start = to_vector(variant.start);
    into.exact_gradient = to_vector(exact_gradient(variant, variant.start));
    into.best_value = variant.best_value;
    into.step_size = variant.step_size;
    // Tasks write to their places, so all places are there before the first one runs.
    std::vector<const Entry*> measured;
    for (const Entry& entry : entries[v]) {
      for (const Measurement& at : settings_of(entry)) {
        into.measurements.push_back(at);
        measured.push_back(&entry);
      }
      into.curves.push_back({.estimator = entry.kind});
    }
    for (std::size_t i = 0; i < measured.size(); ++i) {
      tasks.push_back([&, i, v, entry = measured[i]](const Random& random) {
        measure(*entry, problem.variants[v], options, result.variants[v].measurements[i], random);
      });
      timings.emplace_back([&, i, v, entry = measured[i]] {
        Measurement& at = result.variants[v].measurements[i];
        at.microseconds = microseconds_of(*entry, problem.variants[v], at, Stream{});
      });
    }
    for (std::size_t i = 0; i < entries[v].size(); ++i) {
      tasks.push_back([&, i, v](const Random& random) {
        optimize(entries[v][i], problem.variants[v], options, result.variants[v].curves[i], random);
      });
    }
    into.variance_curves.reserve(problem.closed_forms.size());
    if (v == 0) add_variance_curves(problem, variant, entries[v], options, into, tasks);
  }
  SharedProgress progress(begin(phases, "gradients"), tasks.size(), "measurements");
  run_tasks(tasks.size(), options.threads, [&](std::size_t task) {
    tasks[task](Random(Stream{.seed = options.seed}.child(task)));
    progress.one_more();
  });
  if (options.timed) {
    SharedProgress timed(begin(phases, "timing"), timings.size(), "measurements");
    run_tasks(timings.size(), 1, [&](std::size_t task) {  // one after the other
      timings[task]();
      timed.one_more();
    });
  }
  return result;
}

}  // namespace partita::app
