#include "demo_report.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <utility>
#include <vector>

#include "partita/report/figure.hpp"
#include "partita/report/page.hpp"

namespace partita::app {
namespace {

std::string file_name(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

/// "4.5 × 10⁻⁵": two digits, as a person writes them.
std::string probability(double log_prob) {
  static constexpr const char* kRaised[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
  const double p = std::exp(log_prob);
  if (p >= 0.001) return fmt::format("{:.2g}", p);
  const std::string text = fmt::format("{:.1e}", p);  // "4.5e-05"
  const std::size_t e = text.find('e');
  std::string out = text.substr(0, e) + " × 10⁻";
  for (std::size_t i = text.find_first_not_of("-0", e + 1); i < text.size(); ++i) {
    out += kRaised[text[i] - '0'];
  }
  return out;
}

std::string percent(double share) { return fmt::format("{:.2g} %", 100 * share); }

/// How many independent samples would have the error that k distinct ones have; "-" where that is
/// no number, because there is no error.
std::string worth(const EstimatorError& ancestral, const EstimatorError& other) {
  if (!(other.rmse > 0)) return "-";
  const double ratio = ancestral.rmse / other.rmse;
  const double samples = std::round(static_cast<double>(other.k) * ratio * ratio);
  return grouped(static_cast<std::uint64_t>(samples));
}

/// A quantity that a model never shows (words in "ing" of a list without i) has no errors to draw
/// on a logarithmic axis.
bool all_positive(const Expectation& expectation) {
  bool positive = expectation.reference_error > 0;
  for (const Estimator& estimator : expectation.estimators) {
    for (const EstimatorError& e : estimator.errors) positive = positive && e.rmse > 0;
  }
  return positive;
}

Table words_table(const std::string& caption, const std::vector<DrawnWord>& words) {
  Table table{
      caption, {{"word", Align::left}, {"p", Align::right}, {"in the list", Align::left}}, {}};
  for (const DrawnWord& word : words) {
    table.rows.push_back(
        {Cell(word.text, word.repeated), probability(word.log_prob), word.in_list ? "yes" : "no"});
  }
  return table;
}

void add_words(Page& page, const Setting& setting) {
  const auto& [beam, kappa, ancestral] = setting.words;
  page.tables({words_table(fmt::format("Stochastic beam: {} different", beam.size()), beam),
               words_table(fmt::format("Ancestral: {} different",
                                       ancestral.size() - count_repeats(ancestral)),
                           ancestral)});
}

/// One row a k, one column an estimator; "worth" is that of the last estimator.
Table errors_table(const Expectation& expectation) {
  Table table{fmt::format("RMSE of {} (reference {})", expectation.name,
                          with_error(expectation.reference, expectation.reference_error)),
              {{"k", Align::right}},
              {}};
  for (const Estimator& estimator : expectation.estimators)
    table.columns.push_back({estimator.name, Align::right});
  table.columns.push_back({"worth", Align::right});
  const auto& first = expectation.estimators.front().errors;
  const auto& last = expectation.estimators.back().errors;
  for (std::size_t i = 0; i < first.size(); ++i) {
    std::vector<Cell> row{fmt::to_string(first[i].k)};
    for (const Estimator& estimator : expectation.estimators)
      row.emplace_back(with_error(estimator.errors[i].rmse, estimator.errors[i].rmse_error));
    row.emplace_back(worth(first[i], last[i]));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Figure error_figure(const Expectation& expectation, double temperature) {
  std::vector<double> ks;
  for (const EstimatorError& e : expectation.estimators.front().errors)
    ks.push_back(static_cast<double>(e.k));
  Figure figure{
      .title =
          fmt::format("Error of the estimated {} at temperature {}", expectation.name, temperature),
      .x = {.label = "words drawn, k", .logarithmic = true, .min = 8, .max = 320, .ticks = ks},
      .y = {.label = "RMSE", .logarithmic = all_positive(expectation)}};
  for (const Estimator& estimator : expectation.estimators) {
    Series series{.name = estimator.name};
    for (const EstimatorError& e : estimator.errors) {
      series.x.push_back(static_cast<double>(e.k));
      series.y.push_back(e.rmse);
      series.error.push_back(e.rmse_error);
    }
    figure.series.push_back(std::move(series));
  }
  const double floor = expectation.reference_error;
  figure.series.push_back({.name = "standard error of the reference",
                           .x = {8, 320},
                           .y = {floor, floor},
                           .mark = Mark::line,
                           .dashed = true});
  return figure;
}

void add_expectations(Page& page, const Setting& setting) {
  std::vector<Table> tables;
  std::vector<CaptionedFigure> figures;
  for (const Expectation& expectation : setting.expectations) {
    figures.push_back(
        {to_svg(error_figure(expectation, setting.temperature)),
         fmt::format("Temperature {}: error of the estimated {}. Bars are standard errors.",
                     setting.temperature, expectation.name)});
    tables.push_back(errors_table(expectation));
  }
  page.figures(figures);
  page.tables(tables);
}

Figure distinct_figure(const DemoResult& result, std::size_t k) {
  Series beam{.name = "stochastic beam", .mark = Mark::line};
  Series ancestral{.name = "ancestral"};
  for (const DistinctAt& at : result.distinct) {
    beam.x.push_back(at.temperature);
    beam.y.push_back(static_cast<double>(k));
    ancestral.x.push_back(at.temperature);
    ancestral.y.push_back(at.mean);
    ancestral.error.push_back(at.error);
  }
  return {.title = fmt::format("Different words among {} drawn, against temperature", k),
          .x = {.label = "temperature", .min = 0, .max = 1.05},
          .y = {.label = "different words", .min = 0, .max = static_cast<double>(k) * 1.05},
          .series = {std::move(ancestral), std::move(beam)}};
}

Figure length_figure(const DemoResult& result) {
  const auto series = [](std::string name, const std::vector<double>& share, Mark mark) {
    Series out{.name = std::move(name), .mark = mark};
    for (std::size_t i = 1; i < std::min<std::size_t>(share.size(), 25); ++i) {
      out.x.push_back(static_cast<double>(i));
      out.y.push_back(share[i]);
    }
    return out;
  };
  return {.title = "Word length in the list and under the model",
          .x = {.label = "characters", .min = 0, .max = 25},
          .y = {.label = "share of words", .min = 0},
          .series = {series("word list", result.list_length_share, Mark::bars),
                     series("model", result.settings.front().length_share, Mark::line_and_points)}};
}

}  // namespace

std::string report_html(const DemoResult& result, const DemoOptions& options) {
  const Setting& warm = result.settings.front();
  const Setting& cold = result.settings.back();
  Page page(
      "Distinct words from a word list",
      fmt::format("A {}-gram character model of the {} lines of {}, sampled in two ways. Seed {}.",
                  result.order, grouped(result.lines), file_name(options.words), options.seed));

  page.heading(fmt::format("{} words, two ways", options.k));
  page.paragraph(
      "Ancestral sampling draws one character after the other, and knows nothing of the words it "
      "drew before. Stochastic "
      "beam search draws from the same model without replacement: an exact sample of different "
      "words, in one search.");
  add_words(page, warm);
  page.paragraph(
      fmt::format("p is the probability of the word under the model. Words that the model made up "
                  "are not in the list: {} of the {} "
                  "drawn by stochastic beam search, {} of the {} drawn by ancestral sampling.",
                  count_outside_list(warm.words.beam), warm.words.beam.size(),
                  count_outside_list(warm.words.ancestral), warm.words.ancestral.size()));

  page.heading(fmt::format("Colder: temperature {}", cold.temperature));
  page.paragraph(
      fmt::format("Dividing the logits by {} makes likely characters likelier. Independent samples "
                  "now repeat themselves: shaded words "
                  "had been drawn before.",
                  cold.temperature));
  add_words(page, cold);
  page.figures({{to_svg(distinct_figure(result, options.k)),
                 fmt::format("Different words among {} drawn, against temperature: mean of 100 "
                             "trials for ancestral sampling; "
                             "stochastic beam search always has {}.",
                             options.k, options.k)},
                {to_svg(length_figure(result)),
                 "Word length in the list and under the model at temperature 1."}});

  page.heading("Two expectations under the model");
  page.paragraph(
      fmt::format("How long is a word, and how likely does it end in \"ing\"? Each is estimated "
                  "from k = 10, 50 and 250 words, {} times "
                  "over, and compared with a reference from {} independent words. Shown is the "
                  "root mean square error, ± its standard "
                  "error. No estimate can be seen to be better than the reference's own standard "
                  "error, the dashed line.",
                  options.repetitions, grouped(options.reference_samples)));
  page.paragraph(
      "The words of a stochastic beam are weighted by their probability over that of being in the "
      "beam. The plain estimate is "
      "unbiased; the normalized one, which divides by the sum of the weights, has a small bias and "
      "usually a smaller error. "
      "Its worth is the number of independent words that would have the same error.");
  for (const Setting& setting : result.settings) {
    page.heading(fmt::format("Temperature {}", setting.temperature));
    const Coverage& most = setting.coverage.back();
    page.paragraph(fmt::format(
        "The {} words of a beam hold {} of the model's probability{}", most.k, percent(most.share),
        most.share < 0.1
            ? ": with so much left, it hardly matters whether a word is put back."
            : ": what was drawn need not be drawn again, and little is left to chance."));
    add_expectations(page, setting);
  }
  page.note(fmt::format("partita demo {} --seed {}", file_name(options.words), options.seed));
  return page.html();
}

}  // namespace partita::app
