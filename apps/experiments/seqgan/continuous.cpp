// SPDX-License-Identifier: Apache-2.0
// Sequences of points in the plane, drawn from a Gaussian whose mean and deviation an LSTM gives at
// each step: what the lecture calls continuous sequences.
#include <ATen/ATen.h>

#include <cmath>
#include <memory>
#include <numbers>
#include <utility>

#include "apps/experiments/device.hpp"
#include "apps/experiments/seqgan/experiment.hpp"
#include "apps/experiments/seqgan/phases.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

using seqgan::GaussianPolicy;

constexpr double kDeviation = 0.2;
constexpr double kTurns = 0.5;  // of the whole trajectory
constexpr std::int64_t kPlane = 2;
constexpr std::int64_t kShown = 40;  // trajectories

/// A point that goes around a circle: the first is normal around (1, 0), and each other one around
/// the direction of the one before it, turned by an angle. It strays from the path it was on, never
/// from the circle.
class Orbit final : public seqgan::SequencePolicy {
 public:
  explicit Orbit(std::int64_t length)
      : angle_(2 * std::numbers::pi * kTurns / static_cast<double>(length)) {}

  State start(std::int64_t rows) const override {
    return {at::tensor({1.0F, 0.0F}).repeat({rows, 1})};
  }
  Tensor draw(const State& state, std::span<const Stream> streams) const override {
    const Tensor noise = at::empty({state[0].size(0), kPlane}, at::kFloat);
    auto* out = noise.data_ptr<float>();
    for (const Stream& stream : streams) {
      Draws draws(stream);
      for (int i = 0; i < kPlane; ++i) *out++ = static_cast<float>(draws.normal());
    }
    return state[0] + kDeviation * noise;
  }
  void read(const Tensor& elements, State& state) const override { state[0] = turned(elements); }
  Tensor log_prob(const Tensor& sequences) const override {
    const Tensor first = start(sequences.size(0))[0].unsqueeze(1);
    const Tensor means = at::cat({first, turned(sequences.narrow(1, 0, sequences.size(1) - 1))}, 1);
    return distributions::Normal(means, at::full_like(means, kDeviation))
        .log_prob(sequences)
        .sum(-1);
  }

 private:
  Tensor turned(const Tensor& points) const {
    const Tensor unit = points / points.norm(2, -1, /*keepdim=*/true).clamp_min(1e-6);
    const Tensor x = unit.select(-1, 0);
    const Tensor y = unit.select(-1, 1);
    const double c = std::cos(angle_);
    const double s = std::sin(angle_);
    return at::stack({c * x - s * y, s * x + c * y}, -1);
  }

  double angle_;
};

class ContinuousExperiment {
 public:
  ContinuousExperiment(const SeqganOptions& options, const Phases& phases)
      : options_(options),
        device_(device_of(options.run.device)),
        oracle_(options.length),
        real_(seqgan::sample(oracle_, options.sequences, options.length, stream(SeqganDraw::real))),
        held_out_(seqgan::sample(oracle_, options.sequences, options.length,
                                 stream(SeqganDraw::held_out))),
        mean_(held_out_.mean(0)),
        phases_(options, real_.to(device_), held_out_.to(device_), phases) {}

  SeqganContinuousResult run() {
    SeqganContinuousResult result;
    result.quality.push_back(quality("oracle", oracle_, held_out_));
    result.quality.push_back(quality("untrained", *policy()));

    const auto generator = policy();
    result.phases.push_back(
        phases_.maximum_likelihood("MLE", generator, 1, evaluation(*generator)));
    result.quality.push_back(quality("MLE", *generator));
    for (SeqganPhase& phase :
         phases_.adversarial(generator, policy(), /*vocabulary=*/0, evaluation(*generator))) {
      result.phases.push_back(std::move(phase));
    }
    result.quality.push_back(quality("SeqGAN", *generator));
    return result;
  }

 private:
  Stream stream(SeqganDraw draw) const { return seqgan_stream(options_, draw); }

  /// As every generator begins.
  std::shared_ptr<GaussianPolicy> policy() const {
    auto made = std::make_shared<GaussianPolicy>(
        seqgan::GaussianPolicyOptions{.features = kPlane, .hidden = options_.hidden},
        stream(SeqganDraw::generator));
    made->to(device_);
    return made;
  }

  Tensor drawn(const seqgan::SequencePolicy& policy) const {
    return seqgan::sample(policy, options_.samples, options_.length, stream(SeqganDraw::measured))
        .cpu();
  }

  Mean oracle_nll(const Tensor& paths) const {
    return mean_of(to_vector(-oracle_.log_prob(paths).to(at::kDouble).mean(-1)));
  }
  /// Mean over time of the distance between the mean points.
  double mean_distance(const Tensor& paths) const {
    return (paths.mean(0) - mean_).norm(2, -1).mean().item<double>();
  }

  SeqganContinuousQuality quality(const std::string& name, const seqgan::SequencePolicy& policy,
                                  const Tensor& paths) const {
    const auto [nll, error] = oracle_nll(paths);
    const Tensor shown = paths.narrow(0, 0, std::min(kShown, paths.size(0))).flatten(0, 1);
    const Tensor mean = paths.mean(0);
    return {.name = name,
            .oracle_nll = nll,
            .oracle_nll_error = error,
            .held_out_nll = seqgan::nll_of(policy, held_out_.to(device_)),
            .mean_distance = mean_distance(paths),
            .x = to_vector(shown.select(1, 0)),
            .y = to_vector(shown.select(1, 1)),
            .mean_x = to_vector(mean.select(1, 0)),
            .mean_y = to_vector(mean.select(1, 1))};
  }
  SeqganContinuousQuality quality(const std::string& name,
                                  const seqgan::SequencePolicy& policy) const {
    return quality(name, policy, drawn(policy));
  }

  training::Evaluate evaluation(const seqgan::SequencePolicy& policy) const {
    return [this, &policy]() -> training::Values {
      const Tensor paths = drawn(policy);
      return {{"oracle_nll", oracle_nll(paths).value}, {"mean_distance", mean_distance(paths)}};
    };
  }

  const SeqganOptions& options_;
  at::Device device_;
  Orbit oracle_;
  Tensor real_;
  Tensor held_out_;
  Tensor mean_;  // the oracle's, [length, 2]
  SeqganPhases phases_;
};

}  // namespace

SeqganContinuousResult run_seqgan_continuous(const SeqganOptions& options, const Phases& phases) {
  use_threads(options.threads);
  return ContinuousExperiment(options, phases).run();
}

}  // namespace partita::app
