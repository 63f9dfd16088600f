// SPDX-License-Identifier: Apache-2.0
// Word vectors on several ranks, which are threads here.
#include "partita/embedding/internal/rank_exchange.hpp"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/embedding/embedding_test_support.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::message_of;
using testing::separation;
using testing::TemporaryDirectory;
using testing::values;

EmbeddingWeights weights_of(std::size_t words) {
  return {{words, 3}, {words, 3}, std::vector<float>(words)};
}

std::vector<WordId> first_words(std::size_t count) {
  std::vector<WordId> words(count);
  std::iota(words.begin(), words.end(), WordId{0});
  return words;
}

TEST(RankExchange, FrequentWordsAreExchangedOften) {
  run_threads(1, [&](Group& group) {
    EmbeddingWeights weights = weights_of(5000);
    const RankExchange ranks(weights, group);
    std::vector<int> times(5000);
    std::vector<std::uint64_t> all;
    for (std::uint64_t round = 1; round <= 32; ++round) {
      const std::vector<WordId> words = ranks.words_after(round);
      EXPECT_EQ(words.size(), 512 + 3 * 256);  // words beyond 4,096 wait for the exchange of all
      for (const WordId word : words) ++times[word];
      if (ranks.all_after(round)) all.push_back(round);
    }
    EXPECT_THAT(all, ElementsAre(16, 32));
    const auto of = [&](std::ptrdiff_t first, std::ptrdiff_t last) {
      return std::vector<int>(times.begin() + first, times.begin() + last);
    };
    EXPECT_THAT(of(0, 512), Each(32));
    EXPECT_THAT(of(512, 1024), Each(16));
    EXPECT_THAT(of(1024, 2048), Each(8));
    EXPECT_THAT(of(2048, 4096), Each(4));
    EXPECT_THAT(of(4096, 5000), Each(0));

    EmbeddingWeights few = weights_of(300);
    EXPECT_TRUE(RankExchange(few, group).all_after(1));
    EmbeddingWeights more = weights_of(513);
    EXPECT_FALSE(RankExchange(more, group).all_after(1));
    EXPECT_EQ(RankExchange(more, group).words_after(1).size(), 512);
    EXPECT_TRUE(RankExchange(more, group).all_after(2));
  });
}

TEST(RankExchange, CombinesChangesOfAllRanks) {
  constexpr std::size_t kWords = 6000;  // more than a message holds
  run_threads(3, [&](Group& group) {
    EmbeddingWeights weights = weights_of(kWords);
    for (std::size_t i = 0; i < kWords; ++i) weights.inputs.row(i)[1] = static_cast<float>(i);
    RankExchange ranks(weights, group);
    const auto rank = static_cast<std::size_t>(group.rank());
    for (int round = 1; round <= 2; ++round) {
      for (const std::size_t word : {std::size_t{0}, std::size_t{5999}}) {
        weights.inputs.row(word)[rank] += 1;  // orthogonal: they are added
        weights.outputs.row(word)[0] += 2;    // equal: their mean
        weights.biases[word] += 1;
      }
      if (group.rank() == 1) weights.outputs.row(7)[2] = 5;  // of one rank alone
      weights.inputs.row(5999)[2] += 0.5F;
      if (round == 1) {
        ranks.begin_exchange(first_words(100));
        ranks.begin_exchange({});
      } else {
        ranks.exchange_all();
      }
      EXPECT_FLOAT_EQ(weights.inputs.row(0)[0], static_cast<float>(round));
      EXPECT_FLOAT_EQ(weights.inputs.row(0)[1], static_cast<float>(round));
      EXPECT_FLOAT_EQ(weights.outputs.row(0)[0], 2 * static_cast<float>(round));
      EXPECT_FLOAT_EQ(weights.outputs.row(7)[2], 5);
      EXPECT_FLOAT_EQ(weights.biases[0], static_cast<float>(round));
      // What was not exchanged is each rank's own until it is.
      EXPECT_FLOAT_EQ(weights.outputs.row(5999)[0], round == 1 ? 2 : 4);
      EXPECT_FLOAT_EQ(weights.biases[5999], static_cast<float>(round));
    }
    EXPECT_FLOAT_EQ(weights.inputs.row(3000)[1], 3000);

    // What is changed while an exchange is on its way stays the rank's own until the next.
    weights.outputs.row(9)[rank] = 1;
    ranks.begin_exchange(first_words(100));
    weights.outputs.row(9)[rank] += 10;
    ranks.begin_exchange(first_words(100));
    EXPECT_FLOAT_EQ(weights.outputs.row(9)[rank], 11);
    EXPECT_FLOAT_EQ(weights.outputs.row(9)[(rank + 1) % 3], 1);
    weights.outputs.row(9)[(rank + 1) % 3] += 100;  // after it was sent
    ranks.exchange_all();
    const float* const row = weights.outputs.row(9);
    EXPECT_THAT(group.all_gather(std::vector<double>{row[0], row[1], row[2]}), Each(111));
    const float* const last = weights.inputs.row(5999);
    EXPECT_EQ(group.all_gather(std::vector<double>{last[0], last[1], last[2]}),
              std::vector<double>({last[0], last[1], last[2], last[0], last[1], last[2], last[0],
                                   last[1], last[2]}));
  });
}

Corpus topics(std::size_t lines, std::uint64_t seed = 11) {
  return testing::corpus_of(testing::topics_text(lines, 3, seed));
}

EmbeddingOptions small() { return {.dim = 16, .sample = 0, .epochs = 4, .alpha = 0.05}; }

std::vector<float> trained(const Corpus& corpus, int ranks, const EmbeddingOptions& options) {
  std::vector<std::vector<float>> all(static_cast<std::size_t>(ranks));
  run_threads(ranks, [&](Group& group) {
    EmbeddingTrainer trainer(corpus, {.seed = 1}, options);
    trainer.train({.group = &group});
    EXPECT_GT(separation(corpus, trainer.vectors()), 0.5) << ranks;
    EXPECT_GT(trainer.predictions(), 0U);
    all[static_cast<std::size_t>(group.rank())] = values(trainer.vectors());
  });
  for (const auto& each : all) EXPECT_EQ(each, all[0]);
  return all[0];
}

TEST(RankExchange, RanksFindTheTopicsTogether) {
  const Corpus corpus = topics(6000);
  for (const EmbeddingLoss loss : {EmbeddingLoss::negative_sampling, EmbeddingLoss::nce}) {
    for (const bool deterministic : {false, true}) {
      EmbeddingOptions options = small();
      options.loss = loss;
      options.deterministic = deterministic;
      const std::vector<float> three = trained(corpus, 3, options);
      EXPECT_EQ(trained(corpus, 3, options), three);  // a function of their number
      EXPECT_NE(trained(corpus, 2, options), three);
      options.threads = deterministic ? 4 : 1;
      EXPECT_EQ(trained(corpus, 3, options), three);
    }
  }
}

TEST(RankExchange, RanksReadAPartEach) {
  const TemporaryDirectory folder;
  // The last part, of long words, has fewer chunks than the others.
  std::string text = testing::topics_text(6000);
  for (int i = 0; i < 100; ++i) text += "the " + std::string(1000, 'z') + '\n';
  write_file(folder / "text", text);
  const Corpus whole(folder / "text", {.min_count = 1});
  EmbeddingTrainer alone(whole, {.seed = 1}, small());
  alone.train();
  run_threads(3, [&](Group& group) {
    const Corpus part(folder / "text", {.min_count = 1}, {}, group);
    EXPECT_LT(part.last() - part.first(), whole.size() / 2 + whole.size() / 10);
    EmbeddingTrainer trainer(part, {.seed = 1}, small());
    trainer.train({.group = &group});
    EXPECT_GT(separation(part, trainer.vectors()), 0.5);
    // Windows end where a part does: at two places, by at most five words to a side.
    const auto less = static_cast<double>(alone.predictions() - trainer.predictions());
    EXPECT_LE(less, 2 * 4 * 2 * 5 * 5);
    const auto own = values(trainer.vectors());
    std::vector<double> own_sum = {std::accumulate(own.begin(), own.end(), 0.0)};
    EXPECT_THAT(group.all_gather(own_sum), Each(own_sum[0]));
  });
}

// Words of the second half are too rare to be learned, so that the first rank holds all positions.
TEST(RankExchange, OneRankHoldsAll) {
  const TemporaryDirectory folder;
  const std::string topics = testing::topics_text(2000);
  std::string text = topics;
  for (int i = 0; text.size() < 2 * topics.size(); ++i) text += fmt::format("rare{}\n", i);
  write_file(folder / "text", text);
  const Corpus whole(folder / "text", {.min_count = 5});
  EmbeddingTrainer alone(whole, {.seed = 1}, small());
  alone.train();
  run_threads(2, [&](Group& group) {
    const Corpus part(folder / "text", {.min_count = 5}, {}, group);
    EXPECT_EQ(part.last() - part.first(), group.rank() == 0 ? whole.size() : 0);
    EmbeddingTrainer trainer(part, {.seed = 1}, small());
    trainer.train({.group = &group});
    EXPECT_EQ(trainer.predictions(), alone.predictions());
  });
}

struct Killed {};

/// A group whose ranks die once there is a checkpoint.
class Mortal final : public Group {
 public:
  Mortal(Group& group, std::string checkpoint)
      : group_(group), checkpoint_(std::move(checkpoint)) {}
  int rank() const override { return group_.rank(); }
  int size() const override { return group_.size(); }
  std::vector<double> all_gather(std::span<const double> own) override {
    if (std::filesystem::exists(checkpoint_)) throw Killed{};
    return group_.all_gather(own);
  }
  using Group::all_reduce;
  void all_reduce(std::span<double> values, Reduction how) override {
    group_.all_reduce(values, how);
  }
  void broadcast(std::span<double> values, int root) override { group_.broadcast(values, root); }
  void barrier() override { group_.barrier(); }

 private:
  Group& group_;
  std::string checkpoint_;
};

TEST(RankExchange, RanksMeetEveryWordAndResume) {
  const Corpus corpus = topics(12'000);
  const TemporaryDirectory folder;
  std::vector<float> whole;
  std::uint64_t predictions = 0;
  {
    EmbeddingTrainer alone(corpus, {.seed = 1}, small());
    alone.train();
    predictions = alone.predictions();
  }
  run_threads(2, [&](Group& group) {
    EmbeddingTrainer trainer(corpus, {.seed = 1}, small());
    trainer.train({.group = &group});
    EXPECT_EQ(trainer.predictions(), predictions);
    if (group.rank() == 0) whole = values(trainer.vectors());
  });
  const std::string checkpoint = folder / "checkpoint";
  EXPECT_THROW(
      run_threads(2,
                  [&](Group& group) {
                    EmbeddingTrainer trainer(corpus, {.seed = 1}, small());
                    Mortal mortal(group, checkpoint);
                    trainer.train(
                        {.checkpoint = checkpoint, .checkpoint_seconds = 0, .group = &mortal});
                  }),
      Killed);
  run_threads(2, [&](Group& group) {
    EmbeddingTrainer trainer(corpus, {.seed = 1}, small());
    trainer.resume(checkpoint);
    EXPECT_GT(trainer.predictions(), 0U);
    EXPECT_LT(trainer.predictions(), predictions);
    trainer.train({.group = &group});
    EXPECT_EQ(values(trainer.vectors()), whole);
    EXPECT_EQ(trainer.predictions(), predictions);
  });
  // Each of three begins where its share of the corpus is as far as those of the two were; one
  // alone cannot begin where the others do not.
  run_threads(3, [&](Group& group) {
    EmbeddingTrainer trainer(corpus, {.seed = 1}, small());
    trainer.resume(checkpoint);
    trainer.train({.group = &group});
    EXPECT_NEAR(static_cast<double>(trainer.predictions()) / static_cast<double>(predictions), 1,
                0.1);
  });
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                run_threads(2, [&](Group& group) {
                  EmbeddingTrainer trainer(corpus, {.seed = 1}, small());
                  if (group.rank() == 1) trainer.resume(checkpoint);
                  trainer.train({.group = &group});
                });
              }),
              HasSubstr("position to resume from: expected the same on every rank, got 0 of "));
}

TEST(RankExchange, RanksThatDifferAreRefused) {
  const Corpus corpus = topics(100);
  const Corpus other = topics(100, 12);
  const auto refusal = [&](const Corpus& second, std::uint64_t seed, double alpha) {
    return message_of<InvalidArgument>([&] {
      run_threads(2, [&](Group& group) {
        const bool is_first = group.rank() == 0;
        EmbeddingTrainer trainer(is_first ? corpus : second, {.seed = is_first ? 1 : seed},
                                 {.dim = 4, .alpha = is_first ? 0.05 : alpha});
        trainer.train({.group = &group});
      });
    });
  };
  EXPECT_EQ(refusal(corpus, 1, 0.1),
            "alpha: expected the same on every rank, got 0.05 on rank 0 and 0.1 on rank 1");
  EXPECT_EQ(refusal(corpus, 3, 0.05),
            "seed: expected the same on every rank, got 1 on rank 0 and 3 on rank 1");
  EXPECT_EQ(refusal(other, 1, 0.05).substr(0, 18), "the corpus' words:");
}

}  // namespace
}  // namespace partita
