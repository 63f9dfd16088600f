// SPDX-License-Identifier: Apache-2.0
// What each setting means, on rows small enough to see it.
#include "partita/sampler/filter.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <numbers>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/sampler/sampler_test_support.hpp"

namespace partita {
namespace {

using testing::kMinusInfinity;
using testing::normal_row;
using Ids = std::vector<std::int64_t>;

std::vector<double> logs(std::vector<double> p) {
  for (double& x : p) x = std::log(x);
  return p;
}

std::vector<double> after(const SamplerSettings& settings, std::vector<double> row,
                          Stream stream = {}) {
  apply_settings(settings, stream, row);
  return row;
}

Ids kept(const SamplerSettings& settings, const std::vector<double>& row) {
  return testing::possible(after(settings, row));
}

const std::vector<double> kRow = logs({0.1, 0.4, 0.05, 0.3, 0.15});

TEST(Filter, TopKKeepsExactlyKAndOfEqualsTheFirst) {
  EXPECT_EQ(kept({.top_k = 1}, kRow), (Ids{1}));
  EXPECT_EQ(kept({.top_k = 3}, kRow), (Ids{1, 3, 4}));
  EXPECT_EQ(kept({.top_k = 99}, kRow).size(), 5);
  EXPECT_EQ(kept({.top_k = 2}, {1, 1, 1, 1}), (Ids{0, 1}));
  EXPECT_EQ(kept({.top_k = 3}, {1, 2, 1, 1}), (Ids{0, 1, 2}));
}

TEST(Filter, TopPKeepsWhatHasLessThanPAboveIt) {
  EXPECT_EQ(kept({.top_p = 0.39}, kRow), (Ids{1}));
  EXPECT_EQ(kept({.top_p = 0.41}, kRow), (Ids{1, 3}));
  EXPECT_EQ(kept({.top_p = 0.71}, kRow), (Ids{1, 3, 4}));
  EXPECT_EQ(kept({.top_p = 1e-9}, kRow), (Ids{1}));
  EXPECT_EQ(kept({.top_p = 1}, kRow).size(), 5);
  EXPECT_EQ(kept({.top_p = 0.3}, {1, 1, 1, 1}).size(), 4);  // equals stay together
  // Just p above it is not less.
  EXPECT_EQ(kept({.top_p = 0.5}, {1, 1, 0, 0}), (Ids{0, 1}));
  EXPECT_EQ(kept({.top_p = 0.5}, {0, -1000}), (Ids{0}));
  EXPECT_EQ(kept({.top_p = 0.75}, {0, 0, 0, -1000}), (Ids{0, 1, 2}));
}

TEST(Filter, MinPIsRelativeToTheLargest) {
  EXPECT_EQ(kept({.min_p = 0.3}, kRow), (Ids{1, 3, 4}));
  EXPECT_EQ(kept({.min_p = 1}, kRow), (Ids{1}));
  EXPECT_EQ(kept({.min_p = 1}, {2, 1, 2}), (Ids{0, 2}));
}

TEST(Filter, TypicalPrefersWhatIsAsSurprisingAsTheAverage) {
  // Entropy of kRow is 1.39 nats; -log p = 2.30, 0.92, 3.00, 1.20, 1.90: distances .91 .48 1.60 .19
  // .50.
  EXPECT_EQ(kept({.typical_p = 0.2}, kRow), (Ids{3}));
  EXPECT_EQ(kept({.typical_p = 0.65}, kRow), (Ids{1, 3}));
  EXPECT_EQ(kept({.typical_p = 0.75}, kRow), (Ids{1, 3, 4}));
}

// Algorithm 1 of the paper by hand: steps 1, 0.5, 3, 0.5, 4 over their places are 1, .25, 1, .125,
// .8; of the two steepest the first counts, and the range is 9.
TEST(Filter, MinKKeepsWhatStandsBeforeTheCliff) {
  const std::vector<double> row = {1, 10, 5.5, 8.5, 5, 9};
  EXPECT_EQ(kept({.min_k = 3}, row), (Ids{1}));
  EXPECT_EQ(kept({.min_k = 18}, row), (Ids{1, 5}));
  EXPECT_EQ(kept({.min_k = 35.9}, row), (Ids{1, 3, 5}));
  EXPECT_EQ(kept({.min_k = 36}, row), (Ids{1, 2, 3, 5}));
  EXPECT_EQ(kept({.min_k = 1e9}, row).size(), 6);
  EXPECT_EQ(kept({.min_k = 3}, {0, -0.1, -2.4, -3}), (Ids{0, 1}));  // 2.3 / 2
  EXPECT_EQ(kept({.min_k = 3}, {0, -8, kMinusInfinity}),
            (Ids{0}));  // what is impossible is no cliff
  EXPECT_EQ(kept({.min_k = 3}, {2, 2, 2, 2}).size(), 4);
  EXPECT_EQ(kept({.min_k = 2}, {0, 0, -1, -1, -1}).size(), 2);
  EXPECT_EQ(kept({.min_k = 3}, {0, -0.1, -0.1, -0.9}).size(), 3);
  // No temperature moves the cliff.
  const auto spread = normal_row(500, 2, 3);
  for (const double t : {0.2, 1.0, 8.0}) {
    const SamplerStep order[] = {SamplerStep::temperature, SamplerStep::min_k};
    EXPECT_EQ(kept({.temperature = t, .min_k = 1e-9, .order = order}, spread),
              kept({.min_k = 1e-9}, spread));
  }
}

TEST(Filter, CutoffsOfProbability) {
  EXPECT_EQ(kept({.epsilon_cutoff = 0.12}, kRow), (Ids{1, 3, 4}));
  EXPECT_EQ(kept({.epsilon_cutoff = 0.99}, kRow), (Ids{1}));
  // sqrt(eta) exp(-H) = sqrt(.5) exp(-1.3923) = .1757, less than eta.
  EXPECT_EQ(kept({.eta_cutoff = 0.5}, kRow), (Ids{1, 3}));
  EXPECT_EQ(kept({.eta_cutoff = 0.06}, kRow), (Ids{0, 1, 3, 4}));  // sqrt(.06) exp(-H) = .0609
  EXPECT_EQ(kept({.eta_cutoff = 0.01}, kRow).size(), 5);
  // sum p^2 = .01 + .16 + .0025 + .09 + .0225 = .285
  EXPECT_EQ(kept({.p_less = true}, kRow), (Ids{1, 3}));
  EXPECT_EQ(kept({.p_less = true}, {2, 2, 2}).size(), 3);
}

TEST(Filter, TopNSigmaCountsPossibleCategories) {
  // 4, 2, 0 have mean 2 and sigma 1.633.
  EXPECT_EQ(kept({.top_n_sigma = 1}, {4, 2, 0, kMinusInfinity}), (Ids{0}));
  EXPECT_EQ(kept({.top_n_sigma = 1.23}, {4, 2, 0, kMinusInfinity}), (Ids{0, 1}));
  EXPECT_EQ(kept({.top_n_sigma = 1.22}, {4, 2, 0, kMinusInfinity}), (Ids{0}));
  EXPECT_EQ(kept({.top_n_sigma = 2.5}, {4, 2, 0, kMinusInfinity}), (Ids{0, 1, 2}));
}

TEST(Filter, TopHBoundsTheEntropyOfWhatIsKept) {
  // H = 1.3923; of {.4, .3} renormalized .6829, with .15 too 1.0284, with .1 too 1.2567.
  const auto share = [](double entropy) { return SamplerSettings{.top_h = entropy / 1.3923}; };
  EXPECT_EQ(kept(share(0.68), kRow), (Ids{1}));
  EXPECT_EQ(kept(share(0.69), kRow), (Ids{1, 3}));
  EXPECT_EQ(kept(share(1.03), kRow), (Ids{1, 3, 4}));
  EXPECT_EQ(kept(share(1.26), kRow), (Ids{0, 1, 3, 4}));
}

TEST(Filter, XtcLeavesTheLeastOfTheTopChoices) {
  SamplerSettings s{.xtc_probability = 1, .xtc_threshold = 0.12};
  EXPECT_EQ(kept(s, kRow), (Ids{0, 2, 4}));
  s.xtc_threshold = 0.35;  // only one is a top choice: it stays
  EXPECT_EQ(kept(s, kRow).size(), 5);
  s.xtc_threshold = 0;  // all are
  EXPECT_EQ(kept(s, kRow), (Ids{2}));
  s.xtc_threshold = 0.51;
  EXPECT_EQ(kept(s, kRow).size(), 5);
}

TEST(Filter, XtcHappensWithItsProbability) {
  const SamplerSettings s{.xtc_probability = 0.3, .xtc_threshold = 0.12};
  int happened = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    happened += testing::possible(after(s, kRow, {5, static_cast<std::uint64_t>(i)})).size() == 3;
  }
  EXPECT_NEAR(happened, 0.3 * kDraws, 4.9 * std::sqrt(0.21 * kDraws));
}

TEST(Filter, TemperatureKeepsTheMaximumFiniteHoweverCold) {
  std::vector<double> z = after({.temperature = 0.5}, {2, 1, kMinusInfinity});
  EXPECT_DOUBLE_EQ(z[0] - z[1], 2);
  EXPECT_EQ(z[2], kMinusInfinity);
  z = after({.temperature = 1e-320}, {2, 1});
  EXPECT_EQ(z, (std::vector<double>{0, kMinusInfinity}));
  EXPECT_EQ(after({.temperature = 1}, {2, 1}), (std::vector<double>{2, 1}));
}

TEST(Filter, DynamicTemperatureFollowsTheEntropy) {
  // H = 1.3923 of log 5 = 1.6094: a share of .8651; T = .5 + 1 * share^2 = 1.2484.
  const auto z = after({.temperature = 1, .dynatemp_range = 0.5, .dynatemp_exponent = 2}, kRow);
  double entropy = 0;
  for (const double log_p : kRow) entropy -= std::exp(log_p) * log_p;
  const double t = 0.5 + std::pow(entropy / std::log(5), 2);
  EXPECT_NEAR(t, 1.2484, 1e-4);
  for (std::size_t i = 0; i < 5; ++i) EXPECT_NEAR(z[i], (kRow[i] - kRow[1]) / t, 1e-13);
  // A flat row gets the highest temperature, one category none.
  EXPECT_EQ(after({.dynatemp_range = 2}, {1, 1}), (std::vector<double>{0, 0}));
  EXPECT_EQ(kept({.dynatemp_range = 2}, {0, -1e6}), (Ids{0}));
}

TEST(Filter, AdaptivePPrefersTheTarget) {
  AdaptiveState state;
  SamplerSettings s{.adaptive_target = 0.3, .adaptive_state = &state};
  auto z = after(s, kRow);
  EXPECT_NEAR(z[3], 5, 1e-12);                                     // p = .3 is the target
  EXPECT_NEAR(z[1], 5 - 10 * (1.0 / 9) / (1 + 1.0 / 3), 1e-12);    // d = .1 / .3
  EXPECT_NEAR(z[2], 5 - 10 * (25.0 / 36) / (1 + 5.0 / 6), 1e-12);  // d = .25 / .3
  // 2 * .3 - .5: the last tokens were likelier than wanted.
  state = {.weighted_sum = 5, .total_weight = 10};
  z = after(s, kRow);
  EXPECT_NEAR(z[0], 5, 1e-12);
}

TEST(Filter, MirostatTwoBoundsTheSurprise) {
  MirostatState state{.mu = 2};  // -log2 p: 3.32 1.32 4.32 1.74 2.74
  SamplerSettings s{.mirostat = 2, .mirostat_state = &state};
  EXPECT_EQ(kept(s, kRow), (Ids{1, 3}));
  state.mu = 0;
  EXPECT_EQ(kept(s, kRow), (Ids{1}));  // the most likely stays
  state = {};
  s.mirostat_tau = 1.4;  // begins at 2 tau = 2.8
  EXPECT_EQ(kept(s, kRow), (Ids{1, 3, 4}));
}

// On a row that follows Zipf's law the fitted exponent is the row's, and k is that of algorithm 1.
TEST(Filter, MirostatOneFitsZipfsExponent) {
  constexpr double kExponent = 1.2;
  constexpr std::size_t kN = 1000;
  std::vector<double> row(kN);
  for (std::size_t i = 0; i < kN; ++i) row[i] = -kExponent * std::log(1.0 + static_cast<double>(i));
  for (const double mu : {2.0, 6.0, 8.0}) {
    MirostatState state{.mu = mu};
    const double excess = kExponent - 1;
    const double k =
        std::pow(excess * std::exp2(mu) / (1 - std::pow(1000.0, -excess)), 1 / kExponent);
    EXPECT_EQ(kept({.mirostat = 1, .mirostat_state = &state}, row).size(),
              std::max<std::size_t>(1, static_cast<std::size_t>(k)))
        << mu;
  }
}

TEST(Filter, EachStepSeesWhatTheOneBeforeItLeft) {
  const std::vector<std::uint8_t> allowed = {1, 0, 1, 1, 1};
  // From {.1, .05, .3, .15}, three stay at temperature 2, and their nucleus of .6 needs two.
  EXPECT_EQ(kept({.allowed = allowed, .temperature = 2, .top_k = 3, .top_p = 0.6}, kRow),
            (Ids{3, 4}));
  // Among the three most likely, .4 is 47 %, among all 40 %.
  EXPECT_EQ(kept({.top_k = 3, .top_p = 0.45}, kRow), (Ids{1}));
  const SamplerStep top_p_first[] = {SamplerStep::top_p, SamplerStep::top_k};
  EXPECT_EQ(kept({.top_k = 3, .top_p = 0.45, .order = top_p_first}, kRow), (Ids{1, 3}));
  const SamplerStep only_top_k[] = {SamplerStep::top_k};
  EXPECT_EQ(kept({.top_k = 3, .top_p = 0.1, .order = only_top_k}, kRow), (Ids{1, 3, 4}));
}

TEST(Filter, RefusesNanLogitsAndImpossibleRows) {
  EXPECT_THROW(after({.top_k = 2}, {1, std::nan(""), 2}), InvalidArgument);
  EXPECT_THROW(after({}, {1, -kMinusInfinity, 2}), InvalidArgument);
  EXPECT_THROW(after({}, {kMinusInfinity, kMinusInfinity}), InvalidArgument);
  const std::vector<std::uint8_t> allowed = {0, 0};
  EXPECT_THROW(after({.allowed = allowed}, {1, 2}), InvalidArgument);
}

}  // namespace
}  // namespace partita
