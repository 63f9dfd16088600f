// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/scalar.hpp"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double ulps(double value, long double reference) {
  const auto rounded = static_cast<double>(reference);
  const double ulp = std::nextafter(std::abs(rounded), kInfinity) - std::abs(rounded);
  return static_cast<double>(std::abs(static_cast<long double>(value) - reference)) / ulp;
}

std::vector<double> magnitudes() {
  std::vector<double> values;
  for (double x = 1e-308; x < 1e308; x *= 3.7) values.insert(values.end(), {x, -x});
  for (double x = -800; x <= 800; x += 0.37) values.push_back(x);
  values.insert(values.end(), {0.0, 1e308, -1e308, -0.6931471805599453, -0.7, -0.69});
  return values;
}

TEST(Scalar, EqualLongDoubleWithinTwoUlp) {
  for (const double x : magnitudes()) {
    const long double l = x;
    const long double e = std::exp(-std::abs(l));
    EXPECT_LE(ulps(log1pexp(x), std::max(l, 0.0L) + std::log1p(e)), 2) << x;
    EXPECT_LE(ulps(log_sigmoid(x), std::min(l, 0.0L) - std::log1p(e)), 2) << x;
    EXPECT_LE(ulps(sigmoid(x), x >= 0 ? 1 / (1 + e) : e / (1 + e)), 2) << x;
    if (x < 0) {
      const long double reference = x > -0.5 ? std::log(-std::expm1(l)) : std::log1p(-std::exp(l));
      EXPECT_LE(ulps(log1mexp(x), reference), 2) << x;
    }
  }
}

TEST(Scalar, EndsOfTheRange) {
  EXPECT_EQ(log1pexp(1e308), 1e308);
  EXPECT_EQ(log1pexp(-kInfinity), 0);
  EXPECT_EQ(softplus(kInfinity), kInfinity);
  EXPECT_EQ(log_sigmoid(-1e308), -1e308);
  EXPECT_EQ(sigmoid(1e308), 1);
  EXPECT_EQ(sigmoid(-1e308), 0);
  EXPECT_EQ(log1mexp(0), -kInfinity);
  EXPECT_EQ(log1mexp(-kInfinity), 0);
  EXPECT_TRUE(std::isnan(log1mexp(0.1)));
  EXPECT_EQ(logit(0), -kInfinity);
  EXPECT_EQ(logit(1), kInfinity);
  EXPECT_TRUE(std::isnan(logit(1.5)));
}

TEST(Scalar, LogitEqualsLongDouble) {
  for (double p = 1e-300; p < 0.5; p *= 1.9) {
    const long double l = p;
    EXPECT_LE(ulps(logit(p), std::log(l) - std::log1p(-l)), 2) << p;
  }
  for (double p = 0.0001; p < 1; p += 0.000173) {
    const long double l = p;
    const long double reference =
        p > 0.25 && p < 0.75 ? 2 * std::atanh(2 * l - 1) : std::log(l) - std::log1p(-l);
    EXPECT_LE(ulps(logit(p), reference), 3) << p;
  }
}

TEST(Scalar, SigmoidAndLogitAreInverse) {
  // The round trip amplifies the rounding of p by 1 / (p (1 - p) |x|): the error allowed is that of
  // one unit in the last place of p.
  for (double x = -700; x <= 36; x += 0.0137) {
    const double p = sigmoid(x);
    const double one_ulp_of_p = std::nextafter(p, 2) - p;
    EXPECT_NEAR(logit(p), x, 2 * one_ulp_of_p / (p * (1 - p)) + 1e-15 * std::abs(x)) << x;
  }
}

TEST(Scalar, LogAddAndLogDiff) {
  for (const auto& [a, b] : std::vector<std::array<double, 2>>{
           {0, 0}, {3, -2}, {1000, 999.5}, {-1e5, -1e5 - 40}, {700, -700}, {1e300, 1}}) {
    const long double gap = static_cast<long double>(b) - a;
    EXPECT_LE(ulps(log_add_exp(a, b), a + std::log1p(std::exp(gap))), 2);
    EXPECT_EQ(log_add_exp(a, b), log_add_exp(b, a));
    if (a > b) {
      EXPECT_LE(ulps(log_diff_exp(a, b), a + std::log(-std::expm1(gap))), 2) << a << ' ' << b;
    }
  }
  EXPECT_EQ(log_add_exp(-kInfinity, -kInfinity), -kInfinity);
  EXPECT_EQ(log_add_exp(-kInfinity, 3), 3);
  EXPECT_EQ(log_add_exp(kInfinity, 3), kInfinity);
  EXPECT_EQ(log_diff_exp(3, 3), -kInfinity);
  EXPECT_EQ(log_diff_exp(3, -kInfinity), 3);
  EXPECT_EQ(log_diff_exp(-kInfinity, -kInfinity), -kInfinity);
  EXPECT_TRUE(std::isnan(log_diff_exp(1, 2)));
}

}  // namespace
}  // namespace partita
