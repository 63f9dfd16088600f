// SPDX-License-Identifier: Apache-2.0
// partita calibrate samples: how many answers to draw and which to keep, so that one is admissible.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/light/calibrate.hpp"
#include "apps/command/light/calibrate_measure.hpp"
#include "apps/command/light/generate.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/calibration/sampling_rule.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"
#include "partita/search/minimum_bayes_risk.hpp"

namespace partita::app {
namespace {

constexpr auto kConfidences = names<SetConfidence>({{"first-k", SetConfidence::first_k},
                                                    {"max", SetConfidence::max},
                                                    {"sum", SetConfidence::sum}});
enum class TextSimilarity : std::uint8_t { chrf };
constexpr auto kSimilarities = names<TextSimilarity>({{"chrf", TextSimilarity::chrf}});

struct SamplesOptions {
  std::string held_out;
  std::string fresh;
  SamplingRuleOptions rule;
  std::optional<TextSimilarity> similarity;
  CommonOptions common;
  std::string output;
};

/// The prompts of a file, a line each.
struct PromptFile {
  std::vector<Json> lines{};
  std::vector<std::size_t> numbers{};  // of the lines
  std::vector<Candidates> prompts{};   // without `admissible` where a sequence does not say
};

/// Reads one sequence, the i-th of its prompt, or says what is wrong with it.
class SequenceReader {
 public:
  SequenceReader(std::string where, const Json& sequence)
      : where_(std::move(where)), json_(sequence) {
    if (!json_.is_object()) fail("expected an object");
  }

  /// "quality", or else the probability that generate's "log_prob" is of.
  double quality(SetConfidence confidence) const {
    const double value =
        json_.contains("quality") ? number("quality") : std::exp(number("log_prob"));
    if (value < 0 && confidence == SetConfidence::sum) {
      fail(fmt::format("quality: expected 0 or more with --confidence sum, got {:g}", value));
    }
    return value;
  }
  std::optional<bool> admissible() const {
    if (!json_.contains("admissible")) return std::nullopt;
    if (!json_["admissible"].is_boolean()) fail("admissible: expected true or false");
    return json_["admissible"].get<bool>();
  }
  /// To the i before it, if it says so.
  std::vector<double> similarity(std::size_t i) const {
    if (!json_.contains("similarity")) return {};
    const Json& given = json_["similarity"];
    const bool right =
        given.is_array() && given.size() == i &&
        std::all_of(given.begin(), given.end(), [](const Json& each) { return each.is_number(); });
    if (!right)
      fail(fmt::format("similarity: expected {}, to those before it", counted(i, "number")));
    return given.get<std::vector<double>>();
  }
  Sequence characters_of_text() const {
    if (!json_.contains("text") || !json_["text"].is_string()) fail("text: expected a string");
    return characters(json_["text"].get<std::string>());
  }

  [[noreturn]] void fail(const std::string& why) const { throw DataError(where_, why); }

 private:
  double number(const char* key) const {
    if (!json_.contains(key) || !json_[key].is_number()) {
      fail(fmt::format("{}: expected a number", key));
    }
    return json_[key].get<double>();
  }

  std::string where_;
  const Json& json_;
};

/// @param where the file and its line
Candidates read_prompt(const std::string& where, const Json& line, const SamplesOptions& options) {
  if (!line.is_object() || !line.contains("sequences") || !line["sequences"].is_array()) {
    throw DataError(where, "expected an object with \"sequences\", as generate --json prints");
  }
  const Json& sequences = line["sequences"];
  const std::size_t k = sequences.size();
  Candidates out;
  std::vector<Sequence> texts;
  for (std::size_t i = 0; i < k; ++i) {
    const SequenceReader reader(fmt::format("{}: sequence {}", where, i + 1), sequences[i]);
    out.quality.push_back(reader.quality(options.rule.confidence));
    if (const auto admissible = reader.admissible()) out.admissible.push_back(*admissible);
    std::vector<double> similarity = reader.similarity(i);
    if (options.similarity) {
      texts.push_back(reader.characters_of_text());
      similarity.clear();
      for (std::size_t j = 0; j < i; ++j) similarity.push_back(NgramFScore{}(texts[i], texts[j]));
    }
    if (i > 1 && similarity.empty() != out.similarity.empty()) {
      reader.fail("similarity: expected of all sequences or none");
    }
    if (similarity.empty()) continue;
    out.similarity.resize(k * k);
    std::copy(similarity.begin(), similarity.end(),
              out.similarity.begin() + static_cast<std::ptrdiff_t>(i * k));
  }
  if (out.admissible.size() != k) out.admissible.clear();
  return out;
}

constexpr int kDeepest = 100;

PromptFile read_prompts(const std::string& path, const SamplesOptions& options) {
  const TextLines text = read_lines(path, {.longest_line = std::size_t{1} << 30U});
  PromptFile file{.numbers = text.line_number};
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    const std::string where = fmt::format("{}: line {}", input_name(path), text.line_number[i]);
    const auto watch = [&](int depth, Json::parse_event_t, const Json&) {
      if (depth > kDeepest)
        throw DataError(where, "values nested too deep");  // to be printed again
      return true;
    };
    Json line = Json::parse(text.lines[i], watch, false);
    if (line.is_discarded()) throw DataError(where, "not JSON");
    file.prompts.push_back(read_prompt(where, line, options));
    file.lines.push_back(std::move(line));
  }
  return file;
}

SamplingRule fit(const PromptFile& file, const SamplesOptions& options) {
  for (std::size_t i = 0; i < file.prompts.size(); ++i) {
    const Candidates& each = file.prompts[i];
    if (each.admissible.size() == each.quality.size()) continue;
    throw DataError(input_name(options.held_out),
                    fmt::format("line {}: a sequence does not say whether it is \"admissible\"",
                                file.numbers[i]));
  }
  try {
    return fit_sampling_rule(file.prompts, Stream{.seed = options.common.seed}.child(kSamples),
                             options.rule);
  } catch (const InvalidArgument& error) {
    if (error.argument() == "epsilon") throw InvalidArgument("--epsilon", error.reason());
    throw DataError(input_name(options.held_out), error.reason());
  }
}

struct SampledSets {
  SamplingRule rule;
  std::size_t held_out = 0;
  std::size_t prompts = 0;
  double draws = 0;  // means over the new prompts
  double size = 0;
  std::optional<double> missed = {};  // the share of sets, if it is known what is admissible
  std::string sets = {};              // what is written
};

SampledSets sample_sets(const SamplesOptions& options) {
  const PromptFile held_out = read_prompts(options.held_out, options);
  PromptFile fresh = read_prompts(options.fresh, options);
  SampledSets out{.rule = fit(held_out, options),
                  .held_out = held_out.prompts.size(),
                  .prompts = fresh.prompts.size()};
  std::size_t draws = 0;
  std::size_t size = 0;
  std::size_t missed = 0;
  bool known = true;  // which are admissible
  for (std::size_t p = 0; p < fresh.prompts.size(); ++p) {
    const Candidates& candidates = fresh.prompts[p];
    SampledSet set;
    try {
      set = sample_set(out.rule, candidates);
    } catch (const InvalidArgument& error) {
      throw DataError(input_name(options.fresh),
                      fmt::format("line {}: {}", fresh.numbers[p], error.what()));
    }
    draws += set.draws;
    size += set.kept.size();
    if (candidates.admissible.size() != candidates.quality.size()) {
      known = false;
    } else {
      const bool held = std::any_of(set.kept.begin(), set.kept.end(),
                                    [&](std::size_t i) { return candidates.admissible[i]; });
      missed += held ? 0 : 1;
    }
    Json& line = fresh.lines[p];
    Json kept = Json::array();
    for (const std::size_t i : set.kept) kept.push_back(line["sequences"][i]);
    line["sequences"] = std::move(kept);
    line["draws"] = set.draws;
    out.sets += line.dump() + '\n';
  }
  const auto mean = [&](std::size_t sum) {
    return static_cast<double>(sum) / static_cast<double>(out.prompts);
  };
  out.draws = mean(draws);
  out.size = mean(size);
  if (known) out.missed = mean(missed);
  return out;
}

Json to_json(const SampledSets& outcome, const SamplesOptions& options) {
  const SamplingRule& rule = outcome.rule;
  Json json = {{"prompts", outcome.prompts},
               {"held_out", outcome.held_out},
               {"epsilon", options.rule.epsilon},
               {"delta", options.rule.delta},
               {"confidence", name_of(options.rule.confidence)},
               {"thresholds",
                {{"similarity", rule.similarity},
                 {"quality", rule.quality},
                 {"confidence", rule.confidence}}},
               {"max_draws", rule.max_draws},
               {"tested", rule.tested},
               {"misses", rule.misses},
               {"p_value", rule.p_value()},
               {"mean_draws", outcome.draws},
               {"mean_size", outcome.size}};
  if (outcome.missed) json["missed"] = *outcome.missed;
  json["output"] = options.output;
  json["seed"] = options.common.seed;
  return json;
}

std::string to_text(const SampledSets& outcome, const SamplesOptions& options) {
  const SamplingRule& rule = outcome.rule;
  std::string text = fmt::format("draw up to {}", counted(rule.max_draws, "sequence"));
  if (std::isfinite(rule.confidence)) {
    const bool counts = options.rule.confidence == SetConfidence::first_k;
    text += counts ? fmt::format(", until {:g} are kept", rule.confidence)
                   : fmt::format(", until the {} of the qualities kept is {:.4g}",
                                 name_of(options.rule.confidence), rule.confidence);
  }
  if (std::isfinite(rule.quality))
    text += fmt::format("; reject a quality below {:.4g}", rule.quality);
  if (std::isfinite(rule.similarity)) {
    text += fmt::format("; reject a similarity above {:.4g}", rule.similarity);
  }
  text += fmt::format("\ntested: {} of {} hold no admissible sequence (p = {:.2g})\n", rule.misses,
                      counted(rule.tested, "held-out set"), rule.p_value());
  text += fmt::format("{}: {:.2f} sequences drawn on average, {:.2f} kept\n",
                      counted(outcome.prompts, "new prompt"), outcome.draws, outcome.size);
  if (outcome.missed) {
    text +=
        fmt::format("{:.4f} of their sets hold no admissible sequence; promised: {:g} at most\n",
                    *outcome.missed, options.rule.epsilon);
  }
  return text;
}

void run(const SamplesOptions& options) {
  const SampledSets outcome = sample_sets(options);
  write_file(options.output, outcome.sets);
  if (options.common.json) {
    print_json(to_json(outcome, options));
  } else {
    print(to_text(outcome, options));
  }
  note("wrote " + options.output);
}

}  // namespace

void add_calibrate_samples(CLI::App& app) {
  auto* command = app.add_subcommand(
      "samples", "How many sequences to draw, and which to keep, so that one is right");
  auto options = std::make_shared<SamplesOptions>();
  command
      ->add_option(
          "HELD_OUT", options->held_out,
          "prompts with what a model answered: JSON lines, each as generate --json prints, "
          "with \"admissible\" true or false for each of its \"sequences\"")
      ->option_text("FILE")
      ->required();
  command
      ->add_option("NEW", options->fresh,
                   "the same of prompts to find sets for; with \"admissible\", also says how often "
                   "these hold such a sequence")
      ->option_text("FILE")
      ->required();
  command
      ->add_option("--epsilon", options->rule.epsilon,
                   "the largest share of sets that hold no admissible sequence (0.1)")
      ->option_text("E")
      ->check(number("(0, 1)"));
  command
      ->add_option("--delta", options->rule.delta,
                   "the probability, over HELD_OUT, that this is not so (0.05)")
      ->option_text("D")
      ->check(number("(0, 1)"));
  add_choice(*command, "--confidence", options->rule.confidence, kConfidences,
             "drawing ends by how many are kept (first-k), or by the highest of their qualities "
             "(max) or their sum (the default)");
  add_choice(*command, "--similarity", options->similarity, kSimilarities,
             "reject texts by how similar they are to one that is kept: chrf");
  add_common(*command, options->common);
  add_output(*command, options->output,
             "the lines of NEW with the sequences that are kept, and how many were needed as "
             "\"draws\"",
             {".jsonl"})
      ->required();
  command->footer(
      "Example:\n"
      "  partita calibrate samples held_out.jsonl new.jsonl --epsilon 0.2 -o sets.jsonl\n"
      "\n"
      "The quality of a sequence is its \"quality\", or else the probability that \"log_prob\" "
      "says;\n"
      "\"similarity\" may list how similar it is to each of those before it. Sequences stand in "
      "the\n"
      "order in which they were drawn, in both files in the same way.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
