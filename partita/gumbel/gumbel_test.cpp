// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/gumbel.hpp"

#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>
#include <limits>
#include <string_view>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/scalar.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// Error allowed, in units of 1e-15. An inverse CDF is a sum of its arguments, so it is held to the
// largest of them; the others are exponentials of differences of theirs, which relative to the
// value magnify a rounding of the difference by its size.
double tolerance(std::string_view function, double value, std::initializer_list<double> arguments) {
  double largest = 1;
  for (const double a : arguments) largest = std::max(largest, std::abs(a));
  const double scale = function.ends_with("icdf") ? std::max(std::abs(value), largest)
                                                  : std::abs(value) * (1 + 4 * largest);
  return 1e-15 * scale;
}

TEST(Gumbel, EqualsFiftyDigitValues) {
#define GOLDEN(function, value, ...)                                                    \
  EXPECT_NEAR(function(__VA_ARGS__), value, tolerance(#function, value, {__VA_ARGS__})) \
      << #function "(" #__VA_ARGS__ ")";
#include "partita/gumbel/golden.inc"
#undef GOLDEN
}

TEST(Gumbel, TailOfTheSpecification) {
  EXPECT_NEAR(gumbel_log_prob(-5), -143.4131591025766, 1e-12);
}

TEST(Gumbel, DensityIsCdfTimesExponential) {
  // p(g) = e^(mu - g) F(g) at scale 1.
  for (const double g : {-2.0, -0.3, 0.0, 1.7, 20.0}) {
    EXPECT_NEAR(gumbel_log_prob(g, 0.4), 0.4 - g + gumbel_log_cdf(g, 0.4), 1e-14);
  }
}

TEST(Gumbel, EndsAreFiniteOrExact) {
  EXPECT_EQ(gumbel_icdf(0), -kInfinity);
  EXPECT_EQ(gumbel_icdf(1), kInfinity);
  EXPECT_TRUE(std::isfinite(gumbel_icdf(0x1p-54)));
  EXPECT_TRUE(std::isfinite(gumbel_icdf(1 - 0x1p-53)));
  EXPECT_EQ(gumbel_log_prob(-kInfinity), -kInfinity);
  EXPECT_EQ(gumbel_log_prob(kInfinity), -kInfinity);
  EXPECT_EQ(gumbel_cdf(kInfinity), 1);
  EXPECT_EQ(gumbel_cdf(-kInfinity), 0);
}

TEST(TruncatedGumbel, HasItsDistribution) {
  // Below, around and above where the truncation matters.
  for (const double gap : {-5.0, 0.0, 4.0}) {
    const Stream stream{1, static_cast<std::uint64_t>(gap + 10)};
    std::vector<double> draws(200'000);
    for (std::size_t i = 0; i < draws.size(); ++i) {
      draws[i] = truncated_gumbel(stream.exponential(i), 1.5 + gap, 1.5);
      ASSERT_LE(draws[i], 1.5);
    }
    EXPECT_GT(ks_p_value(draws, [&](double g) { return truncated_gumbel_cdf(g, 1.5 + gap, 1.5); }),
              kFalseAlarm);
  }
}

TEST(TruncatedGumbel, Extremes) {
  EXPECT_EQ(truncated_gumbel(1, -kInfinity, 3), -kInfinity);
  EXPECT_DOUBLE_EQ(truncated_gumbel(2, 5, kInfinity), 5 - std::log(2));
  EXPECT_EQ(truncated_gumbel_cdf(9, 0, 4), 1);
  EXPECT_NEAR(truncated_gumbel(0x1p-65, 700, 0), 0, 1e-300);
}

TEST(TruncatedGumbel, InverseUndoesTheCdf) {
  EXPECT_TRUE(rc::check([] {
    const double location = *rc::gen::inRange(-60000, 60000) / 1000.0;
    const double maximum = location + *rc::gen::inRange(-6000, 6000) / 1000.0;
    const double u = *rc::gen::inRange(1, 1 << 20) / static_cast<double>(1 << 20);
    const double g = truncated_gumbel_icdf(u, location, maximum);
    RC_ASSERT(g <= maximum);
    const double steepness = std::max(1.0, std::exp(location - maximum));
    RC_ASSERT(std::abs(truncated_gumbel_cdf(g, location, maximum) - u) < 1e-12 * steepness);
  }));
}

TEST(ConditionOnMaximum, MaximumIsExactAndOrderIsKept) {
  EXPECT_TRUE(rc::check([] {
    auto gumbels = *rc::gen::nonEmpty(rc::gen::container<std::vector<double>>(
        rc::gen::map(rc::gen::inRange(-700000, 700000), [](int x) { return x / 1000.0; })));
    const double maximum = *rc::gen::inRange(-700000, 700000) / 1000.0;
    const auto before = gumbels;
    condition_on_maximum(gumbels, maximum);
    RC_ASSERT(*std::max_element(gumbels.begin(), gumbels.end()) == maximum);
    for (std::size_t i = 0; i < before.size(); ++i) {
      RC_ASSERT(!std::isnan(gumbels[i]));
      for (std::size_t j = 0; j < before.size(); ++j) {
        if (before[i] <= before[j]) RC_ASSERT(gumbels[i] <= gumbels[j]);
      }
    }
  }));
}

TEST(ConditionOnMaximum, LeavesImpossibleCategories) {
  std::vector<double> gumbels = {-kInfinity, 1, -kInfinity};
  condition_on_maximum(gumbels, 5);
  EXPECT_EQ(gumbels, (std::vector<double>{-kInfinity, 5, -kInfinity}));
  std::vector<double> none = {-kInfinity, -kInfinity};
  condition_on_maximum(none, 5);
  EXPECT_EQ(none[0], -kInfinity);
}

// Both ways of G4 must give the same distribution: arg max by softmax, and, given it, the others
// truncated Gumbels.
class GivenMaximum : public ::testing::TestWithParam<bool> {};

TEST_P(GivenMaximum, HasItsDistribution) {
  const std::vector<double> locations = {0.3, -1.0, 1.2};
  const double maximum = 0.7;
  constexpr std::size_t kSets = 300'000;
  std::vector<double> argmax_counts(3);
  std::vector<std::vector<double>> others(3);  // values of location i where it is not the arg max
  Draws draws(Stream{21, GetParam() ? 1U : 0U});
  for (std::size_t set = 0; set < kSets; ++set) {
    std::vector<double> g(3);
    if (GetParam()) {
      sample_given_maximum(locations, maximum, draws, g);
    } else {
      for (std::size_t i = 0; i < 3; ++i) g[i] = locations[i] + draws.gumbel();
      condition_on_maximum(g, maximum);
    }
    const auto top = static_cast<std::size_t>(std::max_element(g.begin(), g.end()) - g.begin());
    ASSERT_EQ(g[top], maximum);
    ++argmax_counts[top];
    for (std::size_t i = 0; i < 3; ++i) {
      if (i != top) others[i].push_back(g[i]);
    }
  }
  double total = 0;
  for (const double l : locations) total += std::exp(l);
  std::vector<double> expected;
  for (const double l : locations) expected.push_back(kSets * std::exp(l) / total);
  EXPECT_GT(chi_square_p_value(argmax_counts, expected), kFalseAlarm);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_GT(ks_p_value(others[i],
                         [&](double g) { return truncated_gumbel_cdf(g, locations[i], maximum); }),
              kFalseAlarm)
        << i;
  }
}

INSTANTIATE_TEST_SUITE_P(BothForms, GivenMaximum, ::testing::Bool(),
                         [](const auto& form) { return form.param ? "Truncate" : "Shift"; });

TEST(SampleGivenMaximum, RefusesBadLocations) {
  Draws draws(Stream{});
  std::vector<double> out(2);
  EXPECT_THROW(sample_given_maximum(std::vector<double>{-kInfinity, -kInfinity}, 0, draws, out),
               InvalidArgument);
  EXPECT_THROW(sample_given_maximum(std::vector<double>{std::nan(""), 0}, 0, draws, out),
               InvalidArgument);
}

}  // namespace
}  // namespace partita
