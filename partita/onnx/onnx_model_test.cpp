// SPDX-License-Identifier: Apache-2.0
#include "partita/onnx/onnx_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/onnx/onnx_test_support.hpp"
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

constexpr OnnxOptions kTokens{.end_token = 2, .start_token = 1};

class Onnx : public ::testing::Test {
 protected:
  std::string write(const TinyDecoder& decoder) {
    std::string path = (folder_.path() / "model.onnx").string();
    decoder.write(path);
    return path;
  }
  OnnxModel open(const TinyDecoder& decoder, const OnnxOptions& options = kTokens) {
    return OnnxModel(write(decoder), options);
  }
  std::string refused(const TinyDecoder& decoder) {
    const std::string path = write(decoder);
    const std::string message = message_of<DataError>([&] { OnnxModel model(path); });
    EXPECT_TRUE(message.starts_with(path + ": ")) << message;
    return message.substr(std::min(message.size(), path.size() + 2));
  }

  TemporaryDirectory folder_;
};

/// The logits after a start token 1.
ReferenceLogits logits_of(const TinyDecoder& decoder) {
  return [decoder](const Sequence& prefix) {
    Sequence whole = prefix;
    whole.insert(whole.begin(), 1);
    return decoder.expected(whole);
  };
}

const std::vector<Sequence> kPrefixes = {
    {}, {5, 6, 7, 8}, {5, 6, 7, 9, 3, 3, 3}, {19}, {5, 6, 7, 8}};

TEST_F(Onnx, LogitsAreThoseOfADoubleForwardPass) {
  for (const bool past : {true, false}) {
    const TinyDecoder decoder{.vocabulary = 20, .past = past};
    const OnnxModel model = open(decoder);
    EXPECT_EQ(model.vocabulary_size(), 20U);
    EXPECT_EQ(model.end_token(), 2);
    const auto state = model.start();
    EXPECT_EQ(state != nullptr, past);
    expect_logits(model, logits_of(decoder), kPrefixes, state.get(), 1e-5);
  }
}

TEST_F(Onnx, HalfPrecision) {
  const TinyDecoder decoder{.vocabulary = 20, .half = true};
  const OnnxModel model = open(decoder);
  const auto state = model.start();
  expect_logits(model, logits_of(decoder), {{5, 6}, {7, 8}}, state.get(), 1e-2);
  const std::vector<std::size_t> order = {1, 0, 0};
  state->reorder(order);
  expect_logits(model, logits_of(decoder), {{7, 8, 3}, {5, 6, 4}, {5, 6, 5}}, state.get(), 1e-2);
}

/// Also if their lengths differ.
TEST_F(Onnx, ReorderedRowsContinueWhatTheyWere) {
  const TinyDecoder decoder{.vocabulary = 20};
  expect_reordered_rows_continue(
      open(decoder), logits_of(decoder), {{3}, {4}, {5, 8, 9}, {4}},
      {{2, 0, 0, 2, 3}, {1, 1}, {1, 0, 1, 1}, {3, 2, 1, 0}, {2}, {0, 0, 0, 0}, {0, 1, 2, 3}}, 1e-5);
}

TEST_F(Onnx, FoundSequencesHaveTheirLogProbability) {
  for (const bool past : {true, false}) {
    const TinyDecoder decoder{.vocabulary = 12, .past = past};
    const OnnxModel model = open(decoder);
    const SearchOptions options{.max_length = 9};
    const auto check = [&](const Hypothesis& y) {
      const double expected = decoder.log_prob({1, 4, 5}, y.tokens, y.finished ? 2 : -1);
      EXPECT_NEAR(y.log_prob, expected, 1e-4);
    };
    const Sequence prompt = {4, 5};
    for (const auto& y :
         stochastic_beam_search(model, prompt, 30, Stream{.seed = 1}, options).sequences) {
      check(y);
    }
    for (const auto& y : ancestral_samples(model, prompt, 30, Stream{.seed = 2}, options)) check(y);
    for (const auto& y : beam_search(model, prompt, 30, options)) check(y);
    UniqueSampler unique(model, prompt, Stream{.seed = 3}, options);
    for (int i = 0; i < 10; ++i) check(*unique.next());
    const std::vector<Sequence> texts = {{4, 5, 6}, {7}};
    const auto scores = score_sequences(model, texts);
    for (std::size_t i = 0; i < texts.size(); ++i) {
      double sum = 0;
      for (const TokenScore& score : scores[i]) sum += score.log_prob;
      EXPECT_NEAR(sum, decoder.log_prob({1}, texts[i], 2), 1e-4);
    }
  }
}

TEST_F(Onnx, ASmallerBeamBeginsALargerOneAndTheUniqueSampler) {
  expect_a_smaller_beam_begins_a_larger_one(open({.vocabulary = 60}), {7, 8}, 100,
                                            {.max_length = 8});
}

TEST_F(Onnx, OrderedSamplesHaveTheLawOfDrawingWithoutReplacement) {
  const TinyDecoder decoder{.vocabulary = 5};
  expect_the_law_of_drawing_without_replacement(open(decoder), [&](const Hypothesis& y) {
    return decoder.log_prob({1}, y.tokens, y.finished ? 2 : -1);
  });
}

TEST_F(Onnx, SearchesFromSeveralThreads) {
  expect_threads_change_nothing(
      open({.vocabulary = 30}, {.end_token = 2, .start_token = 1, .threads = 2}));
}

TEST_F(Onnx, FilesThatAreNoModels) {
  const std::string path = (folder_.path() / "x.onnx").string();
  EXPECT_THAT(message_of<IoError>([&] { OnnxModel model(path); }), HasSubstr(path));
  const std::string whole = read_file(write({}));
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{5}, std::size_t{400}, whole.size() / 2, whole.size() - 9}) {
    write_file(path, whole.substr(0, size));
    EXPECT_THAT(message_of<DataError>([&] { OnnxModel model(path); }),
                HasSubstr(path + ": ONNX Runtime: "))
        << size;
  }
  write_file(path, "GGUF");
  EXPECT_THAT(message_of<DataError>([&] { OnnxModel model(path); }), HasSubstr("ONNX Runtime: "));
}

TEST_F(Onnx, OtherInputsAndOutputsAreNamed) {
  EXPECT_EQ(refused({.layers = 1, .logits = "next"}),
            "no output logits: its outputs are present.0.key, present.0.value, next");
  EXPECT_EQ(refused({.layers = 1, .present = "cache."}),
            "no output present.0.key: its outputs are cache.0.key, cache.0.value, logits");
  EXPECT_EQ(refused({.tokens = "ids"}),
            "the input ids: expected input_ids, attention_mask, position_ids or past_key_values.*");
  EXPECT_EQ(refused({.more = "encoder_hidden_states"}),
            "the input encoder_hidden_states: expected input_ids, attention_mask, position_ids or "
            "past_key_values.*");
  EXPECT_EQ(
      refused({.past_shape = {"batch", "heads", "past", "8"}}),
      "the input past_key_values.0.key: expected a shape with a batch and one other dimension "
      "that grows, got [-1, -1, -1, 8]");
  EXPECT_THAT(refused({.past_shape = {"1", "1", "past", "8"}}), HasSubstr("got [1, 1, -1, 8]"));
}

TEST_F(Onnx, ShapesThatAreNotWhatTheyMustBe) {
  OnnxGraph flat;  // logits without a dimension for the positions
  flat.input("input_ids", OnnxGraph::i64, {"batch", "tokens"});
  flat.constant<float>("E", {2, 3}, {1, 2, 3, 4, 5, 6});
  flat.constant<std::int64_t>("axis", {1}, {1});
  flat.node("Gather", {"E", "input_ids"}, "all");
  flat.node("ReduceSum", {"all", "axis"}, "logits", {{"keepdims", {0}}});
  flat.output("logits", OnnxGraph::f32, {"batch", "3"});
  const std::string path = (folder_.path() / "flat.onnx").string();
  flat.write(path);
  EXPECT_EQ(message_of<DataError>([&] { OnnxModel model(path); }),
            path + ": logits: expected float or float16 [1, 1, vocabulary], got the shape [1, 3]");

  OnnxGraph still;  // what it gives as present is the past
  still.input("input_ids", OnnxGraph::i64, {"batch", "tokens"});
  still.input("past_key_values.0", OnnxGraph::f32, {"batch", "past", "4"});
  still.constant<float>("E", {2, 3}, {1, 2, 3, 4, 5, 6});
  still.node("Gather", {"E", "input_ids"}, "logits");
  still.node("Identity", {"past_key_values.0"}, "present.0");
  still.output("logits", OnnxGraph::f32, {"batch", "tokens", "3"});
  still.output("present.0", OnnxGraph::f32, {"batch", "past", "4"});
  still.write(path);
  EXPECT_EQ(message_of<DataError>([&] { OnnxModel model(path); }),
            path +
                ": present.0: expected the type of past_key_values.0 and the shape [1, 1, 4], "
                "got [1, 0, 4]");
}

TEST_F(Onnx, PrefixesThatCannotBeRead) {
  const OnnxModel model = open({.context = 16});
  EXPECT_THAT(message_of<DataError>(
                  [&] { ancestral_samples(model, Sequence(16, 4), 1, Stream{.seed = 1}); }),
              HasSubstr("ONNX Runtime: "));
  const OnnxModel without_start = open({}, {.end_token = 2});
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { beam_search(without_start, {}, 1, {.max_length = 3}); }),
      "prompt: expected a token, as this model has no start token");
  const auto state = model.start();
  float row[6];
  const std::vector<Sequence> outside = {{6}};
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              model.next_logits(outside, state.get(), {row, 1, 6});
            }),
            "prefixes: expected 0..5 (tokens), got 6");
}

TEST_F(Onnx, OptionsOutOfRange) {
  const std::string path = write({});
  const auto message = [&](const OnnxOptions& options) {
    return message_of<InvalidArgument>([&] { OnnxModel model(path, options); });
  };
  EXPECT_EQ(message({.threads = 0}), "threads: expected 1 or more, got 0");
  EXPECT_EQ(message({.end_token = 6}), "end_token: expected 0..5 (tokens, or -1), got 6");
  EXPECT_EQ(message({.start_token = -1}), "start_token: expected 0..5 (tokens), got -1");
}

}  // namespace
}  // namespace partita::testing
