// SPDX-License-Identifier: Apache-2.0
#include "partita/split/sample.hpp"

#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/sampler/sampler_test_support.hpp"
#include "partita/split/gumbel_top_k.hpp"
#include "partita/split/split_test_support.hpp"

namespace partita {
namespace {

using testing::on_ranks;
using testing::own_part;

constexpr Stream kStream{.seed = 5, .id = 3};

/// Every kind of row under every chain: a batch whose rows differ in everything.
struct Batch {
  std::vector<double> logits;
  std::vector<SamplerSettings> settings;
  std::vector<std::string> names;
};

void add(Batch& batch, const std::vector<testing::NamedSettings>& chains, std::size_t n) {
  for (const auto& [row_name, row] : testing::rows_of_all_kinds(n)) {
    for (const auto& [chain_name, settings] : chains) {
      batch.logits.insert(batch.logits.end(), row.begin(), row.end());
      batch.settings.push_back(settings);
      batch.names.push_back(row_name + ": " + chain_name);
    }
  }
}

std::vector<testing::NamedSettings> edits(std::size_t n) {
  static const std::vector<std::int32_t> history = {1, 2, 3, 0, 1, 2, 3, 0, 1, 2};
  static std::vector<LogitBias> bias;
  static std::vector<std::uint8_t> allowed;
  bias = {{0, 3.5}, {static_cast<std::int32_t>(n) - 1, -2}, {2, -5}};
  allowed.assign(n, 0);
  for (std::size_t i = 0; i < n; i += 3) allowed[i] = 1;
  return {
      {"bias", {.logit_bias = bias, .top_k = 5}},
      {"bias only", {.logit_bias = bias}},
      {"allowed", {.allowed = allowed, .temperature = 2, .top_p = 0.9}},
      {"penalties",
       {.history = history, .repeat_penalty = 1.5, .presence_penalty = 1, .top_p = 0.8}},
      {"DRY", {.history = history, .dry_multiplier = 2, .min_p = 0.01}},
      {"n-grams", {.history = history, .no_repeat_ngram = 2, .repeat_penalty = 2, .top_k = 9}},
      {"all of it",
       {.logit_bias = bias,
        .allowed = allowed,
        .history = history,
        .no_repeat_ngram = 1,
        .frequency_penalty = 0.3,
        .dry_multiplier = 1,
        .temperature = 0.8,
        .top_p = 0.9,
        .min_p = 0.02}},
      {"heated only", {.temperature = 0.5}},
  };
}

std::vector<TopKSample> on(int ranks, const Batch& batch, std::size_t n, std::size_t k,
                           std::vector<RowError>* errors = nullptr) {
  const std::size_t rows = batch.settings.size();
  return on_ranks(ranks, n, 64, [&](const SplitColumns& columns) {
    std::vector<RowError> own_errors;
    const TopKSample sample =
        sample_without_replacement(own_part(batch.logits, rows, columns), k, batch.settings,
                                   kStream, columns, {.threads = 2, .errors = &own_errors});
    if (errors != nullptr && columns.group().rank() == 0) *errors = own_errors;
    return sample;
  });
}

bool same_row(const TopKSample& a, const TopKSample& b, std::size_t row) {
  const std::size_t first = row * a.k;
  const auto same = [&](double x, double y) { return x == y || (std::isnan(x) && std::isnan(y)); };
  for (std::size_t i = first; i < first + a.k; ++i) {
    if (a.indices[i] != b.indices[i] || !same(a.perturbed[i], b.perturbed[i]) ||
        !same(a.log_prob[i], b.log_prob[i])) {
      return false;
    }
  }
  return same(a.threshold[row], b.threshold[row]) && same(a.log_sum_exp[row], b.log_sum_exp[row]);
}

bool is_filtered(const SamplerSettings& settings) {
  const auto changes_only_logits = [](SamplerStep step) {
    return step == SamplerStep::no_repeat_ngram || step == SamplerStep::penalties ||
           step == SamplerStep::dry || step == SamplerStep::temperature;
  };
  for (const SamplerStep step : settings.order) {
    if (settings.uses(step) && (!changes_only_logits(step) || settings.dynatemp_range > 0)) {
      return true;
    }
  }
  return false;
}

/// A limit that a rounding of the row's sums reaches: a shard's own sums round differently.
bool is_at_limit(const SamplerSettings& s) {
  constexpr double kAlmostAll = 1 - 0x1p-53;
  return s.top_p == kAlmostAll || s.typical_p == kAlmostAll || s.top_h == kAlmostAll;
}

// The filtered draw is that of the whole row; every draw is the same on all ranks, however many.
TEST(SplitSample, TheSameBitsAsOnOneRankAndAsOfWholeRows) {
  constexpr std::size_t kDrawn = 2;
  for (const std::size_t n : {5UL, 600UL}) {
    Batch batch;
    add(batch, testing::chains(n), n);
    add(batch, edits(n), n);
    add(batch, testing::extreme_temperatures(), n);
    const std::size_t rows = batch.settings.size();
    std::vector<RowError> errors;
    const TopKSample whole =
        sample_without_replacement(Rows(batch.logits.data(), rows, n), kDrawn, batch.settings,
                                   kStream, {.threads = 2, .errors = &errors});
    std::vector<RowError> one_errors;
    const TopKSample one = on(1, batch, n, kDrawn, &one_errors).front();
    ASSERT_EQ(one_errors.size(), errors.size());
    for (std::size_t i = 0; i < errors.size(); ++i) {
      EXPECT_EQ(one_errors[i].row, errors[i].row);
      if (is_filtered(batch.settings[errors[i].row])) {
        EXPECT_EQ(one_errors[i].reason, errors[i].reason);
      }
    }
    std::size_t compared = 0;
    for (std::size_t row = 0; row < rows; ++row) {
      if (!is_filtered(batch.settings[row]) || is_at_limit(batch.settings[row])) continue;
      EXPECT_TRUE(same_row(one, whole, row)) << n << ' ' << batch.names[row];
      ++compared;
    }
    EXPECT_GT(compared, rows * 3 / 4);
    for (const int ranks : {2, 3}) {
      for (const TopKSample& each : on(ranks, batch, n, kDrawn)) {
        for (std::size_t row = 0; row < rows; ++row) {
          EXPECT_TRUE(same_row(each, one, row)) << ranks << ' ' << batch.names[row];
        }
      }
    }
  }
}

TEST(SplitSample, TheSameBitsOnARankForEachShard) {
  constexpr std::size_t kColumns = 100;
  Batch batch;
  add(batch, edits(kColumns), kColumns);
  const TopKSample one = on(1, batch, kColumns, 1).front();
  for (const TopKSample& each : on(64, batch, kColumns, 1)) {
    for (std::size_t row = 0; row < batch.names.size(); ++row) {
      EXPECT_TRUE(same_row(each, one, row)) << batch.names[row];
    }
  }
}

TEST(SplitSample, UnfilteredRowsAreThoseOfGumbelTopK) {
  constexpr std::size_t kColumns = 3000;
  const auto z = testing::normal_logits(2, kColumns, 3);
  std::vector<double> heated(z.begin(), z.end());
  const double max = *std::max_element(heated.begin(), heated.begin() + kColumns);
  for (std::size_t i = 0; i < kColumns; ++i) heated[i] = (heated[i] - max) / 1.5;
  const std::vector<SamplerSettings> settings = {{.temperature = 1.5}, {}};
  const SplitColumns columns(kColumns);
  const auto drawn =
      sample_without_replacement({z.data(), 2, kColumns}, 7, settings, kStream, columns);
  const auto expected = gumbel_top_k({heated.data(), 2, kColumns}, 7, kStream, columns);
  EXPECT_EQ(drawn.indices, expected.indices);
  EXPECT_EQ(drawn.perturbed, expected.perturbed);
  EXPECT_EQ(drawn.log_prob, expected.log_prob);
}

// Only a rank that sees all columns knows that all of them are forbidden.
TEST(SplitSample, OneTokenStaysIfAllOfTheRowWouldComplete) {
  const std::vector<double> z = {0.5, 2, -1, 1.5};
  const std::vector<std::int32_t> history = {0, 1, 2, 3};
  const SamplerSettings settings{
      .history = history, .no_repeat_ngram = 1, .repeat_penalty = 4, .top_p = 0.9};
  const auto whole = sample_without_replacement({z.data(), 1, 4}, 1, settings, kStream);
  ASSERT_EQ(whole.indices[0], 1);
  ASSERT_DOUBLE_EQ(whole.log_sum_exp[0], 0.5);
  for (const TopKSample& each : on_ranks(4, 4, 4, [&](const SplitColumns& columns) {
         return sample_without_replacement(own_part(z, 1, columns), 1, settings, kStream, columns);
       })) {
    EXPECT_TRUE(same_row(each, whole, 0));
  }
}

TEST(SplitSample, BadRowsFailAloneAndOnEveryRank) {
  constexpr std::size_t kColumns = 90;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  std::vector<float> z(4 * kColumns, 0);
  z[kColumns + 70] = kInf;
  for (std::size_t i = 0; i < kColumns; ++i) z[2 * kColumns + i] = -kInf;
  const std::vector<LogitBias> bias = {{3, 1.0}};
  const std::vector<SamplerSettings> settings = {
      {.top_k = 3}, {.logit_bias = bias, .top_p = 0.5}, {.min_p = 0.1}, {.top_p = 1.5}};
  on_ranks(3, kColumns, 16, [&](const SplitColumns& columns) {
    std::vector<RowError> errors;
    const auto s = sample_without_replacement(own_part(z, 4, columns), 2, settings, kStream,
                                              columns, {.errors = &errors});
    EXPECT_EQ(errors.size(), 3U);
    if (errors.size() != 3) return 0;
    EXPECT_EQ(errors[0].reason, "+inf at column 70");
    EXPECT_EQ(errors[1].reason, "every category is impossible (all -inf)");
    EXPECT_EQ(errors[2].reason, "expected a number in (0, 1], got 1.5");
    EXPECT_GE(s.indices[0], 0);
    EXPECT_EQ(s.indices[2], -1);
    return 0;
  });
}

}  // namespace
}  // namespace partita
