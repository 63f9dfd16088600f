// SPDX-License-Identifier: Apache-2.0
// partita embed eval and partita embed nearest: what word vectors know.
#include <fmt/format.h>

#include <cmath>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "apps/command/light/embed.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/similarity.hpp"

namespace partita::app {
namespace {

struct EvalOptions {
  VectorsInput vectors;
  std::vector<std::string> similarity;
  std::string analogies;
  CommonOptions common;
};

double percent(std::size_t part, std::size_t whole) {
  return whole == 0 ? 0 : 100 * static_cast<double>(part) / static_cast<double>(whole);
}

void run_eval(const EvalOptions& options) {
  if (options.similarity.empty() && options.analogies.empty()) {
    throw InvalidArgument("--similarity", "expected this or --analogies, got neither");
  }
  const WordSimilarity words(options.vectors.load());
  Json json = {{"vectors", options.vectors.path}, {"similarity", Json::array()}};
  std::string text;
  for (const std::string& file : options.similarity) {
    const SimilarityScore score = words.similarity(file);
    const std::string name = std::filesystem::path(file).filename();
    json["similarity"].push_back({{"file", file},
                                  {"spearman", score.correlation},
                                  {"pairs", score.pairs},
                                  {"lines", score.lines}});
    const std::string correlation =
        std::isnan(score.correlation) ? "  none" : fmt::format("{:6.3f}", score.correlation);
    text += fmt::format("{:<32}  Spearman {}  of {} of {}\n", name, correlation, score.pairs,
                        counted(score.lines, "pair"));
  }
  if (!options.analogies.empty()) {
    AnalogyScore total{"all", 0, 0, 0};
    Json sections = Json::array();
    for (const AnalogyScore& score : words.analogies(options.analogies, options.common.threads)) {
      total.correct += score.correct;
      total.questions += score.questions;
      total.lines += score.lines;
      sections.push_back({{"section", score.section},
                          {"correct", score.correct},
                          {"questions", score.questions},
                          {"lines", score.lines}});
      text += fmt::format("{:<32}  {:5.1f} %  of {} of {}\n", score.section,
                          percent(score.correct, score.questions), score.questions,
                          counted(score.lines, "question"));
    }
    json["analogies"] = {{"correct", total.correct},
                         {"questions", total.questions},
                         {"lines", total.lines},
                         {"sections", std::move(sections)}};
    text += fmt::format("{:<32}  {:5.1f} %  of {} of {}\n", "analogies, all",
                        percent(total.correct, total.questions), total.questions,
                        counted(total.lines, "question"));
  }
  options.common.json ? print_json(json) : print(text);
}

struct NearestOptions {
  VectorsInput vectors;
  std::vector<std::string> words;
  std::size_t k = 10;
  CommonOptions common;
};

void run_nearest(const NearestOptions& options) {
  const WordSimilarity words(options.vectors.load());
  const auto nearest = [&](const std::string& query) {
    try {
      return words.nearest(query, options.k);
    } catch (const InvalidArgument& error) {
      throw DataError(options.vectors.path, error.reason());
    }
  };
  Json json = Json::object();
  std::string text;
  for (const std::string& word : options.words) {
    Json found = Json::array();
    text += word + '\n';
    for (const Neighbor& neighbor : nearest(word)) {
      found.push_back({{"word", neighbor.word}, {"cosine", neighbor.cosine}});
      text += fmt::format("  {:.4f}  {}\n", neighbor.cosine, neighbor.word);
    }
    json[word] = std::move(found);
  }
  options.common.json ? print_json({{"nearest", std::move(json)}}) : print(text);
}

}  // namespace

void add_embed_eval(CLI::App& embed) {
  auto* command =
      embed.add_subcommand("eval", "Compare similarities and analogies with human judgment");
  auto options = std::make_shared<EvalOptions>();
  add_vectors(*command, options->vectors);
  command
      ->add_option("--similarity", options->similarity,
                   "lines of two words and a score, like WordSim-353 and MEN")
      ->option_text("FILE...");
  command
      ->add_option("--analogies", options->analogies,
                   "lines of four words in sections, like word2vec's questions-words.txt")
      ->option_text("FILE");
  add_common(*command, options->common);
  command->footer(
      "Example:\n"
      "  partita embed eval novels.bin --similarity wordsim353.txt men3000.txt\n"
      "\n"
      "A word that has no vector is looked up in lower case; what is still unknown is left out, "
      "and "
      "counted.");
  command->callback([options] { run_eval(*options); });
}

void add_embed_nearest(CLI::App& embed) {
  auto* command = embed.add_subcommand("nearest", "List the words nearest to others");
  auto options = std::make_shared<NearestOptions>();
  add_vectors(*command, options->vectors);
  command
      ->add_option("WORD", options->words,
                   "words whose neighbors to list; or one argument with + and - between words, as "
                   "'king - man + woman'")
      ->option_text("WORD...")
      ->required();
  add_k(*command, options->k, "neighbors per word");
  add_common(*command, options->common);
  command->footer(
      "Example:\n"
      "  partita embed nearest novels.bin whale ship -k 5\n"
      "  partita embed nearest novels.bin 'king - man + woman' -k 1");
  command->callback([options] { run_nearest(*options); });
}

}  // namespace partita::app
