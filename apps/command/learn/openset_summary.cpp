// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/openset_summary.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <numeric>
#include <utility>
#include <vector>

#include "apps/data/image_sets.hpp"

namespace partita::app {
namespace {

double mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

Json variant_json(const OpensetVariant& variant, const OpensetOptions& options) {
  Json confidence = Json::array();
  for (const OpensetConfidence& set : variant.confidence) {
    confidence.push_back(
        {{"set", set.set}, {"examples", set.values.size()}, {"mean", mean(set.values)}});
  }
  Json detection = Json::array();
  for (const OpensetDetection& d : variant.detection) {
    detection.push_back({{"set", d.set},
                         {"score", name_of(kLogitScores, d.score)},
                         {"auroc", d.metrics.auroc},
                         {"aupr_in", d.metrics.aupr_in},
                         {"aupr_out", d.metrics.aupr_out},
                         {"tnr_at_95_tpr", 1 - d.metrics.fpr_at_95_tpr},
                         {"detection_accuracy", d.metrics.detection_accuracy}});
  }
  Json json = {{"name", variant.name},
               {"accuracy", variant.accuracy},
               {"nll", variant.nll},
               {"confidence", std::move(confidence)},
               {"detection", std::move(detection)}};
  if (is_toy(options)) {
    json["confidence_around_classes"] = variant.confidence_around_classes;
    json["confidence_off_classes"] = variant.confidence_off_classes;
    json["confidence_far_away"] = variant.confidence_far_away;
    if (!variant.generated.x.empty()) {
      json["generated_outside"] = variant.generated_outside;
      json["generated_directions"] = variant.generated_directions;
    }
  }
  json["steps"] = variant.steps;
  json["seconds"] = variant.seconds;
  return json;
}

}  // namespace

Json summary_json(const OpensetResult& result, const OpensetOptions& options,
                  const std::string& report) {
  Json variants = Json::array();
  for (const OpensetVariant& variant : result.variants) {
    variants.push_back(variant_json(variant, options));
  }
  return {{"data", data_name(options)},
          {"fonts", options.source == OpensetSource::rendered ? Json(kFonts) : Json()},
          {"classes", result.classes},
          {"loss", name_of(kOpensetLosses, options.loss)},
          {"beta", options.beta},
          {"variants", std::move(variants)},
          {"model", options.output},
          {"report", report},
          {"seed", options.seed}};
}

std::string summary_text(const OpensetResult& result, const OpensetOptions& options) {
  std::string out = is_toy(options) ? "" : images_text(options.directory) + "\n";
  for (const OpensetVariant& variant : result.variants) {
    out +=
        fmt::format("{}: accuracy {:.4f}, NLL {:.4f}, {} in {:.1f} s\n", variant.name,
                    variant.accuracy, variant.nll, counted(variant.steps, "step"), variant.seconds);
    if (is_toy(options)) {
      out += fmt::format(
          "  mean confidence: {:.4f} around the classes, {:.4f} off them, {:.4f} at a "
          "distance of {}\n",
          variant.confidence_around_classes, variant.confidence_off_classes,
          variant.confidence_far_away, kToyFarAway);
      if (!variant.generated.x.empty()) {
        out += fmt::format("  generated: {:.1f} % outside the classes, in {} of {} directions\n",
                           100 * variant.generated_outside, variant.generated_directions,
                           kToyDirections);
      }
    }
    for (const OpensetConfidence& set : variant.confidence) {
      out += fmt::format("  mean confidence, {}: {:.4f}\n", set.set, mean(set.values));
    }
    for (const OpensetDetection& d : variant.detection) {
      out +=
          fmt::format("  {} by {}: AUROC {:.4f}, TNR at 95 % TPR {:.4f}\n", d.set,
                      name_of(kLogitScores, d.score), d.metrics.auroc, 1 - d.metrics.fpr_at_95_tpr);
    }
  }
  return out;
}

}  // namespace partita::app
