// SPDX-License-Identifier: Apache-2.0
#include "partita/llama/llama_sampler.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <llama.h>

#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/sampler/sample.hpp"

namespace partita::testing {
namespace {

constexpr std::size_t kVocabulary = 50;

struct Free {
  void operator()(llama_sampler* sampler) const { llama_sampler_free(sampler); }
};
using Chain = std::unique_ptr<llama_sampler, Free>;

/// A chain that ends with ours.
Chain chain_of(const std::vector<llama_sampler*>& before, llama_sampler* ours) {
  Chain chain(llama_sampler_chain_init(llama_sampler_chain_default_params()));
  for (llama_sampler* const each : before) llama_sampler_chain_add(chain.get(), each);
  llama_sampler_chain_add(chain.get(), ours);
  return chain;
}

std::vector<float> logits_of(std::uint64_t step) {
  std::vector<float> row(kVocabulary);
  for (std::size_t i = 0; i < row.size(); ++i) {
    row[i] = static_cast<float>(2 * Stream{7, step}.normal(i));
  }
  return row;
}

/// The token that a chain chooses, as llama_sampler_sample() does it.
llama_token choose(llama_sampler* chain, const std::vector<float>& row) {
  std::vector<llama_token_data> data;
  for (std::size_t i = 0; i < row.size(); ++i) {
    data.push_back({static_cast<llama_token>(i), row[i], 0});
  }
  llama_token_data_array candidates{data.data(), data.size(), -1, false};
  llama_sampler_apply(chain, &candidates);
  if (candidates.selected < 0) return -1;
  const llama_token token = candidates.data[candidates.selected].id;
  llama_sampler_accept(chain, token);
  return token;
}

TEST(LlamaSampler, ChoosesWhatSampleDraws) {
  const std::vector<std::int32_t> prompt{3, 4, 5};
  SamplerSettings settings{
      .history = prompt, .repeat_penalty = 1.3, .temperature = 1.4, .top_k = 9};
  const Stream stream{.seed = 5};
  const Chain chain = chain_of({}, make_llama_sampler(kVocabulary, settings, stream));
  std::vector<std::int32_t> text = prompt;
  for (std::uint64_t step = 0; step < 40; ++step) {
    const std::vector<float> row = logits_of(step);
    settings.history = text;
    const Stream child = stream.child(step);
    const auto expected = sample(Rows(std::span<const float>(row)), settings, std::span(&child, 1));
    ASSERT_EQ(choose(chain.get(), row), expected[0]) << step;
    text.push_back(static_cast<std::int32_t>(expected[0]));
  }
}

TEST(LlamaSampler, MirostatGoesOnFromItsState) {
  MirostatState state{.mu = 4};
  const SamplerSettings settings{.mirostat = 2, .mirostat_state = &state};
  const Stream stream{.seed = 6};
  const Chain chain = chain_of({}, make_llama_sampler(kVocabulary, settings, stream));
  for (std::uint64_t step = 0; step < 20; ++step) {
    const std::vector<float> row = logits_of(step);
    const llama_token token = choose(chain.get(), row);
    const Stream child = stream.child(step);
    ASSERT_EQ(token, sample(Rows(std::span<const float>(row)), settings, std::span(&child, 1))[0]);
  }
}

TEST(LlamaSampler, ResetBeginsAgainAndACloneGoesOnByItself) {
  const SamplerSettings settings{.repeat_penalty = 1.5, .top_p = 0.9};
  const Chain chain = chain_of({}, make_llama_sampler(kVocabulary, settings, {.seed = 8}));
  std::vector<llama_token> first;
  for (std::uint64_t step = 0; step < 10; ++step)
    first.push_back(choose(chain.get(), logits_of(0)));
  const Chain clone(llama_sampler_clone(chain.get()));
  std::vector<llama_token> after;
  for (std::uint64_t step = 0; step < 10; ++step)
    after.push_back(choose(chain.get(), logits_of(0)));
  llama_sampler_reset(chain.get());
  for (const llama_token token : first) EXPECT_EQ(choose(chain.get(), logits_of(0)), token);
  for (const llama_token token : after) EXPECT_EQ(choose(clone.get(), logits_of(0)), token);
  EXPECT_NE(first, after);
}

/// llama.cpp's top-k before it, which sorts and shortens the candidates: p is that of what is left.
TEST(LlamaSampler, TheLawBehindASamplerOfLlamaCpp) {
  const std::vector<float> row = logits_of(3);
  const Chain chain = chain_of({llama_sampler_init_top_k(4), llama_sampler_init_temp(0.5F)},
                               make_llama_sampler(kVocabulary, {}, {.seed = 9}));
  constexpr std::size_t kDraws = 20000;
  std::vector<double> observed(kVocabulary);
  for (std::size_t i = 0; i < kDraws; ++i) {
    observed[static_cast<std::size_t>(choose(chain.get(), row))] += 1;
  }
  std::vector<float> sorted = row;
  std::sort(sorted.rbegin(), sorted.rend());
  std::vector<double> expected(kVocabulary);
  double sum = 0;
  for (std::size_t i = 0; i < kVocabulary; ++i) {
    if (row[i] >= sorted[3]) sum += expected[i] = std::exp(2.0 * (row[i] - sorted[0]));
  }
  for (double& e : expected) e *= kDraws / sum;
  EXPECT_GT(chi_square_p_value(observed, expected), 1e-6);
}

TEST(LlamaSampler, WhatCannotBeChosen) {
  EXPECT_THAT(message_of<InvalidArgument>(
                  [] { llama_sampler_free(make_llama_sampler(kVocabulary, {.top_p = 2}, {})); }),
              ::testing::HasSubstr("top_p"));
  const Chain chain = chain_of({}, make_llama_sampler(kVocabulary, {}, {.seed = 1}));
  std::vector<float> row = logits_of(1);
  row[3] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_EQ(choose(chain.get(), row), -1);
}

}  // namespace
}  // namespace partita::testing
