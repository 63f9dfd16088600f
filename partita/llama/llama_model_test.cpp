// SPDX-License-Identifier: Apache-2.0
#include "partita/llama/llama_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/llama/llama_test_support.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/score.hpp"
#include "partita/search/sequence_model_test_support.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"
#include "temporary_directory.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;

constexpr LogitBias kNeverEnds[] = {{2, kMinusInfinity}};

class Llama : public ::testing::Test {
 protected:
  static TinyTransformer tiny(TinyTransformer model = {}) {
    model.draw();
    return model;
  }

  LlamaModel open(const TinyTransformer& model, const LlamaOptions& options = {}) {
    const std::string path = (folder_.path() / "model.gguf").string();
    write_gguf(model, path);
    return LlamaModel(path, options);
  }

  TemporaryDirectory folder_;
};

ReferenceLogits logits_of(const TinyTransformer& model) {
  return [model](const Sequence& prefix) { return model.logits(prefix); };
}

void normalize(std::vector<double>& logits) {
  double sum = 0;
  for (const double v : logits) sum += std::exp(v);
  for (double& v : logits) v -= std::log(sum);
}

std::vector<double> log_probs(const TinyTransformer& model, const Sequence& prefix) {
  std::vector<double> row = model.logits(prefix);
  normalize(row);
  return row;
}

/// @param never a token that cannot come
double log_prob(const TinyTransformer& model, const Sequence& prompt, const Hypothesis& of,
                Token never = -1) {
  Sequence all = prompt;
  all.insert(all.end(), of.tokens.begin(), of.tokens.end());
  std::vector<std::vector<double>> rows = model.logits_along(all);
  if (of.finished) all.push_back(model.end_token());
  double sum = 0;
  for (std::size_t i = prompt.size(); i < all.size(); ++i) {
    if (never >= 0) rows[i][static_cast<std::size_t>(never)] = kMinusInfinity;
    normalize(rows[i]);
    sum += rows[i][static_cast<std::size_t>(all[i])];
  }
  return sum;
}

TEST_F(Llama, LogitsAreThoseOfADoubleForwardPass) {
  const TinyTransformer reference = tiny({.vocabulary = 40});
  const LlamaModel model = open(reference);
  EXPECT_EQ(model.vocabulary_size(), 40U);
  EXPECT_EQ(model.end_token(), 2);
  EXPECT_EQ(model.context(), 64U);
  const std::vector<Sequence> prefixes = {{}, {5, 6, 7, 8}, {5, 6, 7, 9, 3, 3, 3}, {39}};
  expect_logits(model, logits_of(reference), prefixes, model.start().get(), 2e-5);
}

TEST_F(Llama, ReorderedRowsContinueWhatTheyWere) {
  const TinyTransformer reference = tiny({.vocabulary = 20});
  expect_reordered_rows_continue(
      open(reference, {.sequences = 4}), logits_of(reference), {{3}, {4}, {5}},
      {{2, 0, 0, 2}, {1, 1}, {1, 0, 1, 1}, {3, 2, 1, 0}, {2}, {0, 0, 0, 0}}, 2e-5);
}

/// The cache begins with room for 256 tokens, and a search that needs more reads its prefixes
/// again.
TEST_F(Llama, TheCacheGrows) {
  const TinyTransformer reference = tiny({.vocabulary = 12, .context = 200});
  const LlamaModel model = open(reference, {.sequences = 12});
  const Sequence prompt(20, 5);
  const auto beam =
      stochastic_beam_search(model, prompt, 12, Stream{.seed = 2},
                             {.max_length = 90, .filter = {.logit_bias = kNeverEnds}});
  ASSERT_EQ(beam.sequences.size(), 12U);
  for (const PerturbedHypothesis& y : beam.sequences) {
    EXPECT_EQ(y.tokens.size(), 90U);
    EXPECT_NEAR(y.log_prob, log_prob(reference, prompt, y, reference.end_token()), 1e-4);
  }
}

TEST_F(Llama, FoundSequencesHaveTheirLogProbability) {
  const TinyTransformer reference = tiny({.vocabulary = 30});
  const LlamaModel model = open(reference);
  const Sequence prompt = model.encode("hello");
  EXPECT_EQ(model.decode(prompt), "hello");
  const SearchOptions options{.max_length = 12};
  const StochasticBeam beam = stochastic_beam_search(model, prompt, 40, Stream{.seed = 3}, options);
  ASSERT_EQ(beam.sequences.size(), 40U);
  for (const auto& y : beam.sequences) {
    EXPECT_NEAR(y.log_prob, log_prob(reference, prompt, y), 1e-4);
  }
  for (const auto& y : beam_search(model, prompt, 5, options)) {
    EXPECT_NEAR(y.log_prob, log_prob(reference, prompt, y), 1e-4);
  }
  for (const auto& y : ancestral_samples(model, prompt, 100, Stream{.seed = 4}, options)) {
    EXPECT_NEAR(y.log_prob, log_prob(reference, prompt, y), 1e-4);
  }
  const Sequence scored = model.encode("world");
  const auto scores = score_sequences(model, {&scored, 1});
  double sum = 0;
  for (const TokenScore& score : scores[0]) sum += score.log_prob;
  EXPECT_NEAR(sum, log_prob(reference, {}, {scored, true, 0}), 1e-4);
}

/// Of which llama.cpp's own defaults keep only the rough part.
TEST_F(Llama, ASmallerBeamBeginsALargerOneAndTheUniqueSampler) {
  const LlamaModel model = open(tiny({.vocabulary = 200, .layers = 3}), {.sequences = 256});
  expect_a_smaller_beam_begins_a_larger_one(model, model.encode("someprompt"), 200,
                                            {.max_length = 10});
}

TEST_F(Llama, OrderedSamplesHaveTheLawOfDrawingWithoutReplacement) {
  const TinyTransformer reference = tiny({.vocabulary = 5});
  expect_the_law_of_drawing_without_replacement(
      open(reference, {.sequences = 256}),
      [&](const Hypothesis& y) { return log_prob(reference, {}, y); });
}

TEST_F(Llama, SearchesFromSeveralThreads) {
  expect_threads_change_nothing(open(tiny({.vocabulary = 30})));
}

TEST_F(Llama, AStartTokenOfTheCallers) {
  TinyTransformer reference = tiny({.vocabulary = 30});
  const LlamaModel model = open(reference, {.start_token = 7});
  const Sequence prefix{4};
  const auto got = next_log_probs(model, prefix);
  const auto expected = log_probs(reference, prefix);
  double most = 0;
  for (std::size_t i = 0; i < got.size(); ++i)
    most = std::max(most, std::abs(got[i] - expected[i]));
  EXPECT_GT(most, 0.01);
}

/// The largest difference that the company of 40 other prefixes makes to a prefix's logits.
double effect_of_the_batch(const LlamaModel& model) {
  const std::size_t columns = model.vocabulary_size();
  const Stream draws{.seed = 8};
  std::vector<Sequence> prefixes(41);
  for (std::size_t i = 0; i < prefixes.size(); ++i) {
    for (std::size_t t = 0; t < 10 + i % 7; ++t) {
      prefixes[i].push_back(static_cast<Token>(3 + draws.bits(64 * i + t) % (columns - 3)));
    }
  }
  std::vector<float> together(prefixes.size() * columns);
  model.next_logits(prefixes, model.start().get(), {together.data(), prefixes.size(), columns});
  double most = 0;
  for (std::size_t i = 0; i < prefixes.size(); i += 5) {
    std::vector<float> alone(columns);
    model.next_logits({&prefixes[i], 1}, model.start().get(), {alone.data(), 1, columns});
    for (std::size_t token = 0; token < columns; ++token) {
      most = std::max(most, std::abs(double{alone[token]} - double{together[i * columns + token]}));
    }
  }
  return most;
}

TEST_F(Llama, LogitsDoNotDependOnTheBatch) {
  const TinyTransformer reference =
      tiny({.vocabulary = 300, .embedding = 256, .layers = 3, .hidden = 512});
  EXPECT_LT(effect_of_the_batch(open(reference)), 5e-5);
  EXPECT_GT(effect_of_the_batch(open(reference, {.batch_invariant = false})), 1e-4);
}

TEST_F(Llama, TheFastCacheIsClose) {
  const TinyTransformer reference = tiny({.vocabulary = 30});
  const LlamaModel model = open(reference, {.batch_invariant = false});
  const Sequence prefix{4, 5, 6, 7};
  const auto got = next_log_probs(model, prefix);
  const auto expected = log_probs(reference, prefix);
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 0.02);
}

// ---- what can be wrong ----

TEST_F(Llama, FilesThatAreNoModels) {
  const std::string path = (folder_.path() / "x.gguf").string();
  EXPECT_THAT(message_of<IoError>([&] { LlamaModel model(path); }), HasSubstr(path));
  write_file(path, "ggml, of old");
  EXPECT_THAT(message_of<DataError>([&] { LlamaModel model(path); }),
              HasSubstr("expected a GGUF file, which begins with \"GGUF\""));
  write_gguf(tiny(), path);
  const std::string whole = read_file(path);
  for (const std::size_t size :
       {std::size_t{4}, std::size_t{30}, std::size_t{400}, whole.size() / 2, whole.size() - 32}) {
    write_file(path, whole.substr(0, size));
    const std::string message = message_of<DataError>([&] { LlamaModel model(path); });
    EXPECT_THAT(message, HasSubstr(path + ": llama.cpp: ")) << size;
    EXPECT_GT(message.size(), path.size() + 20) << message;
    EXPECT_EQ(message.find('\n'), std::string::npos);
  }
}

TEST_F(Llama, AnEncoder) {
  const std::string path = (folder_.path() / "bert.gguf").string();
  write_encoder(path);
  EXPECT_EQ(message_of<DataError>([&] { LlamaModel model(path); }),
            path + ": an encoder, which says nothing of a next token");
}

TEST_F(Llama, PrefixesThatDoNotFit) {
  const LlamaModel model = open(tiny(), {.sequences = 3});
  EXPECT_THAT(message_of<InvalidArgument>(
                  [&] { ancestral_samples(model, Sequence(64, 4), 1, Stream{.seed = 1}); }),
              HasSubstr("prompt: expected, with what follows it, at most 64 tokens (the model's "
                        "context), got 65"));
  EXPECT_THAT(
      message_of<InvalidArgument>([&] { stochastic_beam_search(model, {}, 4, Stream{.seed = 1}); }),
      HasSubstr("k: expected 1..3 (prefixes that the model can hold), got 4"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { beam_search(model, {}, 4); }), HasSubstr("k: "));
  // More samples than that are drawn batch by batch.
  EXPECT_EQ(ancestral_samples(model, {}, 10, Stream{.seed = 1}, {.max_length = 5}).size(), 10U);
}

TEST_F(Llama, OptionsOutOfRange) {
  const std::string path = (folder_.path() / "model.gguf").string();
  write_gguf(tiny(), path);
  EXPECT_THAT(message_of<InvalidArgument>([&] { LlamaModel model(path, {.sequences = 257}); }),
              HasSubstr("sequences: expected 1..256, got 257"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { LlamaModel model(path, {.threads = 0}); }),
              HasSubstr("threads"));
  EXPECT_THAT(message_of<InvalidArgument>([&] { LlamaModel model(path, {.start_token = 6}); }),
              HasSubstr("start_token: expected 0..5 (tokens), got 6"));
}

}  // namespace
}  // namespace partita::testing
