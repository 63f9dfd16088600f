#include "apps/experiments/gradients/estimator_named.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/estimators/arm.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/unordered_set.hpp"

namespace partita::app {

namespace {

template <class E, class Options>
std::shared_ptr<estimators::Estimator> made(const Options& options) {
  return std::make_shared<E>(options);
}

}  // namespace

std::shared_ptr<estimators::Estimator> make_estimator(const std::string& name,
                                                      const EstimatorSettings& settings) {
  using namespace estimators;
  const std::int64_t samples = settings.samples;
  const RelaxationOptions relaxation{.samples = samples, .temperature = settings.temperature};
  if (name == "concrete") return made<Concrete>(relaxation);
  if (name == "straight-through-gumbel" || name == "st-gumbel") {
    return made<StraightThroughGumbel>(relaxation);
  }
  if (name == "straight-through") {
    return made<StraightThrough>(StraightThroughOptions{.samples = samples});
  }
  if (name == "reinforce") return made<ScoreFunction>(ScoreFunctionOptions{.samples = samples});
  if (name == "score-leave-one-out" || name == "reinforce-loo") {
    return made<ScoreFunction>(
        ScoreFunctionOptions{.samples = samples, .baseline = baselines::LeaveOneOut{}});
  }
  if (name == "rebar") {
    return made<Rebar>(RebarOptions{
        .samples = samples, .temperature = settings.temperature, .tune = settings.tune});
  }
  if (name == "relax") {
    RelaxOptions options = settings.relax;
    options.samples = samples;
    return made<Relax>(options);
  }
  if (name == "arm") return made<Arm>(ArmOptions{.samples = samples});
  if (name == "disarm") return made<DisArm>(ArmOptions{.samples = samples});
  if (name == "unordered-set" || name == "unordered-set-plain") {
    return made<UnorderedSet>(
        UnorderedSetOptions{.samples = samples, .baseline = name == "unordered-set"});
  }
  if (name == "sum-and-sample") return made<SumAndSample>(SumAndSampleOptions{.samples = samples});
  if (name == "enumeration") return std::make_shared<Enumeration>();
  throw InvalidArgument("--estimator", fmt::format("expected a known name, got {}", name));
}

std::int64_t least_samples(const std::string& name) {
  const bool two =
      name == "score-leave-one-out" || name == "reinforce-loo" || name == "unordered-set";
  return two ? 2 : 1;
}

estimators::RelaxOptions control_network(std::int64_t inputs, std::int64_t hidden,
                                         const at::TensorOptions& options) {
  const Random random(Stream{.seed = 1});
  const auto weight = [&](IntArrayRef shape, double scale) {
    return (scale * random.normal(shape, options)).set_requires_grad(true);
  };
  const Tensor in = weight({inputs, hidden}, 1 / std::sqrt(static_cast<double>(inputs)));
  const Tensor bias = weight({hidden}, 1);
  const Tensor out = weight({hidden}, 0.1);
  return {.control_variate =
              [=](const Tensor& z) {
                const Tensor rows = z.reshape({z.size(0), z.size(1), inputs});
                return (rows.matmul(in) + bias).tanh().matmul(out);
              },
          .parameters = {in, bias, out}};
}

}  // namespace partita::app
