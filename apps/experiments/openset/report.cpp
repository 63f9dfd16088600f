// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/openset/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "apps/data/rendered.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/page.hpp"
#include "apps/report/score_curves.hpp"

namespace partita::app {
namespace {

constexpr std::size_t kBins = 20;
constexpr std::size_t kCurves = 5;  // in a figure
constexpr int kMapSide = 440;
constexpr const char* kGiven = "given";  // points of the unknown, in the key of a map

void add_maps(Page& page, const OpensetResult& result) {
  page.heading("Confidence over the plane");
  page.paragraph(
      "The largest probability at each point: white is one half, as unsure as can be; dark is one. "
      "Two Gaussians are learned. Around the classes is where the nearer mean is four to six "
      "standard deviations away, off the classes everything more than four away; a classifier "
      "should be unsure there. The given points are those of the confidence loss: few in a square "
      "far beyond the classes or near them (figure 1 of the paper), along their border, or their "
      "own outskirts. The generated ones are those of a GAN. Against a classifier held fixed, "
      "which was given a square of points with the classes left out, it finds the border (figure "
      "3). In joint training it does so with the entropy of its samples in the loss, and settles "
      "among the known without. Where nothing was shown, far away, a network of ReLUs is linear, "
      "and "
      "so is sure again; a class for \"none of them\" is then sure of that (reject).");
  std::vector<CaptionedFigure> figures;
  for (const OpensetVariant& variant : result.variants) {
    figures.push_back(openset_map(result, variant));
  }
  page.figures(figures);
}

void add_histograms(Page& page, const OpensetResult& result) {
  page.heading("How sure it is");
  page.paragraph(
      "Shares of the examples by their largest probability. Known ones should be on the right, "
      "unknown ones on the left.");
  std::vector<CaptionedFigure> figures;
  const double least = 1 / static_cast<double>(result.classes.size());
  for (const OpensetVariant& variant : result.variants) {
    Figure figure{.title = "Confidence: " + variant.name,
                  .x = {.label = "largest probability", .min = least, .max = 1},
                  .y = {.label = "share of the set", .min = 0}};
    for (const OpensetConfidence& set : variant.confidence) {
      figure.series.push_back(histogram(set.set, set.values, least, 1, kBins));
    }
    figures.push_back({to_svg(figure), variant.name + "."});
  }
  page.figures(figures);
}

void add_roc_curves(Page& page, const OpensetResult& result) {
  page.heading("Telling known from unknown");
  page.paragraph(
      "ROC curves of the largest probability as the score: the share of known examples that is "
      "accepted against that of unknown ones.");
  std::vector<CaptionedFigure> figures;
  const std::vector<OpensetDetection>& first = result.variants.front().detection;
  for (std::size_t d = 0; d < first.size(); ++d) {
    if (first[d].score != LogitScore::msp) continue;
    for (std::size_t from = 0; from < result.variants.size(); from += kCurves) {
      Figure figure{.title = "ROC: " + first[d].set,
                    .x = {.label = "unknown accepted", .min = 0, .max = 1},
                    .y = {.label = "known accepted", .min = 0, .max = 1}};
      const std::size_t to = std::min(from + kCurves, result.variants.size());
      for (std::size_t v = from; v < to; ++v) {
        const OpensetVariant& variant = result.variants[v];
        figure.series.push_back(roc_series(variant.detection[d].curve, variant.name));
      }
      figures.push_back({to_svg(figure), "Unknown: " + first[d].set + "."});
    }
  }
  page.figures(figures);
}

void add_tables(Page& page, const OpensetResult& result) {
  Table accuracy{.caption = "On known examples that none was trained on",
                 .columns = {{"trained by"},
                             {"accuracy", Align::right},
                             {"NLL", Align::right},
                             {"steps", Align::right},
                             {"seconds", Align::right}}};
  Table detection{.caption = "Detection; known is positive",
                  .columns = {{"unknown"},
                              {"score"},
                              {"trained by"},
                              {"AUROC", Align::right},
                              {"TNR at 95 % TPR", Align::right},
                              {"AUPR known", Align::right},
                              {"AUPR unknown", Align::right},
                              {"accuracy", Align::right}}};
  for (const OpensetVariant& v : result.variants) {
    accuracy.rows.push_back({v.name, fmt::format("{:.4f}", v.accuracy),
                             fmt::format("{:.4f}", v.nll), fmt::to_string(v.steps),
                             fmt::format("{:.1f}", v.seconds)});
  }
  for (std::size_t d = 0; d < result.variants.front().detection.size(); ++d) {
    double best = 0;
    for (const OpensetVariant& v : result.variants)
      best = std::max(best, v.detection[d].metrics.auroc);
    for (const OpensetVariant& v : result.variants) {
      const DetectionMetrics& x = v.detection[d].metrics;
      const auto number = [](double value) { return fmt::format("{:.4f}", value); };
      const bool is_best = result.variants.size() > 1 && x.auroc == best;
      detection.rows.push_back({v.detection[d].set,
                                name_of(kLogitScores, v.detection[d].score),
                                v.name,
                                {number(x.auroc), is_best},
                                number(1 - x.fpr_at_95_tpr),
                                number(x.aupr_in),
                                number(x.aupr_out),
                                number(x.detection_accuracy)});
    }
  }
  page.heading("Figures");
  page.table(accuracy);
  page.table(detection);
  page.paragraph(
      "The largest AUROC of each set and score is marked. Scores: msp, the largest probability; "
      "max-logit; entropy, negated; energy, the log-sum-exp of the logits.");
}

void add_samples(Page& page, const OpensetResult& result) {
  for (const OpensetVariant& variant : result.variants) {
    if (variant.samples.values.empty()) continue;
    page.heading("What the generator draws");
    page.figures({{picture_svg(variant.samples, "Samples of the generator", -1, 1, kMapSide),
                   "Samples of the generator after " + variant.name + " training."}});
  }
}

std::string data_text(const OpensetOptions& options) {
  if (is_toy(options)) return "two Gaussians in the plane";
  if (options.source == OpensetSource::rendered)
    return fmt::format("digits against letters in {}", kFonts);
  return "images, some of their classes known";
}

}  // namespace

CaptionedFigure openset_map(const OpensetResult& result, const OpensetVariant& variant) {
  const auto axis = [](const char* label) {
    return Axis{.label = label, .min = -kToyHalfSide, .max = kToyHalfSide};
  };
  Figure figure{.title = "Confidence over the plane: " + variant.name,
                .x = axis("x₁"),
                .y = axis("x₂"),
                .heatmap = Heatmap{.columns = variant.map.columns,
                                   .rows = variant.map.rows,
                                   .values = variant.map.values,
                                   .low = 1 / static_cast<double>(result.classes.size())},
                .width = kMapSide,
                .height = kMapSide};
  const auto add = [&](const std::string& name, const Points& points) {
    Series series{.name = name, .mark = Mark::points};
    for (std::size_t i = 0; i < points.x.size(); ++i) {
      if (std::max(std::abs(points.x[i]), std::abs(points.y[i])) > kToyHalfSide) continue;
      series.x.push_back(points.x[i]);
      series.y.push_back(points.y[i]);
    }
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  };
  for (std::size_t k = 0; k < result.training.size(); ++k) {
    add(result.classes[k], result.training[k]);
  }
  add(kGiven, variant.given);
  add("generated", variant.generated);
  std::string caption = fmt::format(
      "{}: mean confidence {:.3f} around the classes, {:.3f} off them, {:.3f} at a "
      "distance of {}.",
      variant.name, variant.confidence_around_classes, variant.confidence_off_classes,
      variant.confidence_far_away, kToyFarAway);
  if (!variant.generated.x.empty()) {
    caption += fmt::format(
        " {:.0f} % of the generated points are two standard deviations or more from the means (14 "
        "% of the known), in {} of {} directions.",
        100 * variant.generated_outside, variant.generated_directions, kToyDirections);
  }
  const bool outside = std::none_of(figure.series.begin(), figure.series.end(),
                                    [](const Series& s) { return s.name == kGiven; });
  if (!variant.given.x.empty() && outside) {
    caption += " The given points lie outside the picture.";
  }
  return {to_svg(figure), caption};
}

std::string openset_report(const OpensetResult& result, const OpensetOptions& options,
                           const std::string& command) {
  Page page("Open set: " + data_text(options),
            fmt::format("Classifiers trained to be unsure about the unknown. β = {}, seed {}.",
                        options.beta, options.seed));
  page.paragraph(
      "Cross-entropy asks nothing of a classifier away from its classes. The confidence loss adds "
      "β times KL(U‖p), from the uniform distribution to the prediction, on examples of the "
      "unknown: given ones, the outskirts of the known, or, in joint training, those of a GAN's "
      "generator, which seeks the border of the known (Lee, Lee, Lee, Shin 2018).");
  if (is_toy(options)) add_maps(page, result);
  add_samples(page, result);
  add_histograms(page, result);
  add_roc_curves(page, result);
  add_tables(page, result);
  page.note(command);
  return page.html();
}

}  // namespace partita::app
