// SPDX-License-Identifier: Apache-2.0
// Draws from rows of which a filter keeps much before another step.
#include <gtest/gtest.h>

#include <vector>

#include "partita/random/goodness_of_fit.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/sampler/sampler_test_support.hpp"

namespace partita {
namespace {

using testing::normal_row;
using testing::p_value_of_draws;

// What the first filter leaves is a row for the second.
TEST(NarrowedRow, HasItsDistribution) {
  const auto logits = normal_row(6000, 0.7, 6);
  const std::vector<float> row(logits.begin(), logits.end());
  const SamplerSettings chains[] = {
      {.top_k = 4000, .top_p = 0.8},
      {.top_k = 4000},
      {.temperature = 1.2, .top_p = 0.9, .typical_p = 0.8},
      {.temperature = 0.8, .top_n_sigma = 3.5, .top_p = 0.9, .order = kLlamaCppOrder},
      {.top_p = 0.9, .typical_p = 0.9, .order = kLlamaCppOrder},
      {.dynatemp_range = 0.9, .dynatemp_exponent = 8},
      {.dynatemp_range = 0.9, .dynatemp_exponent = 8, .top_p = 0.8, .order = kLlamaCppOrder},
      {.xtc_probability = 1, .xtc_threshold = 0.0007},
      {.temperature = 0.5,
       .min_p = 0.02,
       .xtc_probability = 1,
       .xtc_threshold = 0.0007,
       .order = kLlamaCppOrder}};
  for (std::size_t i = 0; i < std::size(chains); ++i) {
    EXPECT_GT(p_value_of_draws(row, chains[i], 15000), kFalseAlarm) << i;
  }
}

// Neither copies nor strides, threads or formats of a row change what is drawn.
TEST(NarrowedRow, DependsOnNothingButItself) {
  constexpr std::size_t kColumns = 5000;
  std::vector<float> single;
  std::vector<bfloat16> brain;
  std::vector<float> reversed;
  for (const double z : normal_row(kColumns, 0.7, 8)) {
    brain.emplace_back(static_cast<float>(z));
    single.push_back(brain.back());
  }
  reversed.assign(single.rbegin(), single.rend());
  constexpr std::size_t kRows = 20;
  for (const SamplerSettings& s :
       {SamplerSettings{.top_k = 4000, .top_p = 0.8},
        SamplerSettings{.top_p = 0.9, .typical_p = 0.8}, SamplerSettings{.dynatemp_range = 0.5},
        SamplerSettings{.xtc_probability = 0.5, .xtc_threshold = 0.0007}}) {
    const auto drawn = sample(Rows(single.data(), kRows, kColumns, 0), s, Stream{4});
    EXPECT_EQ(sample(Rows(single.data(), kRows, kColumns, 0), s, Stream{4}, {.threads = 3}), drawn);
    EXPECT_EQ(sample(Rows(brain.data(), kRows, kColumns, 0), s, Stream{4}), drawn);
    EXPECT_EQ(sample(Rows(&reversed.back(), kRows, kColumns, 0, -1), s, Stream{4}), drawn);
    for (std::size_t r = 0; r < kRows; ++r) {
      EXPECT_EQ(sample(Rows(std::span(single)), s, {Stream{4}, r})[0], drawn[r]);
    }
  }
}

}  // namespace
}  // namespace partita
