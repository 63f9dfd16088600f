// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/trainer.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/embedding_test_support.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using testing::corpus_of;
using ::testing::Each;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using testing::message_of;
using testing::separation;
using ::testing::StartsWith;
using testing::TemporaryDirectory;
using testing::topics_text;
using testing::values;

constexpr EmbeddingModel kModels[] = {EmbeddingModel::skip_gram, EmbeddingModel::cbow};
constexpr EmbeddingLoss kLosses[] = {EmbeddingLoss::negative_sampling, EmbeddingLoss::nce,
                                     EmbeddingLoss::full};

TEST(Trainer, EveryModelAndLossFindsTheTopics) {
  const Corpus corpus = corpus_of(topics_text(1500));
  for (const EmbeddingModel model : kModels) {
    for (const EmbeddingLoss loss : kLosses) {
      for (const bool deterministic : {false, true}) {
        EmbeddingTrainer trainer(corpus, {},
                                 {.model = model,
                                  .loss = loss,
                                  .dim = 16,
                                  .sample = 0,
                                  .epochs = 20,
                                  .alpha = 0.05,
                                  .deterministic = deterministic});
        trainer.train();
        EXPECT_GT(separation(corpus, trainer.vectors()), 0.5)
            << "model " << static_cast<int>(model) << ", loss " << static_cast<int>(loss)
            << (deterministic ? ", deterministic" : "");
      }
    }
  }
}

// With Z fixed at 1, NCE's optimum is normalized by itself (D5 of the lecture's table).
TEST(Trainer, NceNormalizesItself) {
  const Corpus corpus = corpus_of(topics_text(3000));
  EmbeddingTrainer trainer(corpus, {},
                           {.loss = EmbeddingLoss::nce,
                            .dim = 16,
                            .negative = 20,
                            .sample = 0,
                            .epochs = 20,
                            .alpha = 0.05});
  trainer.train();
  const Rows v = trainer.vectors();
  const Rows u = trainer.output_vectors();
  for (std::size_t c = 0; c < v.rows(); ++c) {
    double z = 0;
    for (std::size_t w = 0; w < u.rows(); ++w) {
      double score = trainer.output_biases()[w];
      for (std::size_t d = 0; d < v.columns(); ++d) {
        score += static_cast<double>(v.row_data<float>(c)[d]) * u.row_data<float>(w)[d];
      }
      z += std::exp(score);
    }
    EXPECT_NEAR(std::log(z), 0, 0.15) << corpus.vocabulary().word(static_cast<WordId>(c));
  }
}

std::vector<float> trained(const Corpus& corpus, const EmbeddingOptions& options,
                           const Stream& stream = {}) {
  EmbeddingTrainer trainer(corpus, stream, options);
  trainer.train();
  return values(trainer.vectors());
}

TEST(Trainer, OneThreadIsReproducibleForASeed) {
  const Corpus corpus = corpus_of(topics_text(3000));
  for (const EmbeddingLoss loss : kLosses) {
    const std::vector<float> first = trained(corpus, {.loss = loss, .dim = 20}, {1});
    EXPECT_EQ(trained(corpus, {.loss = loss, .dim = 20}, {1}), first);
    EXPECT_NE(trained(corpus, {.loss = loss, .dim = 20}, {2}), first);
  }
}

TEST(Trainer, DeterministicTrainingDoesNotDependOnThreads) {
  const Corpus corpus = corpus_of(topics_text(3000));
  for (const EmbeddingModel model : kModels) {
    for (const EmbeddingLoss loss : kLosses) {
      EmbeddingOptions options{.model = model, .loss = loss, .dim = 20, .deterministic = true};
      const std::vector<float> one = trained(corpus, options);
      for (const int threads : {2, 3, 8, 11}) {
        options.threads = threads;
        EXPECT_EQ(trained(corpus, options), one) << threads;
      }
    }
  }
}

TEST(Trainer, HogwildFindsTheTopicsToo) {
  const Corpus corpus = corpus_of(topics_text(6000));
  EmbeddingTrainer trainer(corpus, {},
                           {.dim = 16, .sample = 0, .epochs = 5, .alpha = 0.05, .threads = 4});
  trainer.train();
  EXPECT_GT(separation(corpus, trainer.vectors()), 0.5);
}

// word2vec PR 39: with one thread, epochs but the first were lost. gensim 2880: words behind the
// 10,000th of a line were lost.
TEST(Trainer, EveryEpochTrainsEveryWord) {
  for (const std::size_t n : {2U, 100U, 8192U, 25'000U}) {
    std::string line;
    for (std::size_t i = 0; i < n; ++i) line += fmt::format("w{} ", i % 50);
    const Corpus corpus = corpus_of(line);
    for (const bool deterministic : {false, true}) {
      EmbeddingTrainer trainer(
          corpus, {},
          {.dim = 4, .window = 1, .sample = 0, .epochs = 7, .deterministic = deterministic});
      std::uint64_t words = 0;
      trainer.train({.progress = [&](const TrainingUpdate& at) { words = at.words; }});
      EXPECT_EQ(trainer.predictions(), 14 * (n - 1));  // each word and its two neighbors
      EXPECT_EQ(words, 7 * n);
    }
  }
}

// gensim 2735: summed in single precision, the loss stops growing at 2^27.
TEST(Trainer, AverageLossIsRightBeyond2To27) {
  std::string line;
  for (int i = 0; i < 20'000; ++i) line += fmt::format("w{} ", (i * 7919) % 1000);
  const Corpus corpus = corpus_of(line);
  // With next to no learning, all scores stay 0: each prediction costs 101 log 2, less the noise
  // words that are the center.
  EmbeddingTrainer trainer(corpus, {},
                           {.dim = 1, .negative = 100, .sample = 0, .epochs = 20, .alpha = 1e-30});
  trainer.train();
  const double per_prediction = std::log(2.0) * (1 + 100 * (1 - 1.0 / 1000));
  EXPECT_GT(trainer.loss() * static_cast<double>(trainer.predictions()), 0x1p27);
  EXPECT_NEAR(trainer.loss(), per_prediction, 1e-3 * per_prediction);
}

// fastText 500: the time left was wrong.
TEST(Trainer, ProgressAddsUp) {
  const Corpus corpus = corpus_of(topics_text(20'000));
  std::vector<TrainingUpdate> seen;
  EmbeddingTrainer trainer(corpus, {}, {.dim = 100, .sample = 0, .epochs = 3, .alpha = 0.04});
  trainer.train({.progress = [&](const TrainingUpdate& at) { seen.push_back(at); }});
  ASSERT_GE(seen.size(), 2U);
  const double total = 3.0 * static_cast<double>(corpus.vocabulary().total());
  for (const TrainingUpdate& at : seen) {
    EXPECT_EQ(static_cast<double>(at.total), total);
    const double left = total - static_cast<double>(at.words);
    EXPECT_NEAR(at.seconds_left * at.words_per_second, left, 1e-6 * total);
    EXPECT_NEAR(at.learning_rate, 0.04 * std::max(1e-4, left / total), 1e-4 * 0.04);
    EXPECT_GT(at.loss, 0);
  }
  EXPECT_EQ(static_cast<double>(seen.back().words), total);
  EXPECT_EQ(seen.back().seconds_left, 0);
  EXPECT_LT(seen.back().loss, seen.front().loss);
}

// ---------------------------------------------------------------- checkpoints

struct Interrupted {};

/// Trains with checkpoints as often as possible until `share` of the work is done, then stops.
void train_a_part(const Corpus& corpus, const EmbeddingOptions& options, const std::string& path,
                  double share) {
  EmbeddingTrainer trainer(corpus, {}, options);
  try {
    trainer.train({.progress =
                       [&](const TrainingUpdate& at) {
                         const auto done = static_cast<double>(at.words);
                         if (done > share * static_cast<double>(at.total)) throw Interrupted();
                       },
                   .checkpoint = path,
                   .checkpoint_seconds = 0});
  } catch (const Interrupted&) {
  }
}

TEST(Trainer, AResumedRunEndsInTheSameBits) {
  const TemporaryDirectory directory;
  const std::string path = directory / "checkpoint";
  const Corpus corpus = corpus_of(topics_text(30'000));
  for (const EmbeddingLoss loss : {EmbeddingLoss::negative_sampling, EmbeddingLoss::nce}) {
    for (const bool deterministic : {false, true}) {
      EmbeddingOptions options{.loss = loss, .dim = 100, .deterministic = deterministic};
      EmbeddingTrainer whole(corpus, {}, options);
      whole.train();
      train_a_part(corpus, options, path, 0.4);
      if (deterministic) options.threads = 2;
      EmbeddingTrainer resumed(corpus, {}, options);
      resumed.resume(path);
      EXPECT_GT(resumed.predictions(), 0U);
      EXPECT_LT(resumed.predictions(), whole.predictions());
      const std::uint64_t before = resumed.predictions();
      double rate = 0;
      resumed.train({.progress = [&](const TrainingUpdate& at) { rate = at.words_per_second; }});
      EXPECT_GT(rate, 0);
      EXPECT_EQ(values(resumed.vectors()), values(whole.vectors()));
      EXPECT_EQ(values(resumed.output_vectors()), values(whole.output_vectors()));
      EXPECT_EQ(resumed.loss(), whole.loss());
      EXPECT_EQ(resumed.predictions(), whole.predictions());
      EXPECT_LT(before, whole.predictions());
      std::filesystem::remove(path);
    }
  }
}

TEST(Trainer, ACheckpointOfAnotherRunIsRefused) {
  const TemporaryDirectory directory;
  const std::string path = directory / "checkpoint";
  const Corpus corpus = corpus_of(topics_text(20'000));
  const EmbeddingOptions options{.dim = 100};
  train_a_part(corpus, options, path, 0.2);
  ASSERT_TRUE(std::filesystem::exists(path));
  const auto refusal = [&](const Corpus& of, const EmbeddingOptions& with,
                           const Stream& stream = {}) {
    EmbeddingTrainer trainer(of, stream, with);
    const auto before = values(trainer.vectors());
    const std::string message = message_of<DataError>([&] { trainer.resume(path); });
    EXPECT_EQ(values(trainer.vectors()), before);
    EXPECT_THAT(values(trainer.output_vectors()), Each(0));
    return message;
  };
  EXPECT_THAT(refusal(corpus, {.dim = 50}),
              EndsWith("checkpoint: the checkpoint is from another run: dim was 100, now 50"));
  EXPECT_THAT(refusal(corpus, options, {.seed = 5}), EndsWith("seed was 0, now 5"));
  EXPECT_THAT(refusal(corpus, options, Stream{}.child(3)), HasSubstr("stream path was 0"));
  EXPECT_THAT(refusal(corpus, {.dim = 100, .deterministic = true}), HasSubstr("deterministic was"));
  EXPECT_THAT(refusal(corpus_of(topics_text(100)), options), HasSubstr("the corpus' length was"));

  const std::string good = read_file(path);
  for (const std::size_t cut :
       {std::size_t{0}, std::size_t{4}, std::size_t{100}, good.size() - 1}) {
    write_file(path, std::string_view(good).substr(0, cut));
    EXPECT_THAT(refusal(corpus, options), StartsWith(path + ": ")) << cut;
  }
  std::string damaged = good;
  damaged[good.size() - 1000] ^= 1;
  write_file(path, damaged);
  EXPECT_THAT(refusal(corpus, options), EndsWith("damaged: the checksum does not match"));
  write_file(path, "this is no checkpoint at all, but it is long enough to be one");
  EXPECT_THAT(refusal(corpus, options), StartsWith(path + ": "));
}

// ---------------------------------------------------------------- refusals

TEST(Trainer, OptionsOutOfRangeAreNamed) {
  const Corpus corpus = corpus_of("a b a b");
  const auto refusal = [&](const EmbeddingOptions& options) {
    return message_of<InvalidArgument>([&] { EmbeddingTrainer trainer(corpus, {}, options); });
  };
  EXPECT_EQ(refusal({.dim = 0}), "dim: expected 1..65536, got 0");
  EXPECT_EQ(refusal({.window = 1001}), "window: expected 1..1000, got 1001");
  EXPECT_EQ(refusal({.negative = 0}), "negative: expected 1..1000, got 0");
  EXPECT_EQ(refusal({.sample = -1}), "sample: expected a number in [0, inf), got -1");
  EXPECT_EQ(refusal({.epochs = 0}), "epochs: expected 1..1000000, got 0");
  EXPECT_EQ(refusal({.alpha = 0.0}), "alpha: expected a number in (0, inf), got 0");
  EXPECT_EQ(refusal({.threads = 0}), "threads: expected 1 or more, got 0");
}

TEST(Trainer, OneWordRepeatedAMillionTimesIsRefused) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "word ";
  const Corpus corpus = corpus_of(text);
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { EmbeddingTrainer trainer(corpus, {}); }),
      "corpus: one word in the vocabulary, expected two or more: there is nothing to predict");
}

TEST(Trainer, DivergenceIsAnErrorAndNotAFileOfNans) {
  const Corpus corpus = corpus_of(topics_text(3000));
  EmbeddingTrainer trainer(corpus, {}, {.dim = 8, .sample = 0, .epochs = 50, .alpha = 1e30});
  EXPECT_EQ(message_of<Error>([&] { trainer.train(); }),
            "the weights are no longer finite: lower alpha");
}

}  // namespace
}  // namespace partita
