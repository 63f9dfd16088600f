// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/nce/report.hpp"
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/report/page.hpp"

namespace partita::app {
namespace {

std::string whole(std::int64_t value) { return grouped(static_cast<std::uint64_t>(value)); }

using OfPoint = std::function<double(const CurvePoint&)>;

/// One curve per loss, from the second point on if the first is the start that all share.
std::vector<Series> curves(const NceExperimentResult& result, const OfPoint& x, const OfPoint& y,
                           bool with_start, const std::function<bool(const LossResult&)>& shown) {
  std::vector<Series> out;
  for (const LossResult& loss : result.losses) {
    if (!shown(loss)) continue;
    Series series{.name = loss.name, .dashed = loss.kind == LossKind::full};
    for (const CurvePoint& point : loss.curve) {
      if (point.step == 0 && !with_start) continue;
      series.x.push_back(x(point));
      series.y.push_back(y(point));
    }
    out.push_back(std::move(series));
  }
  return out;
}

double step_of(const CurvePoint& point) { return static_cast<double>(point.step); }

// A figure holds six curves; one noise stands for NCE among the losses, and one loss for all among
// the noises.
bool is_nce_or_full(const LossResult& loss) {
  return loss.kind == LossKind::nce || loss.kind == LossKind::full;
}

/// Of each loss whose scores mean log-probabilities, one.
bool is_compared(const LossResult& loss) {
  return !loss.corrected_perplexity && loss.kind != LossKind::nce_log_z &&
         (loss.kind != LossKind::nce || loss.noise == 25);
}

/// Losses whose log Z is worth a look.
bool has_log_z(const LossResult& loss) {
  return loss.kind == LossKind::nce_log_z || loss.kind == LossKind::full ||
         loss.kind == LossKind::sampled || (loss.kind == LossKind::nce && loss.noise != 5);
}

/// An axis from the least perplexity shown to the largest.
Axis perplexity_axis(const NceExperimentResult& result) {
  double least = INFINITY;
  double most = 0;
  for (const LossResult& loss : result.losses) {
    if (loss.corrected_perplexity) continue;
    for (const CurvePoint& point : loss.curve) {
      least = std::min(least, point.perplexity);
      most = std::max(most, point.perplexity);
    }
  }
  return {
      .label = "held-out perplexity", .logarithmic = true, .min = 0.95 * least, .max = 1.05 * most};
}

void add_perplexity(Page& page, const NceExperimentResult& result) {
  const auto perplexity = [](const CurvePoint& point) { return point.perplexity; };
  const Axis y = perplexity_axis(result);
  const auto by_updates = [&](const auto& shown, const char* caption) {
    return CaptionedFigure{to_svg({.title = "Held-out perplexity against updates",
                                   .x = {.label = "updates", .logarithmic = true},
                                   .y = y,
                                   .series = curves(result, step_of, perplexity, false, shown),
                                   .height = 440}),
                           caption};
  };
  const auto by_time = [&](const auto& shown, const char* caption) {
    return CaptionedFigure{
        to_svg({.title = "Held-out perplexity against time",
                .x = {.label = "seconds of training", .logarithmic = true},
                .y = y,
                .series = curves(
                    result, [](const CurvePoint& point) { return point.seconds; }, perplexity,
                    false, shown),
                .height = 440}),
        caption};
  };
  page.figures(
      {by_updates(is_compared, "By updates: what a loss learns from the same pairs."),
       by_time(is_compared, "By time, on one thread each: what a loss learns in the same time."),
       by_updates(is_nce_or_full, "NCE by updates: more noise is closer to the full softmax."),
       by_time(is_nce_or_full, "NCE by time: what the noise costs.")});
}

Table losses_table(const NceExperimentResult& result) {
  Table table{.caption = "After the last update",
              .columns = {{"loss"},
                          {"perplexity", Align::right},
                          {"updates", Align::right},
                          {"ms an update", Align::right},
                          {"mean log Z", Align::right},
                          {"spread of log Z", Align::right}}};
  for (const LossResult& loss : result.losses) {
    const CurvePoint& last = loss.curve.back();
    table.rows.push_back(
        {loss.name, fmt::format("{:.1f}", last.perplexity), whole(last.step),
         fmt::format("{:.2f}", 1e3 * last.seconds / static_cast<double>(last.step)),
         fmt::format("{:.3f}", last.mean_log_z), fmt::format("{:.3f}", last.log_z_deviation)});
    if (loss.corrected_perplexity) {
      table.rows.push_back({"… with log q added to its scores",
                            fmt::format("{:.1f}", *loss.corrected_perplexity), "", "", "", ""});
    }
  }
  return table;
}

void add_log_z(Page& page, const NceExperimentResult& result) {
  page.heading("Normalized without being asked");
  page.paragraph(
      "Noise-contrastive estimation fits exp(s), not softmax(s), to the probabilities of the data, "
      "so that at its optimum Z = Σ exp(s) is 1 in every context. Maximum likelihood and sampled "
      "softmax do not see a constant added to all scores of a context: their log Z goes where "
      "learning takes it. With a learned log Z for each context, begun at random numbers of "
      "deviation "
      "1, what is shown is log Z of exp(s) less the learned one, which shrinks to the noise of "
      "learning.");
  const auto with = [&](const OfPoint& y) { return curves(result, step_of, y, true, has_log_z); };
  page.figures(
      {{to_svg({.title = "Spread of log Z against updates",
                .x = {.label = "updates"},
                .y = {.label = "standard deviation of log Z", .min = 0},
                .series = with([](const CurvePoint& point) { return point.log_z_deviation; }),
                .height = 440}),
        "Standard deviation of log Z over the contexts of the held-out pairs."},
       {to_svg({.title = "Mean of log Z against updates",
                .x = {.label = "updates"},
                .y = {.label = "mean log Z"},
                .series = with([](const CurvePoint& point) { return point.mean_log_z; }),
                .height = 440}),
        "Mean of log Z over the same contexts."}});
}

void add_step_times(Page& page, const NceExperimentResult& result,
                    const NceExperimentOptions& options) {
  if (result.step_times.empty()) return;
  page.heading("What a step costs");
  page.paragraph(fmt::format(
      "Loss, gradients and update for {} pairs, vectors of {} numbers, {} draws of noise, one "
      "thread. A sampled loss reads and changes only the rows of its targets and noise, a "
      "hierarchical one those on the ways to its targets, here log V long; what growth is left is "
      "that of memory that no longer fits a cache. Times are this machine's.",
      kTimedBatch, options.dim, kTimedNoise));
  Series nce{.name = fmt::format("NCE, k = {}", kTimedNoise)};
  Series sampled{.name = fmt::format("sampled softmax, k = {}", kTimedNoise)};
  Series full{.name = "full softmax", .dashed = true};
  Series tree{.name = "hierarchical softmax"};
  Table table{.caption = "Milliseconds per step",
              .columns = {{"V", Align::right},
                          {"NCE", Align::right},
                          {"sampled softmax", Align::right},
                          {"hierarchical softmax", Align::right},
                          {"full softmax", Align::right},
                          {"full / NCE", Align::right}}};
  const auto add = [](Series& to, const StepTime& at, double seconds) {
    to.x.push_back(static_cast<double>(at.outputs));
    to.y.push_back(1e3 * seconds);
    return fmt::format("{:.2f}", 1e3 * seconds);
  };
  for (const StepTime& at : result.step_times) {
    const std::string of_nce = add(nce, at, at.nce);
    const std::string of_sampled = add(sampled, at, at.sampled_softmax);
    const std::string of_tree = add(tree, at, at.hierarchical_softmax);
    const std::string of_full = add(full, at, at.full_softmax);
    table.rows.push_back({whole(at.outputs), of_nce, of_sampled, of_tree, of_full,
                          fmt::format("{:.0f}×", at.full_softmax / at.nce)});
  }
  const Axis outputs{.label = "outputs V",
                     .logarithmic = true,
                     .min = 0.8 * nce.x.front(),
                     .max = 1.25 * nce.x.back(),
                     .ticks = nce.x};
  page.figures(
      {{to_svg({.title = "Time of a step against the number of outputs",
                .x = outputs,
                .y = {.label = "milliseconds", .logarithmic = true},
                .series = {std::move(full), std::move(nce), std::move(sampled), std::move(tree)}}),
        "Time of a step against V."}});
  page.table(table);
}

}  // namespace

std::string report_html(const NceExperimentResult& result, const NceExperimentOptions& options,
                        const std::string& command) {
  Page page("Training without the sum",
            fmt::format("A model of each word given the one before it. Seed {}.", options.seed));
  page.paragraph(fmt::format(
      "The model is log-bilinear (Mnih and Hinton 2007): the score of a word is the product of its "
      "vector with that of the word before it, plus a bias. A softmax over {} words makes "
      "probabilities of scores. Each loss trains the same model from the same start {}, "
      "with {} pairs an update out of {}, by Adagrad; perplexity is that of {} held-out pairs, "
      "exact and "
      "normalized over the whole vocabulary. Without contexts, by word counts, it is {:.1f}.",
      whole(static_cast<std::int64_t>(result.vocabulary)),
      options.seconds > 0 ? fmt::format("for {:g} seconds", options.seconds)
                          : fmt::format("by {} updates", whole(options.steps)),
      whole(options.batch), whole(result.train_pairs), whole(result.held_out_pairs),
      result.unigram_perplexity));
  page.heading("What is learned");
  add_perplexity(page, result);
  page.table(losses_table(result));
  page.paragraph(
      "Negative sampling leaves the correction by log(k q) out, and InfoNCE that by log q. Their "
      "scores learn log p − log q, how much likelier a word is than noise, which is what word "
      "vectors want; softmax of them is normalized, but is not p, and its perplexity is that of a "
      "biased model. With log q added to their scores it is one again. They start with biases of "
      "0, "
      "the others with log counts. The negatives of InfoNCE and of its corrected form are the "
      "batch's other words.");
  page.paragraph(
      "The hierarchical softmax is another model: a decision at each node of a Huffman tree, "
      "normalized by itself, in which words are alike that share much of their way.");
  add_log_z(page, result);
  add_step_times(page, result, options);
  page.note(command);
  return page.html();
}

}  // namespace partita::app
