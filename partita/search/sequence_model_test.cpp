// SPDX-License-Identifier: Apache-2.0
#include "partita/search/sequence_model.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

#include "partita/base/error.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"
#include "search_test_support.hpp"

namespace partita {
namespace {

using namespace partita::testing;  // NOLINT(google-build-using-namespace)

// What all four searches make of a model.
struct Everything {
  std::vector<Hypothesis> ancestral;
  std::vector<std::vector<Hypothesis>> beam;
  std::vector<StochasticBeam> stochastic;
  std::vector<PerturbedHypothesis> unique;
  double unique_threshold;
};

Everything search_all(const SequenceModel& model, std::span<const Sequence> prompts, std::size_t k,
                      const SearchOptions& options) {
  Everything all{ancestral_samples(model, prompts.front(), 3 * k, Stream{7}, options),
                 beam_search(model, prompts, k, options),
                 stochastic_beam_search(model, prompts, k, Stream{7, 1}, options),
                 {},
                 0};
  UniqueSampler sampler(model, prompts.front(), Stream{7, 1}.child(0), options);
  while (all.unique.size() < k) {
    auto next = sampler.next();
    if (!next) break;
    all.unique.push_back(std::move(*next));
  }
  all.unique_threshold = sampler.threshold();
  return all;
}

void expect_equal(const Everything& a, const Everything& b) {
  RC_ASSERT(a.ancestral == b.ancestral);
  RC_ASSERT(a.beam == b.beam);
  RC_ASSERT(a.stochastic.size() == b.stochastic.size());
  for (std::size_t i = 0; i < a.stochastic.size(); ++i) {
    RC_ASSERT(a.stochastic[i].sequences == b.stochastic[i].sequences);
    RC_ASSERT(a.stochastic[i].threshold == b.stochastic[i].threshold);
    RC_ASSERT(a.stochastic[i].weights == b.stochastic[i].weights);
  }
  RC_ASSERT(a.unique == b.unique);
  RC_ASSERT(a.unique_threshold == b.unique_threshold);
}

// An incremental model, any batch and any number of threads: the same results, to the last bit. And
// the unique sampler returns the stochastic beam's sequences.
RC_GTEST_PROP(SequenceModel, StateBatchAndThreadsChangeNothing, ()) {
  const HashLogits logits{.vocabulary = *rc::gen::inRange<std::size_t>(2, 9),
                          .scale = *rc::gen::element(0.1, 1.0, 20.0),
                          .seed = *rc::gen::inRange<std::uint64_t>(0, 1000),
                          .dtype = *rc::gen::element(DType::f64, DType::f32)};
  SearchOptions options{.max_length = *rc::gen::inRange<std::size_t>(1, 7)};
  options.filter.top_k = *rc::gen::inRange<std::size_t>(0, 4);
  const auto k = *rc::gen::inRange<std::size_t>(1, 30);
  const auto last_token = static_cast<Token>(logits.vocabulary);
  const auto prompts = *rc::gen::nonEmpty(rc::gen::container<std::vector<Sequence>>(
      rc::gen::container<Sequence>(rc::gen::inRange<Token>(0, last_token))));
  const Everything plain = search_all(StatelessModel(logits), prompts, k, options);
  RC_ASSERT(plain.stochastic.front().sequences == plain.unique);
  RC_ASSERT(plain.stochastic.front().threshold == plain.unique_threshold);

  options.batch = *rc::gen::inRange<std::size_t>(1, 100);
  options.threads = *rc::gen::inRange(1, 4);
  expect_equal(plain, search_all(StatefulModel(logits), prompts, k, options));
}

TEST(SequenceModel, SinglePrecisionGivesTheSameLogProbs) {
  const SearchOptions options{.max_length = 5};
  const Support support(StatelessModel({.vocabulary = 5}), options);
  const Everything single = search_all(StatelessModel({.vocabulary = 5, .dtype = DType::f32}),
                                       std::vector<Sequence>(1), 30, options);
  const auto check = [&](const auto& hypotheses) {
    ASSERT_GE(hypotheses.size(), 30U);
    for (const Hypothesis& h : hypotheses) {
      EXPECT_NEAR(h.log_prob, support.leaves[support.find(h)].log_prob, 1e-5);
    }
  };
  check(single.ancestral);
  check(single.beam.front());
  check(single.stochastic.front().sequences);
  check(single.unique);
}

TEST(SequenceModel, NoMaximumLength) {
  const StatelessModel model({.vocabulary = 2, .scale = 0.1});
  const SearchOptions options{.max_length = std::numeric_limits<std::size_t>::max()};
  const std::vector<Sequence> prompts{{0, 0}};
  EXPECT_TRUE(ancestral_samples(model, prompts[0], 1, Stream{1}, options)[0].finished);
  EXPECT_TRUE(
      stochastic_beam_search(model, prompts, 1, Stream{1}, options)[0].sequences[0].finished);
  EXPECT_TRUE(beam_search(model, prompts, 1, options)[0][0].finished);
  EXPECT_TRUE(UniqueSampler(model, prompts[0], {1, 0}, options).next()->finished);
}

TEST(CallableModel, ChecksItsArguments) {
  const auto flat = [](auto) { return std::vector<double>(3); };
  EXPECT_THROW(CallableModel(0, -1, flat), InvalidArgument);
  EXPECT_THROW(CallableModel(3, 3, flat), InvalidArgument);
  EXPECT_THROW(CallableModel(3, -2, flat), InvalidArgument);
  EXPECT_THROW(CallableModel(3, 2, nullptr), InvalidArgument);
  EXPECT_NO_THROW(CallableModel(3, -1, flat));
}

std::string error_of(const SequenceModel& model, int search) {
  try {
    if (search == 0) ancestral_samples(model, {}, 100, Stream{1}, {.max_length = 5});
    if (search == 1) beam_search(model, {}, 100, {.max_length = 5});
    if (search == 2) stochastic_beam_search(model, {}, 100, {1, 0}, {.max_length = 5});
    if (search == 3) {
      UniqueSampler sampler(model, {}, {1, 0}, {.max_length = 5});
      while (sampler.next()) {
      }
    }
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "no InvalidArgument";
}

TEST(BadModel, IsRefusedWithThePrefix) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const double infinity = std::numeric_limits<double>::infinity();
  const auto after_1_0 = [](const std::vector<double>& bad) {
    return CallableModel(3, 2, [bad](std::span<const Token> prefix) {
      const bool here = prefix.size() == 2 && prefix[0] == 1 && prefix[1] == 0;
      return here ? bad : std::vector<double>{0, 0, 0};
    });
  };
  for (int search = 0; search < 4; ++search) {
    EXPECT_EQ(error_of(after_1_0({0, nan, 0}), search),
              "model: NaN as the logit of token 1 after the prefix [1, 0]");
    EXPECT_EQ(error_of(after_1_0({0, 0, infinity}), search),
              "model: +inf as the logit of token 2 after the prefix [1, 0]");
    EXPECT_EQ(error_of(after_1_0({-infinity, -infinity, -infinity}), search),
              "model: every token is impossible (-inf) after the prefix [1, 0]");
    EXPECT_EQ(error_of(after_1_0({0, 0}), search),
              "function: expected 3 (logits, one for each token), got 2");
  }
}

// A model that forgets to write a row is found out, whatever stood there before.
TEST(BadModel, UnwrittenRowIsSeen) {
  struct Lazy : StatelessModel {
    void next_logits(std::span<const Sequence> /*prefixes*/, DecodingState* /*state*/,
                     MutableRows /*logits*/) const override {}
  };
  EXPECT_EQ(error_of(Lazy(), 0), "model: NaN as the logit of token 0 after the prefix []");
}

TEST(BadModel, LogitsOfAnotherFormat) {
  EXPECT_EQ(error_of(StatelessModel({.dtype = DType::bf16}), 0),
            "model: logits_dtype() is neither f64 nor f32");
}

TEST(BadModel, FilterThatLeavesNothing) {
  const std::vector<std::uint8_t> allowed{0, 1, 0};
  const CallableModel model(3, 2, [](auto) { return std::vector<double>{0, kMinusInfinity, 0}; });
  SearchOptions options;
  options.filter.allowed = allowed;
  try {
    beam_search(model, {}, 1, options);
    FAIL();
  } catch (const InvalidArgument& error) {
    EXPECT_STREQ(error.what(), "filter: allows no possible token after the prefix []");
  }
}

}  // namespace
}  // namespace partita
