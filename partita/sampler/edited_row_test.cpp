// SPDX-License-Identifier: Apache-2.0
// Draws from rows of which single tokens are edited.
#include <gtest/gtest.h>

#include <cmath>
#include <span>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/sampler/sampler_test_support.hpp"

namespace partita {
namespace {

using testing::kMinusInfinity;
using testing::normal_row;
using testing::p_value_of_draws;

// Tokens that stand apart from the row hold half of it, or nearly all.
TEST(Sample, EditedRowsHaveTheirDistribution) {
  const auto logits = normal_row(3000, 1, 5);
  const std::vector<float> row(logits.begin(), logits.end());
  for (const double raise : {6.5, 20.0}) {
    const std::vector<LogitBias> bias = {
        {9, raise}, {10, raise}, {2000, raise - 1}, {11, kMinusInfinity}};
    for (const double p : {1.0, 0.9}) {
      for (const auto order : {std::span(kDefaultOrder), std::span(kLlamaCppOrder)}) {
        const SamplerSettings s{.logit_bias = bias, .temperature = 0.9, .top_p = p, .order = order};
        EXPECT_GT(p_value_of_draws(row, s, 40000), kFalseAlarm) << raise << " " << p;
        SamplerSettings typical = s;
        typical.top_p = 1;
        typical.typical_p = p;
        EXPECT_GT(p_value_of_draws(row, typical, 40000), kFalseAlarm) << raise << " " << p;
      }
    }
  }
}

// A bad number is found where it is forbidden, and where it is edited.
TEST(Sample, EditsHideNoBadNumber) {
  std::vector<float> row(1000, 0.5F);
  row[600] = std::nanf("");
  std::vector<std::uint8_t> allowed(1000, 1);
  allowed[600] = 0;
  const std::vector<LogitBias> bias = {{600, kMinusInfinity}};
  for (const SamplerSettings& s :
       {SamplerSettings{.logit_bias = bias}, SamplerSettings{.allowed = allowed}}) {
    EXPECT_EQ(
        testing::message_of<InvalidArgument>([&] { sample(Rows(std::span(row)), s, Stream{1}); }),
        "logits: row 0: NaN at column 600");
  }
}

// The k-th category is a token whose edited logit no float holds, and which a float above it hides.
TEST(Sample, AnEditedLogitMayBeTheLastThatTopKKeeps) {
  std::vector<float> row(9000);
  for (std::size_t i = 0; i < row.size(); ++i) row[i] = 5 - 0.001F * static_cast<float>(i);
  const float last = row[39];
  const double step = std::nextafter(last, 6.0F) - last;
  const std::vector<LogitBias> bias = {{39, 0.6 * step}};
  const SamplerSettings s{.logit_bias = bias, .top_k = 40, .min_p = std::exp(-0.5)};
  EXPECT_EQ(sample_with_report(Rows(std::span(row)), s, Stream{1}).front().kept_count, 40);
}

}  // namespace
}  // namespace partita
