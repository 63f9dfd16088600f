// SPDX-License-Identifier: Apache-2.0
// Draws from long rows without a filter, which look at the largest logit of each cell of 32 first.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <string>
#include <vector>

#include "partita/random/goodness_of_fit.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/sampler/sampler_test_support.hpp"

namespace partita {
namespace {

using testing::filtered_distribution;
using testing::kMinusInfinity;
using testing::normal_row;

constexpr std::size_t kColumns = 20011;
constexpr std::size_t kDraws = 40000;

std::vector<float> floats(const std::vector<double>& row) { return {row.begin(), row.end()}; }

struct NamedRow {
  std::string name;
  std::vector<float> logits;
};

std::vector<NamedRow> long_rows() {
  std::vector<NamedRow> rows = {{"flat", std::vector<float>(kColumns, -3)},
                                {"normal 1", floats(normal_row(kColumns, 1, 1))},
                                {"normal 4", floats(normal_row(kColumns, 4, 2))}};
  std::vector<float> row(kColumns, -10);
  // Rejection fails 64 times where of every cell (32 places, 16 apart) one alone has weight.
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (i / 16 % 32 == i % 7) row[i] = 0;
  }
  rows.push_back({"one in each cell", row});
  row.assign(kColumns, 0);
  row[12345] = 10;
  rows.push_back({"one beside the others", row});
  row = floats(normal_row(kColumns, 2, 3));
  for (std::size_t i = 0; i < kColumns; ++i) {
    if (i % 1000 > 3) row[i] = static_cast<float>(kMinusInfinity);
  }
  rows.push_back({"mostly impossible", row});
  for (std::size_t i = 0; i < kColumns; ++i) row[i] = -std::log(1 + static_cast<float>(i));
  rows.push_back({"Zipf", row});
  return rows;
}

/// By categories, and by classes that show what single ones hide: 40 of equal probability, from the
/// likeliest down, and the 32 places of a cell. The least of three p-values.
double p_value(Rows repeated, const std::vector<double>& logits, const SamplerSettings& settings) {
  std::vector<double> observed(logits.size());
  for (const std::int64_t i : sample(repeated, settings, Stream{.seed = 12})) {
    observed[static_cast<std::size_t>(i)] += 1;
  }
  std::vector<double> expected = filtered_distribution(logits, settings);
  std::vector<std::size_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t i, std::size_t j) { return expected[i] > expected[j]; });
  std::vector<double> likely_observed(40);
  std::vector<double> likely_expected(40);
  std::vector<double> place_observed(32);
  std::vector<double> place_expected(32);
  double before = 0;
  for (const std::size_t i : order) {
    const auto likely = std::min(static_cast<std::size_t>(40 * before), std::size_t{39});
    before += expected[i];
    expected[i] *= kDraws;
    likely_observed[likely] += observed[i];
    likely_expected[likely] += expected[i];
    place_observed[i / 16 % 32] += observed[i];
    place_expected[i / 16 % 32] += expected[i];
  }
  return std::min({chi_square_p_value(observed, expected),
                   chi_square_p_value(likely_observed, likely_expected),
                   chi_square_p_value(place_observed, place_expected)});
}

TEST(LongRow, HasItsDistribution) {
  constexpr LogitBias kBias[] = {{5, 9}, {12345, -2}, {20010, 4}, {7, kMinusInfinity}};
  for (const NamedRow& row : long_rows()) {
    const std::vector<double> logits(row.logits.begin(), row.logits.end());
    for (const SamplerSettings& s : {SamplerSettings{}, SamplerSettings{.temperature = 0.6},
                                     SamplerSettings{.logit_bias = kBias, .temperature = 1.7}}) {
      EXPECT_GT(p_value(Rows(row.logits.data(), kDraws, kColumns, 0), logits, s), kFalseAlarm)
          << row.name << ", temperature " << s.temperature;
      EXPECT_GT(p_value(Rows(logits.data(), kDraws, kColumns, 0), logits, s), kFalseAlarm)
          << row.name << " in double, temperature " << s.temperature;
    }
  }
}

TEST(LongRow, TheTestSeesASlightlyWrongTemperature) {
  const auto logits = normal_row(kColumns, 4, 2);
  const std::vector<float> row = floats(logits);
  std::vector<double> warmer = logits;
  for (double& z : warmer) z /= 1.03;
  EXPECT_LT(p_value(Rows(row.data(), kDraws, kColumns, 0), warmer, {}), kFalseAlarm);
}

TEST(LongRow, DependsOnNothingButItself) {
  std::vector<float> single;
  std::vector<bfloat16> brain;
  for (const double z : normal_row(kColumns, 2, 4)) {
    brain.emplace_back(static_cast<float>(z));
    single.push_back(brain.back());
  }
  const std::vector<float> reversed(single.rbegin(), single.rend());
  constexpr std::size_t kRows = 50;
  const SamplerSettings s{.temperature = 0.9};
  const auto drawn = sample(Rows(single.data(), kRows, kColumns, 0), s, Stream{.seed = 4});
  EXPECT_EQ(sample(Rows(single.data(), kRows, kColumns, 0), s, Stream{.seed = 4}, {.threads = 3}),
            drawn);
  EXPECT_EQ(sample(Rows(brain.data(), kRows, kColumns, 0), s, Stream{.seed = 4}), drawn);
  EXPECT_EQ(sample(Rows(&reversed.back(), kRows, kColumns, 0, -1), s, Stream{.seed = 4}), drawn);
}

TEST(LongRow, AtExtremeTemperatures) {
  const auto logits = normal_row(kColumns, 2, 4);
  const std::vector<float> row = floats(logits);
  const auto likeliest = std::max_element(row.begin(), row.end()) - row.begin();
  for (const double t : {1e-5, 1e-42, 5e-324}) {
    EXPECT_EQ(sample(Rows(row.data(), 1, kColumns), SamplerSettings{.temperature = t}, Stream{1}),
              std::vector<std::int64_t>{likeliest});
  }
  EXPECT_GT(p_value(Rows(row.data(), kDraws, kColumns, 0), logits, {.temperature = 1e300}),
            kFalseAlarm);
}

}  // namespace
}  // namespace partita
