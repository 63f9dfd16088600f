// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/vae/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "apps/data/image_sets.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/latent_map.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/pictures.hpp"

namespace partita::app {
namespace {

constexpr int kPicture = 440;  // width

/// The curve of one term.
Series curve(const std::string& name, const std::vector<VaeEntry>& entries, double VaeEntry::*term,
             bool dashed) {
  Series series{.name = name, .mark = Mark::line, .dashed = dashed};
  for (const VaeEntry& entry : entries) {
    if (std::isnan(entry.*term)) continue;
    series.x.push_back(entry.epoch);
    series.y.push_back(entry.*term);
  }
  return series;
}

CaptionedFigure term_figure(const VaeVariant& variant, const std::string& term,
                            double VaeEntry::*member) {
  Figure figure{.title = term + ": " + variant.name,
                .x = {.label = "epoch", .min = 0},
                .y = {.label = "nats an image"}};
  // The first entries are far above all others.
  std::vector<double> seen;
  for (const VaeEntry& entry : variant.training) {
    if (std::isfinite(entry.*member)) seen.push_back(entry.*member);
  }
  if (seen.size() >= 20) {
    std::sort(seen.begin(), seen.end());
    const double low = seen.front();
    const double high = seen[seen.size() * 97 / 100];
    const double margin = std::max(0.08 * (high - low), 1e-6);
    figure.y.min = low - margin;
    figure.y.max = high + margin;
  }
  for (const auto& [name, entries, dashed] : {std::tuple("training", &variant.training, false),
                                              std::tuple("held out", &variant.held_out, true)}) {
    Series series = curve(name, *entries, member, dashed);
    if (!series.x.empty()) figure.series.push_back(std::move(series));
  }
  return {to_svg(figure), fmt::format("{}, {}.", term, variant.name)};
}

void add_curves(Page& page, const VaeResult& result) {
  page.heading("Training, term by term");
  page.paragraph(
      "The loss is the sum of two: reconstruction, −E log p(x|z), and the KL divergence from the "
      "posterior q(z|x) to the prior. Where one is left out of training, it is shown all the "
      "same.");
  std::vector<CaptionedFigure> figures;
  for (const VaeVariant& variant : result.variants) {
    if (variant.training.size() < 2) continue;
    figures.push_back(term_figure(variant, "Reconstruction", &VaeEntry::reconstruction));
    figures.push_back(term_figure(variant, "KL", &VaeEntry::kl));
  }
  page.figures(figures);
}

void add_table(Page& page, const VaeResult& result) {
  Table table{.caption = fmt::format("{} test images, nats each", result.test_images),
              .columns = {{"trained with"},
                          {"ELBO", Align::right},
                          {"reconstruction", Align::right},
                          {"KL", Align::right},
                          {"spread of z", Align::right},
                          {"steps", Align::right},
                          {"seconds", Align::right}}};
  for (const VaeVariant& v : result.variants) {
    table.rows.push_back({v.name, fmt::format("{:.2f} ± {:.2f}", v.elbo, v.elbo_error),
                          fmt::format("{:.2f}", v.reconstruction), fmt::format("{:.2f}", v.kl),
                          fmt::format("{:.2f}", v.spread), fmt::to_string(v.steps),
                          fmt::format("{:.1f}", v.seconds)});
  }
  page.table(table);
  page.paragraph(
      "Spread is the standard deviation of z ~ q(z|x) over the test images: 1 if the codes fill "
      "the "
      "prior.");
}

void add_pictures(Page& page, const VaeResult& result) {
  const auto figure = [&](const std::vector<double>& images, std::size_t across,
                          const std::string& title, const std::string& caption) {
    return image_figure(images, result.rows, result.columns, across, title, caption);
  };
  std::vector<CaptionedFigure> reconstructions;
  std::vector<CaptionedFigure> samples;
  std::vector<CaptionedFigure> traversals;
  for (const VaeVariant& v : result.variants) {
    std::vector<double> both = v.originals;
    both.insert(both.end(), v.reconstructions.begin(), v.reconstructions.end());
    const std::size_t count = v.originals.size() / (result.rows * result.columns);
    reconstructions.push_back(
        figure(both, count, "Reconstructions: " + v.name,
               fmt::format("Test images and what is decoded of one code each, "
                           "{}: reconstruction {:.1f}.",
                           v.name, v.reconstruction)));
    samples.push_back(figure(v.samples, count, "Samples: " + v.name,
                             fmt::format("Codes drawn from the prior, {}.", v.name)));
    traversals.push_back(figure(v.traversal, v.traversal_across, "Traversal: " + v.name,
                                fmt::format("{}: {}", v.name, v.traversal_caption)));
  }
  page.heading("Reconstructions");
  page.figures(reconstructions);
  page.heading("Samples");
  page.figures(samples);
  page.heading("Along the latent variables");
  page.figures(traversals);
}

void add_maps(Page& page, const VaeResult& result) {
  page.heading("Where the classes lie");
  page.paragraph(fmt::format(
      "Posterior means of {} test images, each drawn as its class{}.", result.labels.size(),
      result.map_is_latent ? "; the circles are at one, two and three standard deviations of the "
                             "prior"
                           : ": the first two principal components of the codes"));
  std::vector<CaptionedFigure> figures;
  for (const VaeVariant& v : result.variants) {
    figures.push_back(
        {latent_map_svg(v.map, result.labels, "Codes by class: " + v.name, result.map_is_latent),
         fmt::format("{}: KL {:.1f}, spread {:.2f}.", v.name, v.kl, v.spread)});
  }
  page.figures(figures);
}

}  // namespace

CaptionedFigure image_figure(const std::vector<double>& images, std::size_t rows,
                             std::size_t columns, std::size_t across, const std::string& title,
                             const std::string& caption) {
  return {picture_svg(tile(images, rows, columns, across), title, 0, 1, kPicture), caption};
}

std::string vae_report(const VaeResult& result, const VaeTrainOptions& options,
                       const std::string& command) {
  Page page(options.latent == VaeLatent::gaussian ? "Variational auto-encoder"
                                                  : "Variational auto-encoder of categories",
            fmt::format("{} {}, {}, latent {} {}, {} decoder, {}, k = {}, seed {}",
                        grouped(result.train_images), images_text(options.directory),
                        result.epochs == 1 ? "1 epoch" : fmt::format("{} epochs", result.epochs),
                        name_of(kVaeLatents, options.latent), result.latent_dim,
                        name_of(kVaeDecoders, options.decoder),
                        name_of(kVaeObjectives, options.objective), result.samples, options.seed));
  page.paragraph(
      "An encoder gives a distribution q(z|x) over codes for each image, a decoder one over images "
      "for each code. Training raises the evidence lower bound: codes must identify the image, and "
      "stay "
      "close to the prior.");
  if (options.ablations) {
    page.paragraph(
        "For comparison, each term is left out. Without the regularizer digits are recovered, but "
        "their "
        "codes do not fill the prior, so that samples of it decode to little of sense. Without "
        "reconstruction, codes follow the prior whatever the image, and say nothing about it.");
  }
  add_table(page, result);
  add_pictures(page, result);
  add_maps(page, result);
  add_curves(page, result);
  page.note(command);
  return page.html();
}

}  // namespace partita::app
