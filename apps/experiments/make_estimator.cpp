// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/make_estimator.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/estimators/arm.hpp"
#include "partita/learn/estimators/arms.hpp"
#include "partita/learn/estimators/double_control_variates.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/implicit_mle.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/perturbed_top_k.hpp"
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

std::shared_ptr<estimators::Estimator> make_estimator(EstimatorKind kind,
                                                      const EstimatorSettings& settings) {
  using namespace estimators;
  const std::int64_t samples = settings.samples;
  switch (kind) {
    case EstimatorKind::score:
      return made<ScoreFunction>(ScoreFunctionOptions{.samples = samples});
    case EstimatorKind::score_leave_one_out:
      return made<ScoreFunction>(
          ScoreFunctionOptions{.samples = samples, .baseline = baselines::LeaveOneOut{}});
    case EstimatorKind::pathwise:
      return made<Pathwise>(PathwiseOptions{.samples = samples});
    case EstimatorKind::concrete:
      return made<Concrete>(
          RelaxationOptions{.samples = samples, .temperature = settings.temperature});
    case EstimatorKind::straight_through_gumbel:
      return made<StraightThroughGumbel>(
          RelaxationOptions{.samples = samples, .temperature = settings.temperature});
    case EstimatorKind::gumbel_rao:
      return made<GumbelRao>(
          GumbelRaoOptions{.samples = samples, .temperature = settings.temperature});
    case EstimatorKind::reinmax:
      return made<ReinMax>(ReinMaxOptions{.samples = samples});
    case EstimatorKind::reinmax_rao:
      return made<ReinMaxRao>(ReinMaxRaoOptions{.samples = samples});
    case EstimatorKind::perturbed_top_k:
      return made<PerturbedTopK>(
          PerturbedTopKOptions{.samples = samples, .epsilon = settings.temperature});
    case EstimatorKind::implicit_mle:
      return made<ImplicitMle>(ImplicitMleOptions{.samples = samples});
    case EstimatorKind::straight_through:
      return made<StraightThrough>(StraightThroughOptions{.samples = samples});
    case EstimatorKind::decoupled_straight_through:
      return made<StraightThrough>(
          StraightThroughOptions{.samples = samples, .temperature = settings.temperature});
    case EstimatorKind::double_control_variates:
      return made<DoubleControlVariates>(DoubleControlVariatesOptions{.samples = samples});
    case EstimatorKind::rebar:
      return made<Rebar>(RebarOptions{
          .samples = samples, .temperature = settings.temperature, .tune = settings.tune});
    case EstimatorKind::relax: {
      RelaxOptions options = settings.relax;
      options.samples = samples;
      return made<Relax>(options);
    }
    case EstimatorKind::arm:
      return made<Arm>(ArmOptions{.samples = samples});
    case EstimatorKind::disarm:
      return made<DisArm>(ArmOptions{.samples = samples});
    case EstimatorKind::arms:
      return made<Arms>(ArmsOptions{.samples = samples});
    case EstimatorKind::unordered_set:
    case EstimatorKind::unordered_set_plain:
      return made<UnorderedSet>(UnorderedSetOptions{
          .samples = samples, .baseline = kind == EstimatorKind::unordered_set});
    case EstimatorKind::sum_and_sample:
      return made<SumAndSample>(SumAndSampleOptions{.samples = samples});
    case EstimatorKind::enumeration:
      return std::make_shared<Enumeration>();
    default:
      throw InvalidArgument("estimator",
                            fmt::format("{} is constructed where its baseline is", name_of(kind)));
  }
}

std::int64_t least_samples(EstimatorKind kind) {
  switch (kind) {
    case EstimatorKind::score_leave_one_out:
    case EstimatorKind::double_control_variates:
    case EstimatorKind::arms:
    case EstimatorKind::unordered_set:
      return 2;
    default:
      return 1;
  }
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
