// SPDX-License-Identifier: Apache-2.0
#include "partita/c/partita.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <bit>
#include <limits>
#include <string>
#include <vector>

#include "partita/sampler/sample.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/search_test_support.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

// What C gets is what C++ gets, to the bit.
namespace partita::testing {
namespace {

using ::testing::HasSubstr;

constexpr std::size_t kRows = 40;
constexpr std::size_t kColumns = 300;

class C : public ::testing::Test {
 protected:
  C() : logits_(kRows * kColumns) {
    for (std::size_t i = 0; i < logits_.size(); ++i) {
      logits_[i] = static_cast<float>(2 * Stream{5}.normal(i));
    }
    ok(partita_sampler_create(&sampler_, &error_));
    set("temperature", 1.3);
    set("top_k", 50);
    set("top_p", 0.9);
    set("repeat_penalty", 1.2);
    ok(partita_sampler_set_history(sampler_, history_.data(), history_.size(), &error_));
    settings_ = {
        .history = history_, .repeat_penalty = 1.2, .temperature = 1.3, .top_k = 50, .top_p = 0.9};
    for (std::size_t row = 0; row < kRows; ++row) {
      partita_stream_child(&stream_, row, &streams_.emplace_back());
    }
  }
  ~C() override { partita_sampler_destroy(sampler_); }

  void ok(partita_status status) const { EXPECT_EQ(status, PARTITA_OK) << error_.message; }
  void set(const char* name, double value) {
    ok(partita_sampler_set(sampler_, name, value, &error_));
  }
  partita_rows view() const { return {logits_.data(), PARTITA_F32, kRows, kColumns, kColumns, 1}; }
  Rows rows() const { return {logits_.data(), kRows, kColumns}; }

  partita_error error_{};
  partita_sampler* sampler_ = nullptr;
  std::vector<partita_sampler*> samplers() const {
    return std::vector(kRows, sampler_);  // NOLINT(modernize-return-braced-init-list)
  }
  SamplerSettings settings_;
  std::vector<std::int32_t> history_{3, 1, 4, 1, 5};
  std::vector<float> logits_;
  partita_stream stream_{.seed = 9, .id = 2, .path = {}};
  std::vector<partita_stream> streams_;
};

TEST_F(C, DrawsAreThoseOfSample) {
  const partita_rows view = this->view();
  std::vector<std::int64_t> tokens(kRows);
  ok(partita_sample(&view, samplers().data(), streams_.data(), 2, tokens.data(), &error_));
  EXPECT_EQ(tokens, sample(rows(), settings_, Stream{9, 2}));

  std::vector<double> log_prob(kRows);
  ok(partita_replay_log_prob(&view, tokens.data(), samplers().data(), streams_.data(), 1,
                             log_prob.data(), &error_));
  EXPECT_EQ(log_prob, replay_log_prob(rows(), tokens, settings_, Stream{9, 2}));
}

TEST_F(C, ReportsAreThoseOfSampleWithReport) {
  constexpr std::size_t kTop = 4;
  const partita_rows view = this->view();
  std::vector<partita_draw> draws(kRows);
  std::vector<std::int64_t> top(kRows * kTop);
  std::vector<double> top_log_prob(kRows * kTop);
  std::vector<std::uint8_t> kept(kRows * kColumns, 7);
  ok(partita_sample_with_report(&view, samplers().data(), streams_.data(), 1, draws.data(), kTop,
                                top.data(), top_log_prob.data(), kept.data(), &error_));
  const auto expected =
      sample_with_report(rows(), settings_, Stream{9, 2}, {.top = kTop, .kept = true});
  for (std::size_t row = 0; row < kRows; ++row) {
    const Draw& draw = expected[row];
    EXPECT_EQ(draws[row].token, draw.index);
    EXPECT_EQ(draws[row].log_prob, draw.log_prob);
    EXPECT_EQ(draws[row].raw_log_prob, draw.raw_log_prob);
    EXPECT_EQ(draws[row].tempered_log_prob, draw.tempered_log_prob);
    EXPECT_EQ(draws[row].rank, draw.rank);
    EXPECT_EQ(draws[row].kept_count, draw.kept_count);
    EXPECT_EQ(draws[row].kept_mass, draw.kept_mass);
    EXPECT_EQ(draws[row].raw_entropy, draw.raw_entropy);
    EXPECT_EQ(draws[row].entropy, draw.entropy);
    for (std::size_t i = 0; i < kTop; ++i) {
      EXPECT_EQ(top[row * kTop + i], draw.top[i].index);
      EXPECT_EQ(top_log_prob[row * kTop + i], draw.top[i].log_prob);
    }
    std::vector<std::int64_t> listed;
    for (std::size_t i = 0; i < kColumns; ++i) {
      EXPECT_LE(kept[row * kColumns + i], 1);
      if (kept[row * kColumns + i] == 1) listed.push_back(static_cast<std::int64_t>(i));
    }
    EXPECT_EQ(listed, draw.kept);
  }
}

TEST_F(C, DistinctDrawsAreThoseOfSampleWithoutReplacement) {
  constexpr std::size_t kK = 5;
  const partita_rows view = this->view();
  std::vector<std::int64_t> tokens(kRows * kK);
  std::vector<double> log_prob(kRows * kK);
  std::vector<double> perturbed(kRows * kK);
  std::vector<double> threshold(kRows);
  ok(partita_sample_without_replacement(&view, kK, samplers().data(), streams_.data(), 1,
                                        tokens.data(), log_prob.data(), perturbed.data(),
                                        threshold.data(), &error_));
  const TopKSample expected = sample_without_replacement(rows(), kK, settings_, Stream{9, 2});
  EXPECT_EQ(tokens, expected.indices);
  EXPECT_EQ(log_prob, expected.log_prob);
  EXPECT_EQ(perturbed, expected.perturbed);
  EXPECT_EQ(threshold, expected.threshold);
  EXPECT_EQ(partita_importance_weight(-2, -1), importance_weight(-2, -1));
}

/// Every setting of SamplerSettings that is a number, by its name, changes the draw as the member
/// does: sampled under values that matter.
TEST_F(C, EverySettingReachesItsMember) {
  const std::vector<std::pair<const char*, std::pair<double, SamplerSettings>>> cases = {
      {"no_repeat_ngram", {1, {.no_repeat_ngram = 1}}},
      {"repeat_penalty", {30, {.repeat_penalty = 30}}},
      {"frequency_penalty", {4, {.frequency_penalty = 4}}},
      {"presence_penalty", {-5, {.presence_penalty = -5}}},
      {"dry_multiplier", {9, {.dry_multiplier = 9}}},
      {"temperature", {0.3, {.temperature = 0.3}}},
      {"dynatemp_range", {1, {.dynatemp_range = 1}}},
      {"top_n_sigma", {1, {.top_n_sigma = 1}}},
      {"min_k", {3, {.min_k = 3}}},
      {"top_h", {0.4, {.top_h = 0.4}}},
      {"top_k", {2, {.top_k = 2}}},
      {"top_p", {0.2, {.top_p = 0.2}}},
      {"min_p", {0.3, {.min_p = 0.3}}},
      {"typical_p", {0.2, {.typical_p = 0.2}}},
      {"epsilon_cutoff", {0.01, {.epsilon_cutoff = 0.01}}},
      {"eta_cutoff", {0.5, {.eta_cutoff = 0.5}}},
      {"p_less", {1, {.p_less = true}}},
      {"xtc_probability", {1, {.xtc_probability = 1, .xtc_threshold = 0.1}}},
  };
  const std::vector<std::int32_t> history{1, 2, 3, 1, 2, 3, 1, 2};
  const auto plain = sample(rows(), SamplerSettings{}, Stream{9, 2});
  const partita_rows view = this->view();
  for (auto [name, given] : cases) {
    partita_sampler* sampler = nullptr;
    ok(partita_sampler_create(&sampler, &error_));
    ok(partita_sampler_set_history(sampler, history.data(), history.size(), &error_));
    ok(partita_sampler_set(sampler, name, given.first, &error_));
    double back = 0;
    ok(partita_sampler_get(sampler, name, &back, &error_));
    EXPECT_EQ(back, given.first) << name;
    given.second.history = history;
    const auto expected = sample_with_report(rows(), given.second, Stream{9, 2});
    std::vector<partita_draw> draws(kRows);
    ok(partita_sample_with_report(&view, std::vector(kRows, sampler).data(), streams_.data(), 1,
                                  draws.data(), 0, nullptr, nullptr, nullptr, &error_));
    bool changes = false;
    for (std::size_t row = 0; row < kRows; ++row) {
      EXPECT_EQ(draws[row].token, expected[row].index) << name;
      EXPECT_EQ(draws[row].log_prob, expected[row].log_prob) << name;
      changes = changes || draws[row].log_prob != draws[row].raw_log_prob;
    }
    EXPECT_TRUE(changes) << name;
    partita_sampler_destroy(sampler);
  }
}

TEST_F(C, MirostatsStateIsUpdatedAndCanBeReadAndRestored) {
  partita_sampler* sampler = nullptr;
  ok(partita_sampler_create(&sampler, &error_));
  ok(partita_sampler_set(sampler, "mirostat", 2, &error_));
  MirostatState state;
  const SamplerSettings settings{.mirostat = 2, .mirostat_state = &state};
  partita_rows one = view();
  one.rows = 1;
  for (std::uint64_t step = 0; step < 10; ++step) {
    std::int64_t token = 0;
    ok(partita_sample(&one, &sampler, &streams_[step], 1, &token, &error_));
    const Stream stream = Stream{9, 2}.child(step);
    EXPECT_EQ(token, sample({logits_.data(), 1, kColumns}, settings, std::span(&stream, 1))[0]);
    double mu = 0;
    ok(partita_sampler_get(sampler, "mirostat_mu", &mu, &error_));
    EXPECT_EQ(mu, state.mu);
  }
  std::vector<std::int64_t> tokens(kRows);
  const partita_rows all = view();
  EXPECT_EQ(partita_sample(&all, std::vector(kRows, sampler).data(), streams_.data(), 1,
                           tokens.data(), &error_),
            PARTITA_INVALID_ARGUMENT);
  EXPECT_THAT(error_.message, HasSubstr("two rows share one that has a state"));
  partita_sampler_destroy(sampler);
}

// ---- searches ----

int32_t logits_of(void* context, void* /*state*/, std::size_t rows, const int32_t* const* prefixes,
                  const std::size_t* lengths, void* logits, partita_error* /*error*/) {
  const auto& model = *static_cast<const StatelessModel*>(context);
  std::vector<Sequence> sequences;
  for (std::size_t i = 0; i < rows; ++i)
    sequences.emplace_back(prefixes[i], prefixes[i] + lengths[i]);
  model.next_logits(sequences, nullptr,
                    {static_cast<double*>(logits), rows, model.vocabulary_size()});
  return 0;
}

class CSearch : public C {
 protected:
  CSearch() {
    ok(partita_model_create(4, 3, PARTITA_F64, logits_of, &model_, &c_model_, &error_));
    ok(partita_sampler_create(&filter_, &error_));
    ok(partita_sampler_set(filter_, "top_k", 3, &error_));
    c_options_.filter = filter_;
    options_.filter.top_k = 3;
  }
  ~CSearch() override {
    partita_model_destroy(c_model_);
    partita_sampler_destroy(filter_);
  }

  static void expect_same(const partita_hypothesis& got, const Hypothesis& expected) {
    EXPECT_EQ(Sequence(got.tokens, got.tokens + got.length), expected.tokens);
    EXPECT_EQ(got.finished != 0, expected.finished);
    EXPECT_EQ(got.log_prob, expected.log_prob);
  }

  StatelessModel model_{{.vocabulary = 4}};
  partita_model* c_model_ = nullptr;
  partita_sampler* filter_ = nullptr;
  partita_search_options c_options_{5, 1, 0, nullptr};
  SearchOptions options_{.max_length = 5};
  Sequence prompt_{1, 2};
};

TEST_F(CSearch, StochasticBeamAndUniqueAreThoseOfCpp) {
  constexpr std::size_t kK = 6;
  partita_hypotheses* found = nullptr;
  ok(partita_stochastic_beam_search(c_model_, prompt_.data(), prompt_.size(), kK, &stream_,
                                    &c_options_, &found, &error_));
  const StochasticBeam beam = stochastic_beam_search(model_, prompt_, kK, Stream{9, 2}, options_);
  ASSERT_EQ(partita_hypotheses_size(found), kK);
  EXPECT_EQ(partita_hypotheses_threshold(found), beam.threshold);
  const partita_hypothesis* const data = partita_hypotheses_data(found);
  partita_unique* unique = nullptr;
  ok(partita_unique_create(c_model_, prompt_.data(), prompt_.size(), &stream_, &c_options_, &unique,
                           &error_));
  for (std::size_t i = 0; i < kK; ++i) {
    expect_same(data[i], beam.sequences[i]);
    EXPECT_EQ(data[i].perturbed, beam.sequences[i].perturbed);
    EXPECT_EQ(data[i].weight, beam.weights[i]);
    partita_hypothesis next{};
    ok(partita_unique_next(unique, &next, &error_));
    expect_same(next, beam.sequences[i]);
  }
  EXPECT_NEAR(partita_unique_threshold(unique), beam.threshold, 1e-12);
  partita_unique_destroy(unique);
  partita_hypotheses_destroy(found);
}

TEST_F(CSearch, SamplesAndBeamAreThoseOfCpp) {
  partita_hypotheses* found = nullptr;
  c_options_.threads = 2;
  ok(partita_ancestral_samples(c_model_, prompt_.data(), prompt_.size(), 50, &stream_, &c_options_,
                               &found, &error_));
  const auto samples = ancestral_samples(model_, prompt_, 50, Stream{9, 2}, options_);
  ASSERT_EQ(partita_hypotheses_size(found), samples.size());
  for (std::size_t i = 0; i < samples.size(); ++i) {
    expect_same(partita_hypotheses_data(found)[i], samples[i]);
    EXPECT_TRUE(std::isnan(partita_hypotheses_data(found)[i].perturbed));
  }
  partita_hypotheses_destroy(found);

  ok(partita_beam_search(c_model_, prompt_.data(), prompt_.size(), 4, 0.7, 1, &c_options_, &found,
                         &error_));
  const auto best = beam_search(model_, prompt_, 4, options_, {0.7, true});
  ASSERT_EQ(partita_hypotheses_size(found), best.size());
  for (std::size_t i = 0; i < best.size(); ++i) {
    expect_same(partita_hypotheses_data(found)[i], best[i]);
  }
  EXPECT_TRUE(std::isnan(partita_hypotheses_threshold(found)));
  partita_hypotheses_destroy(found);
}

}  // namespace
}  // namespace partita::testing
