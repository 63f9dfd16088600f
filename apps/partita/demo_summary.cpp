#include <fmt/format.h>

#include <algorithm>
#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "demo_report.hpp"

namespace partita::app {

namespace {

std::string words_text(const DrawnWords& words) {
  const auto cell = [](const std::vector<DrawnWord>& column, std::size_t i) {
    if (i >= column.size()) return std::string();
    return fmt::format("{}{}{}", column[i].text, column[i].in_list ? "" : " *",
                       column[i].repeated ? " (again)" : "");
  };
  std::string out = fmt::format("  {:<32}{}\n", "stochastic beam", "ancestral");
  for (std::size_t i = 0; i < std::max(words.beam.size(), words.ancestral.size()); ++i) {
    out += fmt::format("  {:<32}{}\n", cell(words.beam, i), cell(words.ancestral, i));
  }
  return out + fmt::format("  {:<32}{}\n",
                           fmt::format("= {} different, {} not in list", words.beam.size(),
                                       count_outside_list(words.beam)),
                           fmt::format("= {} different, {} not in list",
                                       words.ancestral.size() - count_repeats(words.ancestral),
                                       count_outside_list(words.ancestral)));
}

std::string expectation_text(const Expectation& expectation) {
  std::string out = fmt::format(
      "  {}: {} under the model, {:.4f} in the list\n  {:>5}", expectation.name,
      with_error(expectation.reference, expectation.reference_error), expectation.in_list, "k");
  for (const Estimator& estimator : expectation.estimators)
    out += fmt::format("  {:>27}", estimator.name);
  out += '\n';
  for (std::size_t i = 0; i < expectation.estimators.front().errors.size(); ++i) {
    out += fmt::format("  {:>5}", expectation.estimators.front().errors[i].k);
    for (const Estimator& estimator : expectation.estimators)
      out += fmt::format("  {:>27.4f}", estimator.errors[i].rmse);
    out += '\n';
  }
  return out;
}

Json words_json(const std::vector<DrawnWord>& words, bool perturbed) {
  Json out = Json::array();
  for (const DrawnWord& word : words) {
    Json entry = {{"text", word.text}, {"log_prob", word.log_prob}};
    if (perturbed) {
      entry["gumbel"] = word.gumbel;
      entry["weight"] = word.weight;
    }
    entry["in_list"] = word.in_list;
    out.push_back(std::move(entry));
  }
  return out;
}

Json expectation_json(const Expectation& expectation) {
  Json estimators = Json::array();
  for (const Estimator& estimator : expectation.estimators) {
    for (const EstimatorError& e : estimator.errors) {
      estimators.push_back({{"estimator", estimator.name},
                            {"k", e.k},
                            {"rmse", e.rmse},
                            {"rmse_standard_error", e.rmse_error},
                            {"bias", e.bias}});
    }
  }
  return {{"name", expectation.name},
          {"word_list", expectation.in_list},
          {"reference", expectation.reference},
          {"reference_standard_error", expectation.reference_error},
          {"estimates", std::move(estimators)}};
}

}  // namespace

std::string summary_text(const DemoResult& result, const DemoOptions& options) {
  std::string out = fmt::format("{}-gram model of {} lines, {} characters\n", result.order,
                                grouped(result.lines), result.characters);
  for (const Setting& setting : result.settings) {
    out += fmt::format("\n{} words at temperature {} (* not in the list)\n{}", options.k,
                       setting.temperature, words_text(setting.words));
  }
  for (const Setting& setting : result.settings) {
    out += fmt::format("\nroot mean square errors at temperature {}, {} repetitions\n",
                       setting.temperature, options.repetitions);
    for (const Expectation& expectation : setting.expectations)
      out += expectation_text(expectation);
  }
  return out;
}

Json summary_json(const DemoResult& result, const DemoOptions& options) {
  Json settings = Json::array();
  for (const Setting& setting : result.settings) {
    Json expectations = Json::array();
    for (const Expectation& expectation : setting.expectations)
      expectations.push_back(expectation_json(expectation));
    Json coverage = Json::array();
    for (const Coverage& c : setting.coverage) coverage.push_back({{"k", c.k}, {"share", c.share}});
    settings.push_back({{"temperature", setting.temperature},
                        {"stochastic_beam", words_json(setting.words.beam, true)},
                        {"kappa", setting.words.kappa},
                        {"ancestral", words_json(setting.words.ancestral, false)},
                        {"ancestral_distinct",
                         setting.words.ancestral.size() - count_repeats(setting.words.ancestral)},
                        {"coverage", std::move(coverage)},
                        {"expectations", std::move(expectations)}});
  }
  Json distinct = Json::array();
  for (const DistinctAt& at : result.distinct) {
    distinct.push_back(
        {{"temperature", at.temperature}, {"ancestral", at.mean}, {"standard_error", at.error}});
  }
  return {{"words", options.words},
          {"lines", result.lines},
          {"order", result.order},
          {"k", options.k},
          {"settings", std::move(settings)},
          {"distinct_of_k", std::move(distinct)},
          {"repetitions", options.repetitions},
          {"reference_samples", options.reference_samples},
          {"report", options.report},
          {"seed", options.seed}};
}

}  // namespace partita::app
