// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/windows.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "partita/embedding/embedding_test_support.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

using testing::corpus_of;

/// A corpus of `words` words w0, w1, ... with frequencies like 1 / (1 + rank).
std::string zipf_text(std::size_t words, std::size_t vocabulary, std::size_t line) {
  std::vector<double> weights;
  for (std::size_t i = 0; i < vocabulary; ++i)
    weights.push_back(1 / (1.0 + static_cast<double>(i)));
  const AliasTable table(weights);
  std::string text;
  for (std::size_t i = 0; i < words; ++i) {
    text += fmt::format("w{}{}", table(Stream{3}.bits(i)), (i + 1) % line == 0 ? '\n' : ' ');
  }
  return text;
}

AliasTable noise_of(const Corpus& corpus) {
  std::vector<double> weights;
  for (const std::uint64_t count : corpus.vocabulary().counts()) {
    weights.push_back(std::pow(static_cast<double>(count), 0.75));
  }
  return AliasTable(weights);
}

/// A window in words, wherever in a batch it lies.
struct Spelled {
  std::uint64_t position;
  std::vector<WordId> left;
  WordId center;
  std::vector<WordId> right;
  std::vector<WordId> negatives;

  bool operator==(const Spelled&) const = default;
};

std::vector<Spelled> spelled(const WindowSampler& sampler, std::uint64_t epoch, std::uint64_t first,
                             std::uint64_t last, std::size_t negative) {
  WindowBatch batch;
  sampler.sample(epoch, first, last, batch);
  EXPECT_EQ(batch.negatives.size(), negative * batch.windows.size());
  std::vector<Spelled> all;
  const auto word = batch.words.begin();
  for (std::size_t i = 0; i < batch.windows.size(); ++i) {
    const Window& w = batch.windows[i];
    const auto noise = batch.negatives.begin() + static_cast<std::ptrdiff_t>(i * negative);
    all.push_back({w.position,
                   {word + w.first, word + w.center},
                   batch.words[w.center],
                   {word + w.center + 1, word + w.last},
                   {noise, noise + static_cast<std::ptrdiff_t>(negative)}});
  }
  return all;
}

TEST(Windows, DoNotDependOnTheRangesTheyAreAskedFor) {
  const Corpus corpus = corpus_of(zipf_text(20'000, 300, 37));
  const AliasTable noise = noise_of(corpus);
  for (const double sample : {0.0, 1e-3}) {
    const WindowSampler sampler(corpus, noise, Stream{},
                                {.window = 5, .negative = 7, .sample = sample});
    const auto whole = spelled(sampler, 2, 0, corpus.size(), 7);
    for (const std::uint64_t step : {1U, 13U, 64U, 1000U, 8192U}) {
      std::vector<Spelled> joined;
      for (std::uint64_t first = 0; first < corpus.size(); first += step) {
        const auto part = spelled(sampler, 2, first, std::min(corpus.size(), first + step), 7);
        joined.insert(joined.end(), part.begin(), part.end());
      }
      ASSERT_EQ(joined, whole) << step;
    }
    EXPECT_NE(spelled(sampler, 3, 0, corpus.size(), 7), whole);
  }
}

TEST(Windows, WithoutSubsamplingEveryWordOfALongLineIsACenterOnce) {
  for (const std::size_t line : {2U, 3U, 25'000U}) {  // the last longer than any peer's limit
    const Corpus corpus = corpus_of(zipf_text(50'000, 100, line));
    const AliasTable noise = noise_of(corpus);
    const WindowSampler sampler(corpus, noise, Stream{}, {.sample = 0});
    const auto all = spelled(sampler, 0, 0, corpus.size(), 5);
    EXPECT_EQ(all.size(), corpus.vocabulary().total() - (50'000 % line == 1 ? 1 : 0));
    std::vector<WordId> ids(corpus.size());
    corpus.read(0, ids);
    for (const Spelled& w : all) ASSERT_EQ(ids[w.position], w.center);
  }
}

TEST(Windows, StayInTheirLineAndAreNeighbors) {
  const Corpus corpus = corpus_of("a b c d\ne\nf g\n h i j k l m n o p");
  const AliasTable noise = noise_of(corpus);
  const WindowSampler sampler(corpus, noise, Stream{}, {.window = 3, .sample = 0});
  std::vector<WordId> ids(corpus.size());
  corpus.read(0, ids);
  std::size_t windows = 0;
  for (std::uint64_t epoch = 0; epoch < 50; ++epoch) {
    for (const Spelled& w : spelled(sampler, epoch, 0, corpus.size(), 5)) {
      ++windows;
      ASSERT_NE(corpus.vocabulary().word(w.center), "e");  // has no neighbor
      ASSERT_LE(w.left.size(), 3U);
      ASSERT_LE(w.right.size(), 3U);
      for (std::size_t i = 0; i < w.left.size(); ++i) {
        const WordId word = w.left[w.left.size() - 1 - i];
        ASSERT_NE(word, Corpus::kLineEnd);
        ASSERT_EQ(word, ids[w.position - 1 - i]);
      }
      for (std::size_t i = 0; i < w.right.size(); ++i) {
        ASSERT_NE(w.right[i], Corpus::kLineEnd);
        ASSERT_EQ(w.right[i], ids[w.position + 1 + i]);
      }
    }
  }
  EXPECT_EQ(windows, 50U * 15);
}

TEST(Windows, SizesAreUniform) {
  const Corpus corpus = corpus_of(zipf_text(70'000, 50, 70'000));
  const AliasTable noise = noise_of(corpus);
  const WindowSampler sampler(corpus, noise, Stream{}, {.window = 7, .sample = 0});
  std::vector<double> observed(7);
  for (const Spelled& w : spelled(sampler, 0, 7, corpus.size() - 7, 5)) {
    ASSERT_EQ(w.left.size(), w.right.size());
    ++observed[w.left.size() - 1];
  }
  const std::vector<double> expected(7, (70'000.0 - 14) / 7);
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

TEST(Windows, NoiseIsTheAliasTables) {
  const Corpus corpus = corpus_of(zipf_text(60'000, 40, 1000));
  const AliasTable noise = noise_of(corpus);
  const WindowSampler sampler(corpus, noise, Stream{}, {.negative = 6, .sample = 0});
  std::vector<double> observed(corpus.vocabulary().size());
  double draws = 0;
  for (const Spelled& w : spelled(sampler, 0, 0, corpus.size(), 6)) {
    for (const WordId id : w.negatives) {
      ++observed[id];
      ++draws;
    }
  }
  std::vector<double> expected;
  std::vector<double> unigram;
  for (WordId id = 0; id < observed.size(); ++id) {
    expected.push_back(draws * std::exp(noise.log_prob(id)));
    unigram.push_back(draws * static_cast<double>(corpus.vocabulary().count(id)) /
                      static_cast<double>(corpus.vocabulary().total()));
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  EXPECT_LT(chi_square_p_value(observed, unigram), kFalseAlarm);  // the test has power
}

TEST(Windows, SubsamplingKeepsWordsWithTheirProbability) {
  const Corpus corpus = corpus_of(zipf_text(200'000, 60, 200'000));
  const AliasTable noise = noise_of(corpus);
  const WindowSampler sampler(corpus, noise, Stream{}, {.sample = 1e-3});
  std::map<WordId, double> kept;
  for (const Spelled& w : spelled(sampler, 0, 0, corpus.size(), 5)) ++kept[w.center];
  for (WordId id = 0; id < corpus.vocabulary().size(); ++id) {
    const auto count = static_cast<double>(corpus.vocabulary().count(id));
    const double f = count / static_cast<double>(corpus.vocabulary().total());
    const double p = std::min(1.0, std::sqrt(1e-3 / f) + 1e-3 / f);
    EXPECT_DOUBLE_EQ(sampler.keep_probability(id), p);
    EXPECT_NEAR(kept[id], count * p, 6 * std::sqrt(count * p * (1 - p)) + 1e-9) << id;
  }
}

}  // namespace
}  // namespace partita
