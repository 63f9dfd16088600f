// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/prediction_sets.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>

#include "partita/calibration/conformal.hpp"
#include "partita/calibration/sampling_rule.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {
namespace {

constexpr double kAlpha = 0.1;
constexpr std::int64_t kAll = -1;

/// The share of the rows of a label, or of all, whose sets hold it.
double coverage(const PredictionSets& sets, const Outputs& outputs, std::int64_t label = kAll) {
  double rows = 0;
  double covered = 0;
  for (std::size_t i = 0; i < outputs.labels.size(); ++i) {
    if (label != kAll && outputs.labels[i] != label) continue;
    const auto set = sets.of(i);
    rows += 1;
    covered += std::find(set.begin(), set.end(), outputs.labels[i]) != set.end() ? 1 : 0;
  }
  return covered / rows;
}

/// The deviation of a coverage over draws of n held-out and m test rows.
double deviation(double n, double m) { return std::sqrt(kAlpha * (1 - kAlpha) * (1 / n + 1 / m)); }

/// What a network that thinks little of class 0 says.
Outputs unloved(Outputs outputs) {
  for (std::size_t i = 0; i < outputs.logits.size(); i += outputs.classes) outputs.logits[i] -= 3;
  return outputs;
}

/// Makes the network three times as sure of some rows, `wild` of every five, and half as sure of
/// the others.
Outputs mixed(Outputs outputs, std::size_t wild) {
  for (std::size_t i = 0; i < outputs.logits.size(); ++i) {
    outputs.logits[i] *= i / outputs.classes % 5 < wild ? 3 : 0.5;
  }
  return outputs;
}

/// Prompts with eight answers each, of which one of quality q is right with probability q.
std::vector<Candidates> questions(std::size_t n, const Stream& stream) {
  std::vector<Candidates> out(n);
  Draws draws(stream);
  for (Candidates& each : out) {
    for (int i = 0; i < 8; ++i) {
      each.quality.push_back(draws.uniform());
      each.admissible.push_back(draws.uniform() < each.quality.back());
    }
  }
  return out;
}

/// Rules for a risk of 0.2 at 90 %, each from 200 prompts.
void sampling_rules(const Stream& stream, std::vector<Check>& checks) {
  constexpr std::size_t kRules = 200;
  constexpr double kRisk = 0.2;
  const std::vector<Candidates> fresh = questions(1000, stream.child(kRules));
  double broken = 0;
  double mean = 0;
  for (std::size_t r = 0; r < kRules; ++r) {
    const Stream own = stream.child(r);
    const SamplingRule rule = fit_sampling_rule(questions(200, own.child(0)), own.child(1),
                                                {.epsilon = kRisk, .delta = kAlpha});
    double risk = 0;  // exact, given the qualities
    for (const Candidates& each : fresh) {
      double missed = 1;
      for (const std::size_t i : sample_set(rule, each).kept) missed *= 1 - each.quality[i];
      risk += missed / static_cast<double>(fresh.size());
    }
    broken += risk > kRisk ? 1.0 / kRules : 0;
    mean += risk / kRules;
  }
  checks.push_back(at_most("rules for drawing answers: share that misses more than promised",
                           broken, kAlpha + kFiveSigma * deviation(kRules, kInfinity)));
  checks.push_back(at_least("and the mean risk, of 0.2 allowed", mean, 0.1));
}

}  // namespace

std::vector<Check> prediction_sets(const TourContext& context, const Outputs& fitted,
                                   const Outputs& fresh) {
  std::vector<Check> checks;
  const auto n = static_cast<double>(fitted.labels.size());
  for (const auto& [name, score] : {std::pair{"LAC", ConformalScore::lac},
                                    {"APS", ConformalScore::aps},
                                    {"RAPS", ConformalScore::raps},
                                    {"SAPS", ConformalScore::saps}}) {
    const ConformalPredictor predictor = fit_conformal(
        fitted.rows(), fitted.labels, context.stream(2), {.score = score, .alpha = kAlpha});
    checks.push_back(
        equal(std::string(name) + " sets at 90 %: coverage",
              coverage(predict_sets(predictor, fresh.rows(), context.stream(3)), fresh), 1 - kAlpha,
              kFiveSigma * deviation(n, n)));
  }

  const Outputs known = unloved(fitted);
  const Outputs others = unloved(fresh);
  const auto of_class = [&](ConformalCoverage over) {
    const auto predictor =
        fit_conformal(known.rows(), known.labels, context.stream(4), {.coverage = over});
    return coverage(predict_sets(predictor, others.rows(), context.stream(5)), others, 0);
  };
  checks.push_back(at_most("marginal sets: coverage of a class that the network thinks little of",
                           of_class(ConformalCoverage::marginal), 0.82));
  checks.push_back(equal("class-conditional sets: the same",
                         of_class(ConformalCoverage::class_conditional), 1 - kAlpha,
                         kFiveSigma * deviation(n / 7, n / 7)));

  const Outputs mostly_tame = mixed(fitted, 1);
  const Outputs mostly_wild = mixed(fresh, 4);
  const auto weights = [&](std::size_t wild) {  // likelier by 4 or 1/4 in the other mixture
    std::vector<double> out;
    for (std::size_t r = 0; r < fitted.labels.size(); ++r) out.push_back(r % 5 < wild ? 4 : 0.25);
    return out;
  };
  const auto plain = fit_conformal(mostly_tame.rows(), mostly_tame.labels, context.stream(6));
  const auto weighted =
      fit_weighted_conformal(mostly_tame.rows(), mostly_tame.labels, weights(1), context.stream(6));
  checks.push_back(at_most(
      "sets fitted to rows of another mixture: coverage",
      coverage(predict_sets(plain, mostly_wild.rows(), context.stream(7)), mostly_wild), 0.82));
  checks.push_back(
      equal("with weights",
            coverage(predict_sets(weighted, mostly_wild.rows(), weights(4), context.stream(7)),
                     mostly_wild),
            1 - kAlpha, kFiveSigma * deviation(n / 3.25, n)));  // (sum w)^2 / sum w^2 = n / 3.25
  sampling_rules(context.stream(8), checks);
  return checks;
}

}  // namespace partita::app
