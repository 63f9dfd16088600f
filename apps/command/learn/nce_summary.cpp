// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/nce_summary.hpp"

#include <fmt/format.h>

#include <string>
#include <utility>

#include "apps/report/numbers.hpp"

namespace partita::app {
namespace {

Json curve_json(const LossResult& loss) {
  Json step = Json::array();
  Json seconds = Json::array();
  Json perplexity = Json::array();
  Json mean_log_z = Json::array();
  Json log_z_deviation = Json::array();
  for (const CurvePoint& point : loss.curve) {
    step.push_back(point.step);
    seconds.push_back(point.seconds);
    perplexity.push_back(point.perplexity);
    mean_log_z.push_back(point.mean_log_z);
    log_z_deviation.push_back(point.log_z_deviation);
  }
  Json corrected = nullptr;
  if (loss.corrected_perplexity) corrected = *loss.corrected_perplexity;
  return {{"name", loss.name},
          {"noise", loss.noise},
          {"step", std::move(step)},
          {"seconds", std::move(seconds)},
          {"perplexity", std::move(perplexity)},
          {"mean_log_z", std::move(mean_log_z)},
          {"log_z_deviation", std::move(log_z_deviation)},
          {"corrected_perplexity", std::move(corrected)}};
}

}  // namespace

std::string summary_text(const NceExperimentResult& result) {
  std::string out = fmt::format(
      "{} words, {} pairs to learn from, {} held out; perplexity without contexts {:.1f}\n\n"
      "  {:<36} {:>10} {:>8} {:>9} {:>11} {:>10}\n",
      grouped(result.vocabulary), grouped(static_cast<std::uint64_t>(result.train_pairs)),
      grouped(static_cast<std::uint64_t>(result.held_out_pairs)), result.unigram_perplexity, "loss",
      "perplexity", "steps", "ms a step", "mean log Z", "its spread");
  for (const LossResult& loss : result.losses) {
    const CurvePoint& last = loss.curve.back();
    out +=
        fmt::format("  {:<36} {:>10.1f} {:>8} {:>9.2f} {:>11.3f} {:>10.3f}\n", loss.name,
                    last.perplexity, last.step, 1e3 * last.seconds / static_cast<double>(last.step),
                    last.mean_log_z, last.log_z_deviation);
    if (loss.corrected_perplexity) {
      out += fmt::format("  {:<36} {:>10.1f}\n", "  with log q added back",
                         *loss.corrected_perplexity);
    }
  }
  if (!result.step_times.empty()) {
    out += fmt::format("\n  {:<28} {:>10} {:>16} {:>13} {:>21}\n",
                       fmt::format("ms per step of {} pairs", kTimedBatch),
                       fmt::format("NCE, k={}", kTimedNoise), "sampled softmax", "full softmax",
                       "hierarchical softmax");
  }
  for (const StepTime& at : result.step_times) {
    out +=
        fmt::format("  V = {:<24} {:>10.2f} {:>16.2f} {:>13.2f} {:>21.2f}\n",
                    grouped(static_cast<std::uint64_t>(at.outputs)), 1e3 * at.nce,
                    1e3 * at.sampled_softmax, 1e3 * at.full_softmax, 1e3 * at.hierarchical_softmax);
  }
  return out;
}

Json summary_json(const NceExperimentResult& result, const NceExperimentOptions& options,
                  const std::string& report) {
  Json losses = Json::array();
  for (const LossResult& loss : result.losses) losses.push_back(curve_json(loss));
  Json times = Json::array();
  for (const StepTime& at : result.step_times) {
    times.push_back({{"outputs", at.outputs},
                     {"nce", at.nce},
                     {"sampled_softmax", at.sampled_softmax},
                     {"full_softmax", at.full_softmax},
                     {"hierarchical_softmax", at.hierarchical_softmax}});
  }
  return {{"corpus", options.corpus},
          {"vocabulary", result.vocabulary},
          {"train_pairs", result.train_pairs},
          {"held_out_pairs", result.held_out_pairs},
          {"dim", options.dim},
          {"batch", options.batch},
          {"steps", options.steps},
          {"seconds", options.seconds},
          {"noise_exponent", options.noise_exponent},
          {"unigram_perplexity", result.unigram_perplexity},
          {"losses", std::move(losses)},
          {"step_seconds", std::move(times)},
          {"report", report},
          {"seed", options.seed}};
}

}  // namespace partita::app
