// SPDX-License-Identifier: Apache-2.0
// The fast chain keeps exactly what the plain one keeps, logits and all, wherever the cut falls.
#include "partita/sampler/internal/row_sampler.hpp"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <random>
#include <string>
#include <vector>

#include "partita/sampler/sampler_test_support.hpp"
#include "targets.hpp"

namespace partita::sampler {
namespace {

using testing::chains;
using testing::kMinusInfinity;
using testing::NamedSettings;
using testing::possible;
using testing::rows_of_all_kinds;

void expect_same(const std::vector<double>& row, const NamedSettings& chain, Rows logits,
                 RowSampler& sampler) {
  SCOPED_TRACE(chain.name);
  std::vector<double> plain = row;
  apply_settings(chain.settings, {7, 7}, plain);
  sampler.reset(logits, 0, chain.settings, {7, 7});
  const std::int64_t drawn = sampler.draw();  // whatever way it goes, it must be of what is kept
  const Candidates& kept = sampler.kept();
  const auto ids = possible(plain);
  ASSERT_EQ(kept.ids, ids);
  ASSERT_FALSE(ids.empty());
  for (std::size_t i = 0; i < ids.size(); ++i) {
    ASSERT_EQ(kept.logits[i], plain[static_cast<std::size_t>(ids[i])]) << "category " << ids[i];
  }
  EXPECT_TRUE(std::binary_search(ids.begin(), ids.end(), drawn));
  sampler.reset(logits, 0, chain.settings, {7, 7});  // the same if nothing is drawn before
  ASSERT_EQ(sampler.kept().ids, ids);
}

/// The row in a format, and the numbers that it holds there.
template <class E>
void expect_same_in(const std::vector<double>& row, const NamedSettings& chain,
                    RowSampler& sampler) {
  std::vector<E> elements;
  std::vector<double> held;
  for (const double z : row) {
    elements.emplace_back(static_cast<E>(static_cast<float>(z)));
    held.push_back(static_cast<double>(elements.back()));
  }
  expect_same(held, chain, Rows(std::span<const E>(elements)), sampler);
}

class RowSamplerTest : public ::testing::TestWithParam<std::size_t> {};

TEST_P(RowSamplerTest, KeepsWhatThePlainChainKeeps) {
  const std::size_t n = GetParam();
  RowSampler sampler;
  for (const auto& [name, row] : rows_of_all_kinds(n)) {
    SCOPED_TRACE(name);
    const std::vector<float> single(row.begin(), row.end());
    for (const NamedSettings& chain : chains(n)) {
      expect_same(row, chain, Rows(std::span(single)), sampler);
      expect_same(row, chain, Rows(std::span(row)), sampler);
      if (HasFatalFailure()) return;
    }
  }
}

TEST_P(RowSamplerTest, KeepsWhatThePlainChainKeepsInSixteenBits) {
  const std::size_t n = GetParam();
  RowSampler sampler;
  for (const auto& [name, logits] : rows_of_all_kinds(n, 5)) {
    SCOPED_TRACE(name);
    std::vector<bfloat16> brain;
    std::vector<float16> half;
    std::vector<double> brain_row;
    std::vector<double> half_row;
    for (const double z : logits) {
      brain.emplace_back(static_cast<float>(z));
      half.emplace_back(static_cast<float>(z));
      brain_row.push_back(static_cast<float>(brain.back()));
      half_row.push_back(static_cast<float>(half.back()));
    }
    for (const NamedSettings& chain : chains(n)) {
      expect_same(brain_row, chain, Rows(std::span(brain)), sampler);
      expect_same(half_row, chain, Rows(std::span(half)), sampler);
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, RowSamplerTest, ::testing::Values(1, 2, 17, 512, 1000, 9000));

TEST(RowSampler, AtExtremeTemperatures) {
  RowSampler sampler;
  for (const auto& [name, row] : rows_of_all_kinds(5000)) {
    SCOPED_TRACE(name);
    for (const NamedSettings& chain : testing::extreme_temperatures()) {
      expect_same_in<float>(row, chain, sampler);
      expect_same_in<double>(row, chain, sampler);
      expect_same_in<bfloat16>(row, chain, sampler);
      if (HasFatalFailure()) return;
    }
  }
}

// p equal to a mass of the row to the last bit, and next to it on both sides.
TEST(RowSampler, CutsAtTheLastBit) {
  RowSampler sampler;
  for (const auto& [name, row] : rows_of_all_kinds(3000, 3)) {
    SCOPED_TRACE(name);
    std::vector<double> sorted = row;
    std::sort(sorted.rbegin(), sorted.rend());
    CompensatedSum total;
    for (const double z : row) total.add(std::exp(z - sorted[0]));
    CompensatedSum mass;
    const std::vector<float> single(row.begin(), row.end());
    for (std::size_t i = 0; i + 1 < sorted.size(); ++i) {
      mass.add(std::exp(sorted[i] - sorted[0]));
      if (i > 4 && i % 601 != 0) continue;
      const double p = mass.value() / total.value();
      for (const double near : {std::nextafter(p, 0), p, std::nextafter(p, 2)}) {
        if (!(near > 0) || near >= 1) continue;
        for (const SamplerSettings& s :
             {SamplerSettings{.top_p = near}, SamplerSettings{.typical_p = near},
              SamplerSettings{.epsilon_cutoff = near}, SamplerSettings{.top_h = near}}) {
          expect_same(row, {"p = " + std::to_string(near), s}, Rows(std::span(single)), sampler);
        }
      }
      const double ratio = std::exp(sorted[i] - sorted[0]);
      if (ratio > 0) {
        expect_same(row, {"min_p", {.min_p = ratio}}, Rows(std::span(single)), sampler);
      }
      if (HasFatalFailure()) return;
    }
  }
}

// At the cut of a long nucleus a float sum cannot tell categories apart.
TEST(RowSampler, CutsInACrowd) {
  RowSampler sampler;
  const auto row = testing::normal_row(50000, 1, 11);
  const std::vector<float> single(row.begin(), row.end());
  std::mt19937_64 random(2);
  std::uniform_real_distribution<double> uniform(0.2, 1);
  for (int i = 0; i < 20; ++i) {
    const double p = uniform(random);
    expect_same(row, {"top_p " + std::to_string(p), {.top_p = p}}, Rows(std::span(single)),
                sampler);
    expect_same(row, {"typical " + std::to_string(p), {.typical_p = p}}, Rows(std::span(single)),
                sampler);
    expect_same(row, {"epsilon", {.epsilon_cutoff = p * 1e-4}}, Rows(std::span(single)), sampler);
    expect_same(row, {"eta", {.eta_cutoff = p * 1e-4}}, Rows(std::span(single)), sampler);
    expect_same(row, {"top_h " + std::to_string(p), {.top_h = p}}, Rows(std::span(single)),
                sampler);
  }
}

// Pairs of filters that keep much: the first one's cut is found by passes over the row.
TEST(RowSampler, OneFilterAfterTheOtherInACrowd) {
  constexpr std::size_t kCategories = 30000;
  RowSampler sampler;
  std::vector<double> tied = testing::normal_row(kCategories, 1, 12);
  for (double& z : tied) z = std::round(z * 16) / 16;
  const std::vector<std::vector<double>> rows = {testing::normal_row(kCategories, 1, 11),
                                                 testing::normal_row(kCategories, 2, 13), tied,
                                                 testing::crowded_row(kCategories, 14)};
  std::mt19937_64 random(3);
  std::uniform_real_distribution<double> uniform(0.5, 1);
  for (const auto& row : rows) {
    for (int i = 0; i < 4; ++i) {
      const double p = uniform(random);
      const double q = uniform(random);
      const auto k = static_cast<std::size_t>(q * kCategories);
      for (NamedSettings chain : std::initializer_list<NamedSettings>{
               {"top_k, top_p", {.top_k = k, .top_p = p}},
               {"top_k, typical", {.top_k = k, .typical_p = p}},
               {"top_p, typical", {.top_p = q, .typical_p = p}},
               {"top_p, epsilon", {.top_p = q, .epsilon_cutoff = p * 1e-4}},
               {"top_p, eta", {.top_p = q, .eta_cutoff = p * 1e-4}},
               {"top_n_sigma, top_p", {.top_n_sigma = 4 * q, .top_p = p}},
               {"min_p, typical", {.min_p = 0.02 * q, .typical_p = p}},
               {"typical, top_p", {.top_p = q, .typical_p = p, .order = kLlamaCppOrder}},
               {"typical, min_p", {.min_p = 0.01, .typical_p = p, .order = kLlamaCppOrder}},
               {"top_k", {.top_k = k}},
               {"top_k, top_p, min_p, typical",
                {.top_k = k, .top_p = p, .min_p = 0.01 * q, .typical_p = 0.95}}}) {
        SCOPED_TRACE(p);
        SCOPED_TRACE(q);
        expect_same_in<float>(row, chain, sampler);
        expect_same_in<double>(row, chain, sampler);
        chain.settings.temperature = 1.3;
        expect_same_in<bfloat16>(row, chain, sampler);
        chain.settings.order = kLlamaCppOrder;
        expect_same_in<float>(row, chain, sampler);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Every instruction set keeps the same; those that have FMA also draw the same.
TEST(RowSampler, OnEveryInstructionSet) {
  std::vector<std::int64_t> drawn_by_avx2;
  for (const std::int64_t target : testing::targets()) {
    const testing::OnTarget on(target);
    RowSampler sampler;
    std::vector<std::int64_t> drawn;
    for (const auto& [name, row] : rows_of_all_kinds(2600, 13)) {
      SCOPED_TRACE(name);
      const std::vector<float> single(row.begin(), row.end());
      for (const NamedSettings& chain : chains(2600)) {
        expect_same(row, chain, Rows(std::span(single)), sampler);
        if (HasFatalFailure()) return;
        sampler.reset(Rows(std::span(single)), 0, chain.settings, {8, 8});
        drawn.push_back(sampler.draw());
      }
    }
    if (target == HWY_AVX2) drawn_by_avx2 = drawn;
    if (target == HWY_AVX3) {
      EXPECT_EQ(drawn, drawn_by_avx2);
    }
  }
}

TEST(RowSampler, MirostatKeepsWhatThePlainChainKeeps) {
  RowSampler sampler;
  for (const auto& [name, row] : rows_of_all_kinds(5000, 9)) {
    SCOPED_TRACE(name);
    const std::vector<float> single(row.begin(), row.end());
    for (const int version : {1, 2}) {
      for (const double mu : {0.0, 1.0, 5.0, 9.5, 14.0, 30.0}) {
        MirostatState state{mu};
        const SamplerSettings s{.temperature = 0.9, .mirostat = version, .mirostat_state = &state};
        expect_same(row, {"mu = " + std::to_string(mu), s}, Rows(std::span(single)), sampler);
        if (HasFatalFailure()) return;
      }
    }
  }
}

// Under every chain: edits that become the largest, remove the largest, are far down, are equal to
// others; in all formats; with and without a mask.
TEST(RowSampler, EveryChainAfterEdits) {
  constexpr std::size_t kCategories = 2300;
  RowSampler sampler;
  std::vector<std::uint8_t> allowed(kCategories, 1);
  for (std::size_t i = 1; i < kCategories; i += 2) allowed[i] = 0;
  for (const auto& [name, row] : rows_of_all_kinds(kCategories, 17)) {
    SCOPED_TRACE(name);
    const auto largest = std::max_element(row.begin(), row.end());
    const auto top = static_cast<std::int32_t>(largest - row.begin());
    const std::vector<LogitBias> bias = {
        {7, 0.1},    {2299, -0.3},          {8, *largest - row[8] + 1.7},
        {top, -2.1}, {300, kMinusInfinity}, {301, -1e5}};
    if (row[8] == kMinusInfinity) continue;
    for (NamedSettings chain : chains(kCategories)) {
      chain.settings.logit_bias = bias;
      expect_same_in<float>(row, chain, sampler);
      expect_same_in<double>(row, chain, sampler);
      if (HasFatalFailure()) return;
      chain.settings.allowed = allowed;
      expect_same_in<bfloat16>(row, chain, sampler);
      expect_same_in<float>(row, chain, sampler);
      if (HasFatalFailure()) return;
    }
  }
}

// What the edits leave is all that is possible; no_repeat_ngram forbids all of it.
TEST(RowSampler, EditsOfAllThatIsPossible) {
  RowSampler sampler;
  std::vector<double> row(1200, kMinusInfinity);
  row[5] = 1;
  row[600] = 2;
  row[1199] = 2;
  const std::vector<LogitBias> bias = {{5, 4}, {600, 0.1}, {1199, 0.1}};
  const std::vector<std::int32_t> history = {5, 600, 1199};
  for (NamedSettings chain : chains(row.size())) {
    chain.settings.logit_bias = bias;
    expect_same_in<float>(row, chain, sampler);
    chain.settings.history = history;
    chain.settings.no_repeat_ngram = 1;
    expect_same_in<float>(row, chain, sampler);
    expect_same_in<double>(row, chain, sampler);
    if (HasFatalFailure()) return;
  }
}

// Edits in double, of tokens among and outside what is likely.
TEST(RowSampler, EditsAsThePlainChainDoes) {
  RowSampler sampler;
  const std::vector<LogitBias> bias = {{3, 2.5}, {4, kMinusInfinity}, {3, 0.1}};
  std::mt19937_64 random(4);
  for (const auto& [name, logits] : rows_of_all_kinds(2000, 21)) {
    if (possible(logits).size() < 3) continue;
    SCOPED_TRACE(name);
    const std::vector<float> single(logits.begin(), logits.end());
    std::vector<std::int32_t> history(100);
    for (auto& token : history) token = static_cast<std::int32_t>(random() % 30);
    std::vector<std::uint8_t> allowed(2000, 1);
    for (std::size_t i = 0; i < 2000; i += 3) allowed[i] = 0;
    SamplerSettings s{.logit_bias = bias,
                      .history = history,
                      .no_repeat_ngram = 2,
                      .repeat_penalty = 1.3,
                      .frequency_penalty = 0.1,
                      .presence_penalty = 0.2,
                      .dry_multiplier = 0.8,
                      .temperature = 0.8,
                      .top_p = 0.9};
    expect_same(logits, {"all edits", s}, Rows(std::span(single)), sampler);
    const SamplerStep late[] = {SamplerStep::top_k, SamplerStep::penalties, SamplerStep::dry,
                                SamplerStep::no_repeat_ngram, SamplerStep::temperature};
    s.order = late;
    s.top_k = 50;
    expect_same(logits, {"edits after top_k", s}, Rows(std::span(single)), sampler);
    const SamplerStep hot[] = {SamplerStep::temperature, SamplerStep::penalties,
                               SamplerStep::top_p};
    s.order = hot;
    expect_same(logits, {"edits after temperature", s}, Rows(std::span(single)), sampler);
    if (name == "far apart" || name == "one possible") continue;
    s.allowed = allowed;
    s.order = kDefaultOrder;
    expect_same(logits, {"mask", s}, Rows(std::span(single)), sampler);
  }
}

// Where a distance at which an exponential vanishes is lost in the rounding of the largest logit,
// under temperatures that make of all of it a flat row again.
TEST(RowSampler, DrawsWhatItKeepsOfHugeLogits) {
  RowSampler sampler;
  const auto expect_kept = [&](Rows row, const SamplerSettings& settings) {
    sampler.reset(row, 0, settings, {7, 7});
    const std::int64_t drawn = sampler.draw();
    const auto& ids = sampler.kept().ids;
    EXPECT_TRUE(std::binary_search(ids.begin(), ids.end(), drawn));
  };
  const std::vector<double> normal = testing::normal_row(3000, 2, 31);
  for (const double huge : {1e4, 1e7, 1e9, 1e12, 1e20, 1e30}) {
    for (const bool alone : {true, false}) {
      std::vector<double> row = normal;
      for (double& z : row) z = alone ? z : std::floor(z) * huge;
      row[7] = alone ? huge : row[7];
      const std::vector<float> single(row.begin(), row.end());
      for (NamedSettings chain : chains(row.size())) {
        SCOPED_TRACE(fmt::format("{}, {} {}", huge, alone, chain.name));
        chain.settings.temperature = 10 * huge;
        chain.settings.order = kLlamaCppOrder;
        expect_kept(Rows(std::span(single)), chain.settings);
        expect_kept(Rows(std::span(row)), chain.settings);
      }
    }
  }
}

}  // namespace
}  // namespace partita::sampler
