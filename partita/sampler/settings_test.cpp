// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/settings.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "partita/base/error.hpp"

namespace partita {
namespace {

std::string message(const SamplerSettings& settings) {
  try {
    settings.check(10);
  } catch (const InvalidArgument& error) {
    return error.what();
  }
  return "accepted";
}

TEST(SamplerSettings, RefusesWhatIsOutOfRangeByName) {
  const double nan = std::nan("");
  EXPECT_EQ(message({}), "accepted");
  EXPECT_EQ(message({.temperature = 0}), "temperature: expected a number in (0, inf), got 0");
  EXPECT_EQ(message({.temperature = nan}), "temperature: expected a number in (0, inf), got nan");
  EXPECT_EQ(message({.dynatemp_range = -1}),
            "dynatemp_range: expected a number in [0, inf), got -1");
  EXPECT_EQ(message({.top_p = 0}), "top_p: expected a number in (0, 1], got 0");
  EXPECT_EQ(message({.top_p = 1.5}), "top_p: expected a number in (0, 1], got 1.5");
  EXPECT_EQ(message({.min_p = -0.1}), "min_p: expected a number in [0, 1], got -0.1");
  EXPECT_EQ(message({.typical_p = nan}), "typical_p: expected a number in (0, 1], got nan");
  EXPECT_EQ(message({.top_h = 0}), "top_h: expected a number in (0, 1], got 0");
  EXPECT_EQ(message({.epsilon_cutoff = 1}), "epsilon_cutoff: expected a number in [0, 1), got 1");
  EXPECT_EQ(message({.eta_cutoff = -1}), "eta_cutoff: expected a number in [0, 1), got -1");
  EXPECT_EQ(message({.top_n_sigma = nan}), "top_n_sigma: expected a number in [0, inf), got nan");
  EXPECT_EQ(message({.repeat_penalty = 0}), "repeat_penalty: expected a number in (0, inf), got 0");
  EXPECT_EQ(message({.xtc_probability = 2}), "xtc_probability: expected a number in [0, 1], got 2");
  EXPECT_EQ(message({.mirostat = 3}), "mirostat: expected 0..2, got 3");
  EXPECT_EQ(message({.mirostat = 2}), "mirostat_state: mirostat needs a state, got none");
  EXPECT_EQ(message({.adaptive_target = 0.5}),
            "adaptive_state: adaptive_target needs a state, got none");
  EXPECT_EQ(message({.dry_base = 0.5}), "dry_base: expected a number in [1, inf), got 0.5");
}

TEST(SamplerSettings, RefusesTokensAndMasksOfAnotherVocabulary) {
  const std::vector<LogitBias> bias = {{10, 0}};
  EXPECT_EQ(message({.logit_bias = bias}), "logit_bias: expected 0..9 (tokens), got 10");
  const std::vector<LogitBias> infinite = {{1, std::numeric_limits<double>::infinity()}};
  EXPECT_EQ(message({.logit_bias = infinite}),
            "logit_bias: expected a number in [-inf, inf), got inf");
  const std::vector<std::int32_t> history = {1, -2};
  EXPECT_EQ(message({.history = history}), "history: expected 0..9 (tokens), got -2");
  const std::vector<std::uint8_t> allowed(9, 1);
  EXPECT_EQ(message({.allowed = allowed}), "allowed: expected 10 (one for each category), got 9");
  const SamplerStep twice[] = {SamplerStep::top_k, SamplerStep::top_p, SamplerStep::top_k};
  EXPECT_EQ(message({.order = twice}), "order: expected each step once, got top_k twice");
}

TEST(SamplerSettings, DefaultsDoNothing) {
  EXPECT_TRUE(SamplerSettings{}.is_identity());
  EXPECT_FALSE(SamplerSettings{.top_k = 1}.is_identity());
  const SamplerStep other[] = {SamplerStep::top_p};
  EXPECT_TRUE((SamplerSettings{.top_k = 1, .order = other}.is_identity()));
  EXPECT_TRUE((SamplerSettings{.top_k = 1, .order = other}.is_always_identity()));
}

TEST(SamplerSettings, WhatReadsTheHistoryDoesNothingWithoutOne) {
  EXPECT_TRUE(SamplerSettings{}.is_always_identity());
  for (const SamplerSettings& s :
       {SamplerSettings{.no_repeat_ngram = 3}, SamplerSettings{.repeat_penalty = 2},
        SamplerSettings{.presence_penalty = 1}, SamplerSettings{.dry_multiplier = 1}}) {
    EXPECT_TRUE(s.is_identity());
    EXPECT_FALSE(s.is_always_identity());
  }
  EXPECT_TRUE((SamplerSettings{.repeat_penalty = 2, .penalty_last_n = 0}.is_always_identity()));
}

TEST(SamplerSettings, OrdersHoldEveryStepOnce) {
  const std::set<SamplerStep> all(std::begin(kDefaultOrder), std::end(kDefaultOrder));
  EXPECT_EQ(all.size(), std::size(kDefaultOrder));
  EXPECT_EQ(all, (std::set<SamplerStep>(std::begin(kLlamaCppOrder), std::end(kLlamaCppOrder))));
  EXPECT_EQ(all.size(), std::size(kLlamaCppOrder));
  std::set<std::string> names;
  for (const SamplerStep step : all) names.emplace(name(step));
  EXPECT_EQ(names.size(), all.size());
}

}  // namespace
}  // namespace partita
