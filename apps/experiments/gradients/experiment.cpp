#include "apps/experiments/gradients/experiment.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <mutex>
#include <set>
#include <utility>

#include "apps/command/terminal.hpp"
#include "apps/experiments/gradients/problem.hpp"
#include "partita/base/error.hpp"
#include "partita/base/parallel.hpp"
#include "partita/learn/estimators/measure.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

constexpr double kTemperatures[] = {0.1, 0.2, 0.5, 1, 2};
constexpr double kUsualTemperature = 0.5;
constexpr double kLearningRate = 0.02;
constexpr std::int64_t kCurvePoints = 50;
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
  for (const std::string& name : options.estimators) {
    const auto found = std::find_if(variant.entries.begin(), variant.entries.end(),
                                    [&](const Entry& entry) { return entry.name == name; });
    if (found == variant.entries.end()) {
      std::vector<std::string> names;
      for (const Entry& entry : variant.entries) names.push_back(entry.name);
      throw InvalidArgument("--estimators",
                            fmt::format("{} is none that fits the problem {}; those that do: {}",
                                        name, options.problem, fmt::join(names, ", ")));
    }
    chosen.push_back(*found);
  }
  return chosen;
}

/// Work is a list of tasks, each with random numbers of its own: what they measure does not depend
/// on who does them.
class Tasks {
 public:
  explicit Tasks(const GradientsOptions& options) : options_(options) {}

  void add(std::function<void(const Random&)> task) { tasks_.push_back(std::move(task)); }

  void run() {
    at::set_num_threads(1);  // a sum by several threads would round by their number
    Meter meter("gradients");
    std::mutex mutex;
    std::size_t next = 0;
    std::size_t done = 0;
    const auto workers = std::min<std::size_t>(static_cast<std::size_t>(options_.threads),
                                               std::max<std::size_t>(tasks_.size(), 1));
    parallel_for(workers, static_cast<int>(workers), [&](std::size_t, std::size_t) {
      while (true) {
        std::size_t task = 0;
        {
          const std::scoped_lock lock(mutex);
          if (next == tasks_.size()) return;
          task = next++;
        }
        tasks_[task](Random(Stream{.seed = options_.seed}.child(task)));
        const std::scoped_lock lock(mutex);
        meter.update({++done, tasks_.size(), "measurements"});
      }
    });
  }

 private:
  const GradientsOptions& options_;
  std::vector<std::function<void(const Random&)>> tasks_;
};

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

/// What is to be measured of an entry: each number of samples, and each temperature with the first.
std::vector<Measurement> settings_of(const Entry& entry) {
  std::vector<Measurement> out;
  for (const std::int64_t samples : entry.samples) {
    Measurement at{.estimator = entry.name,
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

void optimize(const Entry& entry, const Variant& variant, const GradientsOptions& options,
              OptimizationCurve& into, const Random& random) {
  const auto sampler = entry.make({.samples = entry.samples.front(), .tune = true});
  OwnLearning own(sampler.parameters);
  Tensor theta = rows_of(variant.start, kRuns);
  const std::int64_t stride = std::max<std::int64_t>(1, options.steps / kCurvePoints);
  for (std::int64_t step = 0; step <= options.steps; ++step) {
    if (step % stride == 0 || step == options.steps) {
      const Tensor value = variant.expected(theta.detach());
      into.step.push_back(static_cast<double>(step));
      into.value.push_back(value.mean().item<double>());
      into.error.push_back(value.std().item<double>() / std::sqrt(static_cast<double>(kRuns)));
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
  for (const auto& [name, closed_form] : problem.closed_forms) {
    const auto entry =
        std::find_if(entries.begin(), entries.end(),
                     [&wanted = name](const Entry& each) { return each.name == wanted; });
    if (entry == entries.end()) continue;
    VarianceCurve curve{.estimator = name};
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
    tasks.add([=, &variant, &options](const Random& random) {
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

Problem problem_named(const std::string& name) {
  if (name == "gaussian") return gaussian_problem();
  if (name == "bernoulli") return bernoulli_problem();
  if (name == "categorical") return categorical_problem();
  return mdp_problem();
}

}  // namespace

std::string family_of(const std::string& estimator) {
  static const std::set<std::string> kRelaxations = {"concrete", "straight-through-gumbel",
                                                     "straight-through", "rebar", "relax"};
  static const std::set<std::string> kPairsAndSets = {
      "arm", "disarm", "unordered-set", "unordered-set-plain", "sum-and-sample", "enumeration"};
  if (kRelaxations.contains(estimator)) return "relaxations";
  return kPairsAndSets.contains(estimator) ? "pairs and sets" : "score function";
}

GradientsResult run_gradients(const GradientsOptions& options) {
  const Problem problem = problem_named(options.problem);
  GradientsResult result{.title = problem.title,
                         .description = problem.description,
                         .value_name = problem.value_name,
                         .variants = std::vector<VariantResult>(problem.variants.size())};
  Tasks tasks(options);
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
      for (Measurement& at : settings_of(entry)) {
        into.measurements.push_back(std::move(at));
        measured.push_back(&entry);
      }
      into.curves.push_back({.estimator = entry.name});
    }
    for (std::size_t i = 0; i < measured.size(); ++i) {
      tasks.add([&, i, v, entry = measured[i]](const Random& random) {
        measure(*entry, problem.variants[v], options, result.variants[v].measurements[i], random);
      });
    }
    for (std::size_t i = 0; i < entries[v].size(); ++i) {
      tasks.add([&, i, v](const Random& random) {
        optimize(entries[v][i], problem.variants[v], options, result.variants[v].curves[i], random);
      });
    }
    into.variance_curves.reserve(problem.closed_forms.size());
    if (v == 0) add_variance_curves(problem, variant, entries[v], options, into, tasks);
  }
  tasks.run();
  return result;
}

}  // namespace partita::app
