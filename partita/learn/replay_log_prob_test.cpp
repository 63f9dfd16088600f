// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/replay_log_prob.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/rows.hpp"

namespace partita {
namespace {

using partita::testing::message_of;
using ::testing::HasSubstr;

constexpr std::int64_t kRows = 6;
constexpr std::int64_t kCategories = 30;

Tensor logits() {
  const Random random(Stream{.seed = 3});
  return random.normal({kRows, kCategories}, at::kDouble) * 2;
}

const std::vector<std::int32_t> kHistory = {3, 7, 3, 11, 7, 3};
const std::vector<LogitBias> kBias = {{5, 0.7}, {9, -1.2}};
constexpr SamplerStep kPenaltiesLast[] = {SamplerStep::dry, SamplerStep::temperature,
                                          SamplerStep::penalties, SamplerStep::top_k};

std::vector<SamplerSettings> variants() {
  return {{},
          {.temperature = 0.7},
          {.temperature = 1.3, .top_k = 8},
          {.temperature = 0.8, .top_p = 0.9, .min_p = 0.01},
          {.typical_p = 0.8, .xtc_probability = 0.5},
          {.logit_bias = kBias,
           .history = kHistory,
           .repeat_penalty = 1.4,
           .frequency_penalty = 0.2,
           .top_k = 12},
          {.logit_bias = kBias,
           .history = kHistory,
           .repeat_penalty = 1.4,
           .dry_multiplier = 5,
           .temperature = 0.6,
           .top_k = 20,
           .order = kPenaltiesLast},
          {.temperature = 1.5, .min_k = 3},
          {.temperature = 2, .top_n_sigma = 1.5, .order = kLlamaCppOrder}};
}

std::vector<double> light(const Tensor& z, const std::vector<std::int64_t>& tokens,
                          const SamplerSettings& settings, const Stream& stream) {
  return replay_log_prob(rows_of(z), tokens, settings, stream);
}

TEST(ReplayLogProb, HasTheOthersValuesAndTheirDerivatives) {
  const Stream stream{.seed = 8};
  for (const SamplerSettings& settings : variants()) {
    const Tensor z = logits().set_requires_grad(true);
    const std::vector<std::int64_t> tokens = sample(rows_of(z.detach()), settings, stream);
    const Tensor log_prob = replay_log_prob(z, tokens, settings, stream);
    EXPECT_EQ(to_vector(log_prob), light(z.detach(), tokens, settings, stream));
    log_prob.sum().backward();
    // Each row's gradient by central differences; what is kept does not change over 1e-6 here.
    constexpr double kStep = 1e-6;
    for (std::int64_t r = 0; r < kRows; ++r) {
      for (std::int64_t i = 0; i < kCategories; ++i) {
        const auto at_offset = [&](double offset) {
          Tensor moved = z.detach().clone();
          moved[r][i] += offset;
          return light(moved, tokens, settings, stream)[static_cast<std::size_t>(r)];
        };
        EXPECT_NEAR(z.grad()[r][i].item<double>(),
                    (at_offset(kStep) - at_offset(-kStep)) / (2 * kStep), 1e-8)
            << r << " " << i;
      }
    }
  }
}

TEST(ReplayLogProb, TheRatioOfAPolicyWithItselfIsOneAndItsScoreAveragesToZero) {
  const SamplerSettings settings{.temperature = 0.8, .top_p = 0.9};
  const Tensor z = logits().slice(0, 0, 1).to(at::kFloat);
  Tensor score = at::zeros({kCategories}, at::kDouble);
  for (std::int64_t token = 0; token < kCategories; ++token) {
    const Tensor leaf = z.clone().set_requires_grad(true);
    const std::vector<std::int64_t> tokens = {token};
    const Tensor log_prob = replay_log_prob(leaf, tokens, settings, Stream{});
    const Tensor again = replay_log_prob(leaf, tokens, settings, Stream{});
    if (std::isinf(log_prob.item<double>())) {
      log_prob.sum().backward();
      EXPECT_EQ(leaf.grad().abs().sum().item<double>(), 0);
      continue;
    }
    EXPECT_EQ((log_prob - again).exp().item<double>(), 1);
    log_prob.sum().backward();
    score += log_prob.detach().exp() * leaf.grad()[0].to(at::kDouble);
  }
  EXPECT_LT(score.abs().max().item<double>(), 1e-6);
}

TEST(ReplayLogProb, RefusesWhatHasNoSuchGradient) {
  const std::vector<std::int64_t> tokens(kRows, 0);
  const auto message = [&](const SamplerSettings& settings) {
    return message_of<InvalidArgument>(
        [&] { replay_log_prob(logits(), tokens, settings, Stream{}); });
  };
  EXPECT_THAT(message({.dynatemp_range = 0.5}), HasSubstr("dynatemp_range: row 0: expected"));
  AdaptiveState state;
  EXPECT_THAT(message({.adaptive_target = 0.3, .adaptive_state = &state}),
              HasSubstr("adaptive_target: row 0: expected"));
  EXPECT_THAT(message({.top_p = 2}), HasSubstr("top_p: row 0: expected"));
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                replay_log_prob(logits(), std::vector<std::int64_t>(2), SamplerSettings{},
                                Stream{});
              }),
              HasSubstr("tokens: expected 6 (one for each row), got 2"));
}

}  // namespace
}  // namespace partita
