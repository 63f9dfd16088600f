// SPDX-License-Identifier: Apache-2.0
// Draws follow the filtered distribution, reports are true, and nothing depends on the other rows.
#include "partita/sampler/sample.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/sampler/sampler_test_support.hpp"

namespace partita {
namespace {

using testing::filtered_distribution;
using testing::kMinusInfinity;
using testing::normal_row;
using testing::p_value_of_draws;

struct FilterCase {
  std::string name;
  std::size_t categories;
  SamplerSettings settings;
};

/// Small rows, whose kept sets are lists, and rows of blocks, from which draws are refused.
std::vector<FilterCase> filter_cases() {
  std::vector<FilterCase> cases;
  for (const std::size_t n : {7, 1300}) {
    const auto add = [&](const std::string& name, const SamplerSettings& s) {
      cases.push_back({name + " of " + std::to_string(n), n, s});
    };
    add("nothing", {});
    add("temperature", {.temperature = 0.6});
    add("dynamic temperature", {.dynatemp_range = 0.5});
    add("top_k", {.top_k = 5});
    add("top_p", {.top_p = 0.8});
    add("low top_p", {.top_p = 0.2});
    add("top_p, then temperature", {.temperature = 1.8, .top_p = 0.7, .order = kLlamaCppOrder});
    add("min_p", {.min_p = 0.02});
    add("min_p, then temperature", {.temperature = 0.5, .min_p = 0.02, .order = kLlamaCppOrder});
    add("typical", {.typical_p = 0.7});
    add("epsilon", {.epsilon_cutoff = 1e-3});
    add("eta", {.eta_cutoff = 1e-3});
    add("p_less", {.p_less = true});
    add("top_n_sigma", {.top_n_sigma = 2});
    add("min_k", {.min_k = 60});
    add("top_h", {.top_h = 0.7});
    add("xtc", {.xtc_probability = 1, .xtc_threshold = 0.02});
    add("chain", {.temperature = 0.7, .top_k = 40, .top_p = 0.95});
    add("filters", {.top_p = 0.9, .min_p = 0.05, .typical_p = 0.9});
  }
  return cases;
}

TEST(Sample, EveryFilterHasItsDistribution) {
  for (const FilterCase& c : filter_cases()) {
    const auto logits = normal_row(c.categories, 1.5, 3);
    const std::vector<float> row(logits.begin(), logits.end());
    EXPECT_GT(p_value_of_draws(row, c.settings, 20000), kFalseAlarm) << c.name;
  }
}

// What min_p leaves of a long nucleus is too much for a list.
TEST(Sample, NucleusWithAFloorHasItsDistribution) {
  const auto logits = normal_row(9000, 0.5, 5);
  const std::vector<float> row(logits.begin(), logits.end());
  for (const double temperature : {1.0, 0.8}) {
    const SamplerSettings s{
        .temperature = temperature, .top_p = 0.97, .min_p = 0.08, .order = kLlamaCppOrder};
    EXPECT_GT(p_value_of_draws(row, s, 60000), kFalseAlarm) << temperature;
  }
}

TEST(Sample, TheTestSeesAWrongTemperature) {
  const auto logits = normal_row(3000, 1.5, 3);
  const std::vector<float> row(logits.begin(), logits.end());
  const Rows repeated(row.data(), 20000, row.size(), 0);
  const auto drawn =
      sample(repeated, SamplerSettings{.temperature = 0.75, .top_p = 0.8}, Stream{11});
  std::vector<double> observed(row.size());
  for (const std::int64_t i : drawn) observed[static_cast<std::size_t>(i)] += 1;
  auto expected = filtered_distribution(logits, {.temperature = 0.7, .top_p = 0.8});
  for (double& p : expected) p *= 20000;
  EXPECT_LT(chi_square_p_value(observed, expected), kFalseAlarm);
}

TEST(Sample, XtcAndAdaptivePTakeTheirPlaceInTheChain) {
  const std::vector<float> row = {2, 1, 1.5, 0, -1};
  constexpr int kDraws = 100000;
  // 0.4 of the draws are from what XTC leaves.
  const SamplerSettings xtc{.xtc_probability = 0.4, .xtc_threshold = 0.15};
  const Rows repeated(row.data(), kDraws, row.size(), 0);
  std::vector<double> observed(row.size());
  for (const auto i : sample(repeated, xtc, Stream{3})) observed[static_cast<std::size_t>(i)] += 1;
  SamplerSettings always = xtc;
  always.xtc_probability = 1;
  const auto with = filtered_distribution({row.begin(), row.end()}, always);
  const auto without = filtered_distribution({row.begin(), row.end()}, {});
  std::vector<double> expected(row.size());
  for (std::size_t i = 0; i < row.size(); ++i) {
    expected[i] = kDraws * (0.4 * with[i] + 0.6 * without[i]);
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);

  std::fill(observed.begin(), observed.end(), 0);
  AdaptiveState state;
  SamplerSettings adaptive{.adaptive_target = 0.3, .adaptive_state = &state};
  for (std::uint64_t i = 0; i < kDraws; ++i) {
    state = {};
    const auto drawn = sample(Rows(std::span(row)), adaptive, Stream{4, i});
    observed[static_cast<std::size_t>(drawn[0])] += 1;
  }
  state = {};
  expected = filtered_distribution({row.begin(), row.end()}, adaptive);
  for (double& p : expected) p *= kDraws;
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

std::vector<SamplerSettings> mixed_settings(std::size_t rows) {
  const std::vector<SamplerSettings> kinds = {
      {},
      {.temperature = 0.7, .top_k = 40, .top_p = 0.95},
      {.top_p = 0.9},
      {.min_p = 0.05},
      {.typical_p = 0.95},
      {.temperature = 1.3},
      {.eta_cutoff = 1e-3, .xtc_probability = 0.5},
      {.temperature = 2, .top_p = 0.8, .order = kLlamaCppOrder},
  };
  std::vector<SamplerSettings> result;
  for (std::size_t r = 0; r < rows; ++r) result.push_back(kinds[r % kinds.size()]);
  return result;
}

// Bit for bit: by batch, by itself, spread out, in reverse, on three threads.
TEST(Sample, ARowDependsOnNothingButItself) {
  constexpr std::size_t kRows = 40;
  constexpr std::size_t kColumns = 2100;
  std::vector<float> logits;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (const double z : normal_row(kColumns, 0.5 + static_cast<double>(r % 5), 100 + r)) {
      logits.push_back(static_cast<float>(z));
    }
  }
  const auto settings = mixed_settings(kRows);
  const Rows rows(logits.data(), kRows, kColumns);
  const auto whole = sample(rows, settings, Stream{1, 50});
  EXPECT_EQ(sample(rows, settings, Stream{1, 50}, {.threads = 3}), whole);
  const auto reports = sample_with_report(rows, settings, Stream{1, 50}, {.top = 3, .threads = 2});

  std::vector<float> spread(2 * kColumns);
  for (std::size_t r = 0; r < kRows; ++r) {
    const Rows alone = rows.slice(r, 1);
    EXPECT_EQ(sample(alone, settings[r], {Stream{1, 50}, r})[0], whole[r]);
    for (std::size_t i = 0; i < kColumns; ++i) {
      spread[2 * (kColumns - 1 - i)] = logits[r * kColumns + i];
    }
    const Rows reversed(&spread[2 * (kColumns - 1)], 1, kColumns, 0, -2);
    EXPECT_EQ(sample(reversed, settings[r], {Stream{1, 50}, r})[0], whole[r]);
    const auto report =
        sample_with_report(reversed, settings[r], {Stream{1, 50}, r}, {.top = 3})[0];
    EXPECT_EQ(reports[r].index, whole[r]);
    EXPECT_EQ(report.log_prob, reports[r].log_prob);
    EXPECT_EQ(report.entropy, reports[r].entropy);
    EXPECT_EQ(report.kept_mass, reports[r].kept_mass);
    EXPECT_EQ(report.top, reports[r].top);
  }
}

// bf16 and f16 rows are the float rows that they are equal to.
TEST(Sample, FormatsThatHoldTheSameNumbersGiveTheSameDraws) {
  std::vector<bfloat16> brain;
  std::vector<float> single;
  for (const double z : normal_row(4000, 3, 8)) {
    brain.emplace_back(static_cast<float>(z));
    single.push_back(brain.back());
  }
  for (const SamplerSettings& s : mixed_settings(8)) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      EXPECT_EQ(sample(Rows(std::span(brain)), s, Stream{5, i}),
                sample(Rows(std::span(single)), s, Stream{5, i}));
    }
  }
}

/// log softmax of z at `temperature`, in long double.
std::vector<long double> log_softmax(const std::vector<double>& z, long double temperature = 1) {
  const long double max = *std::max_element(z.begin(), z.end());
  long double total = 0;
  for (const double x : z) total += std::exp((x - max) / temperature);
  std::vector<long double> result;
  for (const double x : z) result.push_back((x - max) / temperature - std::log(total));
  return result;
}

long double entropy_of(const std::vector<long double>& log_p) {
  long double sum = 0;
  for (const long double l : log_p) {
    if (std::isfinite(l)) sum -= std::exp(l) * l;
  }
  return sum;
}

TEST(Sample, ReportsEqualLongDoubleArithmetic) {
  for (const auto& [name, logits] : testing::rows_of_all_kinds(2500, 31)) {
    SCOPED_TRACE(name);
    const auto& row = logits;
    const std::vector<float> single(row.begin(), row.end());
    std::size_t which = 0;
    for (const SamplerSettings& s : mixed_settings(8)) {
      SCOPED_TRACE(which++);
      const Stream stream{9, which};
      const Draw draw =
          sample_with_report(Rows(std::span(single)), s, stream, {.top = 4, .kept = true})[0];
      const auto raw = log_softmax(row);
      const auto tempered = log_softmax(row, s.temperature);
      std::vector<double> left = row;
      apply_settings(s, Streams(stream)[0], left);
      const auto log_p = log_softmax(left);
      const auto i = static_cast<std::size_t>(draw.index);
      const auto near = [](double value, long double expected, const char* what) {
        EXPECT_NEAR(value, static_cast<double>(expected),
                    1e-12 * std::max(1.0, std::abs(static_cast<double>(expected))))
            << what;
      };
      near(draw.raw_log_prob, raw[i], "raw_log_prob");
      near(draw.tempered_log_prob, tempered[i], "tempered_log_prob");
      near(draw.log_prob, log_p[i], "log_prob");
      near(draw.raw_entropy, entropy_of(raw), "raw_entropy");
      near(draw.entropy, entropy_of(log_p), "entropy");
      EXPECT_EQ(draw.kept, testing::possible(left));
      EXPECT_EQ(draw.kept_count, draw.kept.size());
      long double mass = 0;
      for (const std::int64_t id : draw.kept) mass += std::exp(raw[static_cast<std::size_t>(id)]);
      near(draw.kept_mass, mass, "kept_mass");
      EXPECT_EQ(draw.rank, 1 + static_cast<std::size_t>(std::count_if(
                                   row.begin(), row.end(), [&](double z) { return z > row[i]; })));
      std::vector<std::size_t> order(row.size());
      for (std::size_t j = 0; j < order.size(); ++j) order[j] = j;
      std::stable_sort(order.begin(), order.end(),
                       [&](std::size_t a, std::size_t b) { return row[a] > row[b]; });
      for (std::size_t j = 0; j < draw.top.size(); ++j) {
        EXPECT_EQ(draw.top[j].index, static_cast<std::int64_t>(order[j]));
        near(draw.top[j].log_prob, raw[order[j]], "top");
      }
    }
  }
}

// The ratio of a policy with itself is exactly 1.
TEST(Sample, ReplayGivesTheReportsLogProbability) {
  constexpr std::size_t kRows = 64;
  std::vector<float> logits;
  for (std::size_t r = 0; r < kRows; ++r) {
    for (const double z : normal_row(900, 2, r)) logits.push_back(static_cast<float>(z));
  }
  const auto settings = mixed_settings(kRows);
  const Rows rows(logits.data(), kRows, 900);
  const auto draws = sample_with_report(rows, settings, Stream{2});
  std::vector<std::int64_t> tokens;
  for (const Draw& draw : draws) tokens.push_back(draw.index);
  const auto replayed = replay_log_prob(rows, tokens, settings, Stream{2});
  for (std::size_t r = 0; r < kRows; ++r) EXPECT_EQ(replayed[r], draws[r].log_prob);
  const std::vector<float> row = {3, 2, 1};
  const std::vector<std::int64_t> last = {2};
  EXPECT_EQ(replay_log_prob(Rows(std::span(row)), last, SamplerSettings{.top_k = 2}, Stream{0})[0],
            kMinusInfinity);
}

// All ordered pairs of what top_k leaves.
TEST(Sample, WithoutReplacementIsGumbelTopKOfWhatIsKept) {
  const std::vector<float> row = {0, 1.5, -1, 0.7, 1, -2};
  const SamplerSettings settings{.temperature = 1.3, .top_k = 4};
  const auto p = filtered_distribution({row.begin(), row.end()}, settings);
  constexpr int kDraws = 60000;
  const Rows repeated(row.data(), kDraws, row.size(), 0);
  const TopKSample pairs = sample_without_replacement(repeated, 2, settings, Stream{6});
  std::vector<double> observed(36);
  std::vector<double> expected(36);
  for (std::size_t r = 0; r < kDraws; ++r) {
    observed[static_cast<std::size_t>(pairs.indices[2 * r] * 6 + pairs.indices[2 * r + 1])] += 1;
    EXPECT_GT(pairs.perturbed[2 * r], pairs.perturbed[2 * r + 1]);
    EXPECT_GT(pairs.perturbed[2 * r + 1], pairs.threshold[r]);
    EXPECT_NEAR(pairs.log_prob[2 * r], std::log(p[static_cast<std::size_t>(pairs.indices[2 * r])]),
                1e-14);
  }
  for (std::size_t a = 0; a < 6; ++a) {
    for (std::size_t b = 0; b < 6; ++b) {
      if (a != b) expected[a * 6 + b] = kDraws * p[a] * p[b] / (1 - p[a]);
    }
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
  // Importance weights add up to the whole: E sum p / q = 1.
  std::vector<double> sums;
  for (std::size_t r = 0; r < kDraws; ++r) {
    double sum = 0;
    for (std::size_t j = 0; j < 2; ++j) {
      const double log_p = pairs.log_prob[2 * r + j];
      sum += std::exp(log_p - inclusion_log_prob(log_p, pairs.threshold[r]));
    }
    sums.push_back(sum);
  }
  EXPECT_LT(z_score(sums, 1), kFiveSigma);
  const TopKSample all = sample_without_replacement(Rows(std::span(row)), 4, settings, Stream{6});
  EXPECT_EQ(all.threshold[0], kMinusInfinity);
  EXPECT_EQ(testing::message_of<InvalidArgument>(
                [&] { sample_without_replacement(Rows(std::span(row)), 5, settings, Stream{6}); }),
            "settings: row 0: k = 5, but only 4 categories are kept");
}

// Mirostat keeps the average surprise at its target, on rows that change all the time.
TEST(Sample, MirostatHoldsItsSurprise) {
  std::vector<std::vector<float>> rows;
  for (std::uint64_t i = 0; i < 48; ++i) {
    const auto row = normal_row(2000, 1.5 + 0.5 * static_cast<double>(i % 4), 1000 + i);
    rows.emplace_back(row.begin(), row.end());
  }
  for (const int version : {1, 2}) {
    for (const double tau : {2.0, 4.0}) {
      MirostatState state;
      const SamplerSettings s{.mirostat = version, .mirostat_tau = tau, .mirostat_state = &state};
      double sum = 0;
      constexpr std::uint64_t kDraws = 4000;
      for (std::uint64_t i = 0; i < kDraws; ++i) {
        const Rows row{std::span(rows[i % rows.size()])};
        const MirostatState before = state;
        sample(row, s, Stream{3, i});
        const double mu = std::isnan(before.mu) ? 2 * tau : before.mu;
        sum += tau + (mu - state.mu) / s.mirostat_eta;  // the surprise
      }
      // mu moves by eta times each error, and stays bounded: so the errors' sum does.
      EXPECT_NEAR(sum / static_cast<double>(kDraws), tau, 0.05) << "version " << version;
    }
  }
}

// mu falls by eta (surprise - tau); adaptive-p remembers the probability before it.
TEST(Sample, StatesFollowTheDraw) {
  const std::vector<float> row = {1, 1, 1, 1, -HUGE_VALF};
  MirostatState state;
  const SamplerSettings s{
      .mirostat = 2, .mirostat_tau = 3, .mirostat_eta = 0.5, .mirostat_state = &state};
  sample(Rows(std::span(row)), s, Stream{1, 1});
  EXPECT_DOUBLE_EQ(state.mu, 6 - 0.5 * (2 - 3));  // one of four: 2 bits
  AdaptiveState memory;
  const SamplerSettings adaptive{
      .adaptive_target = 0.5, .adaptive_decay = 0.75, .adaptive_state = &memory};
  sample(Rows(std::span(row)), adaptive, Stream{1, 1});
  EXPECT_DOUBLE_EQ(memory.total_weight, 1 + 0.75 * 4);
  EXPECT_DOUBLE_EQ(memory.weighted_sum, 0.25 + 0.75 * 2);
  // Reports and replays draw the same, and replays change nothing.
  const MirostatState before = state;
  const std::vector<std::int64_t> token = {0};
  replay_log_prob(Rows(std::span(row)), token, s, Stream{1, 1});
  sample_without_replacement(Rows(std::span(row)), 2, s, Stream{1, 1});
  EXPECT_EQ(state.mu, before.mu);
}

TEST(Sample, NamesTheRowTheSettingTheValueAndTheRange) {
  const std::vector<float> logits = {1, 2, 3, 4, std::nanf(""), 6, -HUGE_VALF, -HUGE_VALF};
  const Rows rows(logits.data(), 4, 2);
  std::vector<SamplerSettings> settings(4);
  settings[1].top_p = 1.5;
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { sample(rows, settings, Stream{0}); }),
            "top_p: row 1: expected a number in (0, 1], got 1.5");
  std::vector<RowError> errors;
  const auto drawn = sample(rows, settings, Stream{0}, {.errors = &errors});
  EXPECT_GE(drawn[0], 0);
  EXPECT_EQ(drawn[1], -1);
  ASSERT_EQ(errors.size(), 3);
  EXPECT_EQ(errors[1].reason, "NaN at column 0");
  EXPECT_EQ(errors[2].reason, "every category is impossible (all -inf)");
  settings.pop_back();
  EXPECT_EQ(testing::message_of<InvalidArgument>([&] { sample(rows, settings, Stream{0}); }),
            "settings: expected one, or 4 (one a row), got 3");
}

}  // namespace
}  // namespace partita
