// SPDX-License-Identifier: Apache-2.0
// partita embed train: word vectors from a text.
#include <fmt/format.h>
#include <unistd.h>

#include <cmath>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>

#include "apps/command/light/embed.hpp"
#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/io/file.hpp"
#include "partita/io/word_vectors.hpp"

namespace partita::app {
namespace {

constexpr auto kEmbeddingModels = names<EmbeddingModel>(
    {{"skipgram", EmbeddingModel::skip_gram}, {"cbow", EmbeddingModel::cbow}});

constexpr auto kEmbeddingLosses =
    names<EmbeddingLoss>({{"negative-sampling", EmbeddingLoss::negative_sampling},
                          {"nce", EmbeddingLoss::nce},
                          {"full", EmbeddingLoss::full}});

struct TrainOptions {
  std::string corpus;
  std::string output;
  VocabularyOptions vocabulary;
  EmbeddingOptions embedding;
  std::optional<double> alpha;
  double checkpoint_seconds = 300;
  bool resume = false;
  CommonOptions common;
};

std::string duration(double seconds) {
  const auto s = static_cast<std::uint64_t>(std::lround(std::min(seconds, 1e9)));
  if (s < 60) return fmt::format("{} s", s);
  if (s < 3600) return fmt::format("{} min {} s", s / 60, s % 60);
  return fmt::format("{} h {} min", s / 3600, s / 60 % 60);
}

/// On a terminal, a line that is updated in place.
void show(const TrainingUpdate& at) {
  if (::isatty(STDERR_FILENO) == 0) return;
  fmt::print(stderr, "\r{:.1f} %, {} words/s, learning rate {:.6f}, loss {:.4f}, {} left\x1b[K",
             100 * static_cast<double>(at.words) / static_cast<double>(at.total),
             rounded_rate(at.words_per_second), at.learning_rate, at.loss,
             duration(at.seconds_left));
  if (at.words == at.total) fmt::print(stderr, "\r\x1b[K");
  std::fflush(stderr);
}

Corpus read_corpus(const TrainOptions& options, Group& group) {
  Meter meter("reading");
  Corpus corpus(options.corpus, options.vocabulary, meter.progress(), group);
  return corpus;
}

void run(TrainOptions options) {
  check_word_vectors_path(options.output);
  const std::string checkpoint = options.output + ".checkpoint";
  remember_checkpoints({checkpoint},
                       options.resume ? "the same command" : "the same command with --resume");
  const auto group = command_group({&options.output});
  if (group->size() > 1 && is_stream(options.corpus)) {
    throw InvalidArgument("CORPUS", "standard input is that of one process: expected a file");
  }
  options.embedding.alpha = options.alpha;
  options.embedding.threads = options.common.threads;

  const Corpus corpus = read_corpus(options, *group);
  const Vocabulary& vocabulary = corpus.vocabulary();
  if (vocabulary.size() < 2) {
    throw DataError(options.corpus,
                    fmt::format("only one word occurs {} times or more (min-count): "
                                "there is nothing to predict",
                                options.vocabulary.min_count));
  }
  EmbeddingTrainer trainer(corpus, {.seed = options.common.seed}, options.embedding);
  if (options.resume && std::filesystem::exists(checkpoint)) {
    trainer.resume(checkpoint);
    note(fmt::format("resuming from {}", checkpoint));
  }
  double rate = 0;
  trainer.train({.progress =
                     [&](const TrainingUpdate& at) {
                       rate = at.words_per_second;
                       show(at);
                     },
                 .checkpoint = options.checkpoint_seconds > 0 ? checkpoint : "",
                 .checkpoint_seconds = options.checkpoint_seconds,
                 .group = group.get()});
  if (options.output.empty()) return;
  save_word_vectors(
      options.output, [&](std::size_t i) { return vocabulary.word(static_cast<WordId>(i)); },
      trainer.vectors());
  std::filesystem::remove(checkpoint);

  if (options.common.json) {
    print_json({{"vectors", options.output},
                {"words", vocabulary.size()},
                {"dim", options.embedding.dim},
                {"corpus_words", vocabulary.total()},
                {"epochs", options.embedding.epochs},
                {"words_per_second", rate},
                {"loss", trainer.loss()},
                {"seed", options.common.seed}});
  } else {
    note(fmt::format("wrote {}: {} x {}, from {} x {}, {} words/s, mean loss {:.4f}",
                     options.output, counted(vocabulary.size(), "word"), options.embedding.dim,
                     counted(vocabulary.total(), "word"),
                     counted(options.embedding.epochs, "epoch"), rounded_rate(rate),
                     trainer.loss()));
  }
}

}  // namespace

void add_embed_train(CLI::App& embed) {
  auto* command = embed.add_subcommand("train", "Train word vectors on a text");
  auto options = std::make_shared<TrainOptions>();
  const auto number = [&](const char* name, auto& value, std::uint64_t least, std::uint64_t most,
                          const std::string& what) {
    command->add_option(name, value, fmt::format("{} ({})", what, value))
        ->option_text("N")
        ->check(whole_number(least, most));
  };
  command
      ->add_option(
          "CORPUS", options->corpus,
          "UTF-8 text, plain or gzip, words separated by white space; - for standard input")
      ->option_text("FILE")
      ->required();
  add_choice(*command, "--model", options->embedding.model, kEmbeddingModels,
             "skipgram or cbow (skipgram)")
      ->option_text("MODEL");
  add_choice(*command, "--loss", options->embedding.loss, kEmbeddingLosses,
             "negative-sampling, nce or full (negative-sampling)")
      ->option_text("LOSS");
  number("--dim", options->embedding.dim, 1, 65'536, "length of a vector");
  number("--window", options->embedding.window, 1, 1000, "look at most N words to each side");
  number("--negative", options->embedding.negative, 1, 1000, "noise words per center");
  command
      ->add_option("--sample", options->embedding.sample,
                   "randomly drop words more frequent than this share; 0: none (0.001)")
      ->option_text("SHARE")
      ->check(CLI::Range(0.0, 1e9).description(""));
  number("--min-count", options->vocabulary.min_count, 1, std::uint64_t{1} << 62U,
         "leave out words that occur less often");
  number("--epochs", options->embedding.epochs, 1, 1'000'000, "passes over the text");
  command
      ->add_option("--alpha", options->alpha,
                   "initial learning rate, falling linearly to 0.0001 of it (0.025; cbow 0.15)")
      ->option_text("RATE")
      ->check(CLI::PositiveNumber.description(""));
  command->add_flag("--deterministic", options->embedding.deterministic,
                    "the same vectors on any number of threads, at about a third of the speed");
  command
      ->add_option("--checkpoint-seconds", options->checkpoint_seconds,
                   "time between saves to OUTPUT.checkpoint; 0: never (300)")
      ->option_text("S")
      ->check(CLI::NonNegativeNumber.description(""));
  command->add_flag("--resume", options->resume,
                    "resume from OUTPUT.checkpoint if it exists, to the same result");
  add_common(*command, options->common);
  add_output(*command, options->output, "the vectors: .txt, .vec, .bin (as word2vec's) or .npy",
             {".txt", ".vec", ".bin", ".npy"})
      ->required();
  command->footer(
      "Example:\n"
      "  partita embed train novels.txt.gz -o novels.bin --dim 100 --sample 1e-4 --threads 2\n"
      "\n"
      "With one thread or --deterministic, a seed always gives the same vectors; more threads "
      "share them\nwithout locks, and no two runs are the same. The processes of partita launch "
      "read "
      "a part\nof the text each; their number is then part of what determines the vectors.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
