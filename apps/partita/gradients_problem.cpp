#include "gradients_problem.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <cmath>
#include <utility>

#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/estimators/arm.hpp"
#include "partita/learn/estimators/enumeration.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/unordered_set.hpp"

namespace partita::app {
namespace {

namespace baselines = estimators::baselines;
using distributions::Bernoulli;
using distributions::Distribution;
using distributions::DistributionPtr;
using distributions::Independent;
using distributions::Logits;
using distributions::Normal;
using estimators::Estimator;
using estimators::Function;

/// theta [rows, 1] -> p(z | theta), batch [rows]; and f.
struct Expectation {
  std::function<DistributionPtr(const Tensor& theta)> distribution;
  Function f;
};

template <class E>
Contender contender(const Expectation& expectation, E estimator) {
  auto shared = std::make_shared<E>(std::move(estimator));
  return {[=](const Tensor& theta, const Random& random) {
            const DistributionPtr distribution = expectation.distribution(theta);
            (*shared)(*distribution, expectation.f, random).surrogate.sum().backward();
          },
          shared->parameters()};
}

/// An entry whose estimator is make(options).
template <class Make>
Entry entry(const std::string& name, const Expectation& expectation, const Make& make) {
  return {.name = name, .samples = {1}, .make = [=](const ContenderOptions& options) {
            return contender(expectation, make(options));
          }};
}

Entry needs(std::int64_t least, Entry entry) {
  entry.samples = {least};
  return entry;
}

Entry evaluates(std::int64_t each, Entry entry) {
  entry.evaluations_each = each;
  return entry;
}

Entry tempered(Entry entry) {
  entry.has_temperature = true;
  return entry;
}

std::vector<Entry> score_functions(const Expectation& expectation) {
  const auto with = [&](std::string name, const auto& baseline) {
    return entry(std::move(name), expectation, [=](const ContenderOptions& options) {
      return estimators::ScoreFunction({.samples = options.samples, .baseline = baseline()});
    });
  };
  return {with("score", [] { return baselines::None{}; }),
          with("score-moving-average", [] { return baselines::MovingAverage{}; }),
          needs(2, with("score-leave-one-out", [] { return baselines::LeaveOneOut{}; })),
          with("score-learned",
               [] {
                 Tensor b = at::zeros({}, at::kDouble).set_requires_grad(true);
                 return baselines::Learned{.function = [b] { return b; }, .parameters = {b}};
               }),
          needs(3, with("score-control-variate", [] { return baselines::ControlVariate{}; }))};
}

/// RELAX's control variate: a network with a hidden layer, that reads one row's perturbed logits.
estimators::RelaxOptions small_network(std::int64_t inputs, std::int64_t samples) {
  constexpr std::int64_t kHidden = 8;
  const Random random(Stream{.seed = 1});
  const auto weight = [&](IntArrayRef shape, double scale) {
    return (scale * random.normal(shape, at::kDouble)).set_requires_grad(true);
  };
  const Tensor in = weight({inputs, kHidden}, 1);
  const Tensor bias = weight({kHidden}, 1);
  const Tensor out = weight({kHidden}, 0.1);
  return {.samples = samples,
          .control_variate =
              [=](const Tensor& z) {
                const Tensor rows = inputs == 1 ? z.unsqueeze(-1) : z;
                return (rows.matmul(in) + bias).tanh().matmul(out);
              },
          .parameters = {in, bias, out}};
}

/// Everything for one bit or several, whose f is differentiable.
std::vector<Entry> for_bits(const Expectation& expectation, std::int64_t bits) {
  std::vector<Entry> entries = score_functions(expectation);
  const auto add = [&](Entry each) { entries.push_back(std::move(each)); };
  add(tempered(entry("concrete", expectation, [](const ContenderOptions& o) {
    return estimators::Concrete({.samples = o.samples, .temperature = o.temperature});
  })));
  add(tempered(entry("straight-through-gumbel", expectation, [](const ContenderOptions& o) {
    return estimators::StraightThroughGumbel({.samples = o.samples, .temperature = o.temperature});
  })));
  add(entry("straight-through", expectation, [](const ContenderOptions& o) {
    return estimators::StraightThrough({.samples = o.samples});
  }));
  add(evaluates(3, tempered(entry("rebar", expectation, [](const ContenderOptions& o) {
                  return estimators::Rebar(
                      {.samples = o.samples, .temperature = o.temperature, .tune = o.tune});
                }))));
  add(entry("relax", expectation, [bits](const ContenderOptions& o) {
    return estimators::Relax(small_network(bits, o.samples));
  }));
  add(evaluates(2, entry("arm", expectation, [](const ContenderOptions& o) {
                  return estimators::Arm({.samples = o.samples});
                })));
  add(evaluates(2, entry("disarm", expectation, [](const ContenderOptions& o) {
                  return estimators::DisArm({.samples = o.samples});
                })));
  add(needs(2, entry("unordered-set", expectation, [](const ContenderOptions& o) {
              return estimators::UnorderedSet({.samples = o.samples});
            })));
  add(entry("unordered-set-plain", expectation, [](const ContenderOptions& o) {
    return estimators::UnorderedSet({.samples = o.samples, .baseline = false});
  }));
  add(entry("sum-and-sample", expectation, [](const ContenderOptions& o) {
    return estimators::SumAndSample({.samples = o.samples});
  }));
  add(entry("enumeration", expectation,
            [](const ContenderOptions&) { return estimators::Enumeration(); }));
  entries.back().evaluations_each = std::int64_t{1} << bits;
  return entries;
}

Tensor one_parameter(double value) { return at::full({1}, value, at::kDouble); }

}  // namespace

Problem gaussian_problem() {
  constexpr double a = 2;
  constexpr double b = 3;
  const Expectation expectation{[](const Tensor& theta) -> DistributionPtr {
                                  return std::make_shared<Normal>(a * theta.squeeze(-1) + b, 1);
                                },
                                [](const Tensor& z) { return z.square(); }};
  std::vector<Entry> entries = score_functions(expectation);
  entries.push_back(entry("pathwise", expectation, [](const ContenderOptions& o) {
    return estimators::Pathwise({.samples = o.samples});
  }));
  const auto from = [&](double theta) {
    return Variant{
        .name = fmt::format("θ = {:g}", theta),
        .start = one_parameter(theta),
        .expected = [](const Tensor& at) { return (a * at.squeeze(-1) + b).square() + 1; },
        .best_value = 1,
        .step_size = 0.01,
        .entries = entries};
  };
  return {
      .title = "A Gaussian's mean",
      .description =
          "E[z²] for z ~ N(2θ + 3, 1). The exact gradient is 4(2θ + 3), and E[z²] is least, 1, at "
          "θ = −1.5.",
      .value_name = "E[z²]",
      .variants = {from(0), from(-1.5)},
      // With m = a theta + b and e standard normal: the score function's estimate is
      // (m + e)^2 a e, of second moment a^2 (m^4 + 18 m^2 + 15); the pathwise one 2 a (m + e).
      .closed_forms = {{"score",
                        [](double theta) {
                          const double m = a * theta + b;
                          return a * a * (m * m * m * m + 14 * m * m + 15);
                        }},
                       {"pathwise", [](double) { return 4 * a * a; }}},
      .least_theta = -3,
      .most_theta = 0};
}

Problem bernoulli_problem() {
  const auto with_target = [](double t, double step_size) {
    const Expectation expectation{[](const Tensor& theta) -> DistributionPtr {
                                    return std::make_shared<Bernoulli>(Logits(theta.squeeze(-1)));
                                  },
                                  [t](const Tensor& z) { return (z - t).square(); }};
    return Variant{
        .name = fmt::format("t = {:g}", t),
        .start = one_parameter(0),
        .expected =
            [t](const Tensor& theta) { return t * t + (1 - 2 * t) * theta.squeeze(-1).sigmoid(); },
        .best_value = t * t,
        .step_size = step_size,
        .entries = for_bits(expectation, 1)};
  };
  return {.title = "One coin",
          .description =
              "E[(b − t)²] for a coin b of probability sigmoid(θ), at θ = 0. The exact gradient is "
              "(1 − 2t) / 4: small beside the noise, so that whatever is not unbiased or not calm "
              "loses its way (Tucker et al. 2017).",
          .value_name = "E[(b − t)²]",
          .variants = {with_target(0.499, 16), with_target(0.45, 1)}};
}

Problem categorical_problem() {
  const Tensor targets = at::tensor({0.6, 0.51, 0.48}, at::kDouble);
  const Expectation expectation{
      [](const Tensor& theta) -> DistributionPtr {
        return std::make_shared<Independent>(Bernoulli(Logits(theta.expand({theta.size(0), 3}))),
                                             1);
      },
      [targets](const Tensor& z) { return (z - targets).square().sum(-1); }};
  const auto offset = targets.square().sum().item<double>();
  const auto slope = (1 - 2 * targets).sum().item<double>();
  const auto from = [&](double eta, double step_size) {
    Variant variant{
        .name = fmt::format("η = {:g}", eta),
        .start = one_parameter(eta),
        .expected =
            [=](const Tensor& theta) { return offset + slope * theta.squeeze(-1).sigmoid(); },
        .best_value = offset + slope,
        .step_size = step_size,
        .entries = for_bits(expectation, 3)};
    for (Entry& each : variant.entries) {
      const std::int64_t least = each.samples.front();
      if (each.name == "enumeration") continue;
      each.samples.clear();
      for (const std::int64_t k : {2, 3, 4, 6, 8}) {
        if (k >= least) each.samples.push_back(k);
      }
    }
    return variant;
  };
  return {
      .title = "Three coins, eight categories",
      .description =
          "E[Σ (bᵢ − pᵢ)²] for three coins of probability sigmoid(η) and p = (0.6, 0.51, 0.48), "
          "the problem of Kool, van Hoof and Welling (2020). Its eight outcomes can be drawn "
          "without replacement: k = 8 is all of them.",
      .value_name = "E[Σ (bᵢ − pᵢ)²]",
      .variants = {from(0, 1), from(-4, 20)}};
}

}  // namespace partita::app
