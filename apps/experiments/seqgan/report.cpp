// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/seqgan/report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "apps/experiments/seqgan/comparison.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"

namespace partita::app {
namespace {

constexpr const char* kPaper =
    "Yu, Zhang, Wang, Yu (2017), “SeqGAN: sequence generative adversarial nets with policy "
    "gradient”, arXiv 1609.05473";

const SeqganPhase* find_phase(const std::vector<SeqganPhase>& phases, const std::string& name) {
  const auto found = std::find_if(phases.begin(), phases.end(),
                                  [&](const SeqganPhase& phase) { return phase.name == name; });
  return found == phases.end() ? nullptr : &*found;
}

Series series_of(const SeqganPhase& phase, const std::string& curve, const std::string& name) {
  const SeqganCurve values = curve_of(phase, curve);
  return {.name = name, .x = values.step, .y = values.value, .mark = Mark::line};
}

/// A dashed line at `value` over the range of another series.
Series level(const std::string& name, double value, const Series& over) {
  const auto [least, most] = std::minmax_element(over.x.begin(), over.x.end());
  return {
      .name = name, .x = {*least, *most}, .y = {value, value}, .mark = Mark::line, .dashed = true};
}

const SeqganQuality& quality_of(const SeqganOracleResult& result, const std::string& name) {
  return *std::find_if(result.quality.begin(), result.quality.end(),
                       [&](const SeqganQuality& q) { return q.name == name; });
}

void add_learning_curves(Page& page, const SeqganOracleResult& result) {
  page.heading("Quality as they learn");
  page.paragraph(
      "NLL under the oracle of what the generator draws, in nats per token: low where the oracle "
      "would draw it as well. SeqGAN begins where maximum likelihood ends.");
  Figure likelihood{.title = "NLL under the oracle in the likelihood phases",
                    .x = {.label = "steps"},
                    .y = {.label = "NLL under the oracle"}};
  for (const auto& [phase, name] :
       {std::pair("MLE", "MLE"), std::pair("scheduled", "scheduled sampling")}) {
    if (const SeqganPhase* found = find_phase(result.phases, phase)) {
      likelihood.series.push_back(series_of(*found, "oracle_nll", name));
    }
  }
  std::vector<CaptionedFigure> figures = {
      {to_svg(likelihood), "Maximum likelihood and scheduled sampling."}};
  if (const SeqganPhase* gan = find_phase(result.phases, "SeqGAN")) {
    Figure adversarial{.title = "NLL under the oracle in adversarial training",
                       .x = {.label = "iterations"},
                       .y = {.label = "NLL under the oracle"},
                       .series = {series_of(*gan, "oracle_nll", "SeqGAN")}};
    adversarial.series.push_back(
        level("MLE", quality_of(result, "MLE").oracle_nll, adversarial.series.front()));
    figures.push_back({to_svg(adversarial), "SeqGAN; dashed: where maximum likelihood ended."});
  }
  page.figures(figures);
}

void add_diversity(Page& page, const SeqganOracleResult& result) {
  page.heading("Quality against diversity");
  page.paragraph(
      "A generator can draw better sequences by drawing fewer kinds of them. What it leaves out "
      "shows in the NLL that it gives to held-out data of the oracle. Lower is better on both "
      "axes. Each generator is drawn at temperatures from 1.2 down to 0.6: one "
      "is better than another where its curve is below (Caccia et al. 2020, “Language GANs "
      "falling short”).");
  page.paragraph(in_words(compare(result.sweeps)));
  Figure plane{.title = "NLL under the oracle against NLL of held-out data",
               .x = {.label = "NLL of held-out oracle data (diversity)"},
               .y = {.label = "NLL under the oracle (quality)"},
               .width = 640};
  for (const SeqganSweep& sweep : result.sweeps) {
    Series swept{.name = sweep.name, .mark = Mark::line_and_points};
    for (const SeqganQuality& q : sweep.quality) {
      swept.x.push_back(q.held_out_nll);
      swept.y.push_back(q.oracle_nll);
    }
    plane.series.push_back(std::move(swept));
  }
  std::vector<CaptionedFigure> figures = {
      {to_svg(plane), "Each generator at temperatures from 1.2 (upper end) to 0.6.", true}};
  if (const SeqganPhase* gan = find_phase(result.phases, "SeqGAN")) {
    Figure diversity{.title = "NLL of held-out oracle data in adversarial training",
                     .x = {.label = "iterations"},
                     .y = {.label = "NLL of held-out oracle data"},
                     .series = {series_of(*gan, "held_out_nll", "SeqGAN")}};
    diversity.series.push_back(
        level("MLE", quality_of(result, "MLE").held_out_nll, diversity.series.front()));
    figures.push_back({to_svg(diversity), "What quality costs as SeqGAN trains."});
  }
  page.figures(figures);
}

/// The two players' own measures.
void add_game(Page& page, const std::vector<SeqganPhase>& phases, SeqganReward reward) {
  const SeqganPhase* const gan = find_phase(phases, "SeqGAN");
  if (gan == nullptr) return;
  page.heading("The game");
  std::vector<CaptionedFigure> figures;
  const auto add = [&](const char* curve, const std::string& label, const std::string& caption) {
    figures.push_back({to_svg({.title = caption,
                               .x = {.label = "iterations"},
                               .y = {.label = label},
                               .series = {series_of(*gan, curve, "")}}),
                       caption});
  };
  add("discriminator", "cross-entropy",
      "The discriminator's loss; log 2 = 0.693 where it cannot tell.");
  add("reward", reward == SeqganReward::probability ? "D" : "log-odds",
      "The generator's reward: mean " +
          std::string(reward == SeqganReward::probability ? "D" : "log D − log(1 − D)") +
          " of its sequences.");
  page.figures(figures);
}

void add_phases(Page& page, const std::vector<SeqganPhase>& phases) {
  Table table{.caption = "Phases of training",
              .columns = {{"phase"}, {"steps", Align::right}, {"seconds", Align::right}}};
  for (const SeqganPhase& phase : phases) {
    table.rows.push_back({phase.name, grouped(phase.steps), fmt::format("{:.1f}", phase.seconds)});
  }
  page.table(table);
}

void add_oracle_table(Page& page, const SeqganOracleResult& result, const SeqganOptions& options) {
  page.heading("Figures");
  Table table{.caption = "After training",
              .columns = {{"method"},
                          {"NLL under the oracle", Align::right},
                          {"NLL of held-out data", Align::right},
                          {"distinct", Align::right}}};
  for (const SeqganQuality& q : result.quality) {
    table.rows.push_back({{q.name, q.name == "SeqGAN"},
                          with_error(q.oracle_nll, q.oracle_nll_error),
                          fmt::format("{:.4f}", q.held_out_nll),
                          fmt::format("{:.4f}", q.distinct)});
  }
  page.table(table);
  page.paragraph(fmt::format(
      "From {} sequences each; the error is that of the mean over them. Distinct: the share of "
      "sequences that differ from all before them. The oracle's own row is the best possible.",
      grouped(static_cast<std::uint64_t>(options.samples))));
  page.paragraph(
      "Published for a vocabulary of 5,000 (another oracle of the same distribution, whose values "
      "do not "
      "compare with those of smaller vocabularies): random 10.31, MLE 9.04, scheduled sampling "
      "8.99, SeqGAN 8.74.");
  add_phases(page, result.phases);
}

}  // namespace

std::string seqgan_report(const SeqganOracleResult& result, const SeqganOptions& options,
                          const std::string& command) {
  Page page("SeqGAN against an oracle",
            fmt::format("Sequences of {} tokens out of {}, seed {}.", options.length,
                        grouped(static_cast<std::uint64_t>(options.vocabulary)), options.seed));
  page.paragraph(
      fmt::format("The oracle, an LSTM of {} units whose parameters are standard normal draws, "
                  "makes {} sequences. Generators learn from them, and the oracle can tell how "
                  "likely their samples are. {}.",
                  options.hidden, grouped(static_cast<std::uint64_t>(options.sequences)), kPaper));
  add_oracle_table(page, result, options);
  add_learning_curves(page, result);
  add_diversity(page, result);
  add_game(page, result.phases, options.reward);
  page.note(command);
  return page.html();
}

std::string seqgan_report(const SeqganTextResult& result, const SeqganOptions& options,
                          const std::string& command) {
  Page page("SeqGAN on a text",
            fmt::format("{} lines of {}, {} kinds of characters, seed {}.", grouped(result.lines),
                        options.corpus, result.tokens - 1, options.seed));
  page.paragraph(fmt::format(
      "A generator learns lines character by character, by maximum likelihood and then against a "
      "discriminator. {}.",
      kPaper));
  page.heading("Figures");
  Table table{.caption = "After each phase",
              .columns = {{"generator"},
                          {"NLL of held-out lines", Align::right},
                          {"distinct", Align::right},
                          {"in the corpus", Align::right},
                          {"held-out lines", Align::right}}};
  std::vector<Table> samples;
  for (const SeqganTextQuality& q : result.quality) {
    table.rows.push_back({q.name, fmt::format("{:.4f}", q.held_out_nll),
                          fmt::format("{:.4f}", q.distinct), fmt::format("{:.4f}", q.in_corpus),
                          fmt::format("{:.4f}", q.held_out)});
    Table drawn{.caption = q.name, .columns = {{"drawn"}}};
    for (const std::string& sample : q.samples) drawn.rows.push_back({sample});
    samples.push_back(std::move(drawn));
  }
  page.table(table);
  page.paragraph(
      fmt::format("NLL in nats per character, line ends included. Of {} samples: the share that "
                  "differ from all "
                  "before them, that are lines learned from, and that are lines held out.",
                  grouped(static_cast<std::uint64_t>(options.samples))));
  if (const SeqganPhase* gan = find_phase(result.phases, "SeqGAN")) {
    page.heading("In adversarial training");
    const auto figure = [&](const char* curve, const char* label, const char* caption) {
      return CaptionedFigure{to_svg({.title = caption,
                                     .x = {.label = "iterations"},
                                     .y = {.label = label},
                                     .series = {series_of(*gan, curve, "")}}),
                             caption};
    };
    page.figures(
        {figure("in_corpus", "share of the samples", "Samples that are lines learned from."),
         figure("held_out_nll", "nats per character", "NLL of held-out lines.")});
  }
  add_game(page, result.phases, options.reward);
  page.heading("Samples");
  page.tables(samples);
  add_phases(page, result.phases);
  page.note(command);
  return page.html();
}

std::string seqgan_report(const SeqganContinuousResult& result, const SeqganOptions& options,
                          const std::string& command) {
  Page page("SeqGAN on trajectories",
            fmt::format("{} trajectories of {} points in the plane, seed {}.",
                        grouped(static_cast<std::uint64_t>(options.sequences)), options.length,
                        options.seed));
  page.paragraph(fmt::format(
      "A generator draws a point from a Gaussian whose mean and deviation an LSTM gives at each "
      "step. The oracle goes around half a circle. Few passes of maximum likelihood give a rough "
      "generator; the policy gradient of a discriminator leads on from there. {}.",
      kPaper));
  const SeqganContinuousQuality& oracle = result.quality.front();
  std::vector<CaptionedFigure> pictures;
  for (const SeqganContinuousQuality& q : result.quality) {
    const auto axis = [](const char* label) {
      return Axis{.label = label, .min = -1.6, .max = 1.6};
    };
    Figure figure{
        .title = "Trajectories of " + q.name,
        .x = axis("x"),
        .y = axis("y"),
        .series = {{.name = "points", .x = q.x, .y = q.y, .mark = Mark::points},
                   {.name = "mean", .x = q.mean_x, .y = q.mean_y, .mark = Mark::line_and_points}},
        .width = 400,
        .height = 400};
    if (&q != &oracle) {
      figure.series.push_back({.name = "oracle's mean",
                               .x = oracle.mean_x,
                               .y = oracle.mean_y,
                               .mark = Mark::line,
                               .dashed = true});
    }
    pictures.push_back({to_svg(figure), q.name});
  }
  page.figures(pictures);
  page.heading("Figures");
  Table table{.caption = "After training",
              .columns = {{"generator"},
                          {"NLL under the oracle", Align::right},
                          {"NLL of held-out trajectories", Align::right},
                          {"mean trajectory's distance", Align::right}}};
  for (const SeqganContinuousQuality& q : result.quality) {
    table.rows.push_back({q.name, with_error(q.oracle_nll, q.oracle_nll_error),
                          fmt::format("{:.4f}", q.held_out_nll),
                          fmt::format("{:.4f}", q.mean_distance)});
  }
  page.table(table);
  page.paragraph(
      "NLL in nats per point. The distance is between the mean point and the oracle's, averaged "
      "over the steps of a trajectory.");
  if (const SeqganPhase* gan = find_phase(result.phases, "SeqGAN")) {
    const auto figure = [&](const char* curve, const char* label, const char* caption) {
      return CaptionedFigure{to_svg({.title = caption,
                                     .x = {.label = "iterations"},
                                     .y = {.label = label},
                                     .series = {series_of(*gan, curve, "")}}),
                             caption};
    };
    page.figures({figure("mean_distance", "distance", "The mean trajectory nears the oracle's."),
                  figure("held_out_nll", "nats per point", "NLL of held-out trajectories.")});
  }
  add_game(page, result.phases, options.reward);
  add_phases(page, result.phases);
  page.note(command);
  return page.html();
}

}  // namespace partita::app
