// SPDX-License-Identifier: Apache-2.0
#include "partita/base/internal/check.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "partita/base/error.hpp"
#include "tests/support/errors.hpp"

namespace partita {
namespace {

using testing::message_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::size_t kLargest = std::numeric_limits<std::size_t>::max();

template <class Check>
std::string refusal(const Check& check) {
  return message_of<InvalidArgument>(check);
}

double below(double x) { return std::nextafter(x, -kInfinity); }
double above(double x) { return std::nextafter(x, kInfinity); }

TEST(CheckAtLeast, AcceptsTheLeast) {
  check_at_least("k", 1, 1);
  check_at_least("k", std::numeric_limits<int>::max(), 1);
  check_at_least("k", -1, -1);
  EXPECT_EQ(refusal([] { check_at_least("k", 0, 1); }), "k: expected 1 or more, got 0");
  EXPECT_EQ(refusal([] { check_at_least("k", -2, -1); }), "k: expected -1 or more, got -2");
  EXPECT_EQ(refusal([] { check_at_least("k", 1, 2, "draws"); }),
            "k: expected 2 or more (draws), got 1");
}

TEST(CheckAtLeast, ComparesSizesAndSignedNumbersAsNumbers) {
  check_at_least("k", kLargest, 1);
  check_at_least("k", std::uint8_t{1}, std::int64_t{-1});
  EXPECT_EQ(refusal([] { check_at_least("k", -1, kLargest); }),
            "k: expected 18446744073709551615 or more, got -1");
  EXPECT_EQ(refusal([] { check_at_least("k", std::numeric_limits<std::int64_t>::min(), 0U); }),
            "k: expected 0 or more, got -9223372036854775808");
}

TEST(CheckBetween, AcceptsBothEnds) {
  check_between("k", 1, 1, 5);
  check_between("k", 5, 1, 5);
  check_between("token", -1, -1, std::size_t{3});
  EXPECT_EQ(refusal([] { check_between("k", 0, 1, 5); }), "k: expected 1..5, got 0");
  EXPECT_EQ(refusal([] { check_between("k", 6, 1, 5); }), "k: expected 1..5, got 6");
  EXPECT_EQ(refusal([] { check_between("k", kLargest, 1, std::size_t{5}, "categories"); }),
            "k: expected 1..5 (categories), got 18446744073709551615");
  EXPECT_EQ(refusal([] { check_between("token", -2, -1, std::size_t{3}, "-1: none"); }),
            "token: expected -1..3 (-1: none), got -2");
}

TEST(CheckIndex, AcceptsWhatIsBelowTheSize) {
  check_index("token", 0, 3);
  check_index("token", 2, 3);
  EXPECT_EQ(refusal([] { check_index("token", -1, 3); }), "token: expected 0..2, got -1");
  EXPECT_EQ(refusal([] { check_index("token", 3, 3, "tokens"); }),
            "token: expected 0..2 (tokens), got 3");
  EXPECT_EQ(refusal([] { check_index("token", 0, 0); }), "token: expected 0..-1, got 0");
  EXPECT_EQ(refusal([] { check_index("token", -1, kLargest); }).substr(0, 19),
            "token: expected 0..");
}

TEST(CheckSize, AcceptsNoOther) {
  check_size("labels", 3, 3, "one for each row");
  EXPECT_EQ(refusal([] { check_size("labels", 2, 3, "one for each row"); }),
            "labels: expected 3 (one for each row), got 2");
  EXPECT_EQ(refusal([] { check_size("labels", 4, 3, "one for each row"); }),
            "labels: expected 3 (one for each row), got 4");
}

TEST(CheckIn, HasOpenAndClosedEnds) {
  constexpr RealInterval open("(0, 1)");
  constexpr RealInterval left("[0, 1)");
  constexpr RealInterval right("(0, 1]");
  constexpr RealInterval closed("[0, 1]");
  for (const double end : {0.0, 1.0}) {
    EXPECT_FALSE(open.contains(end));
    EXPECT_TRUE(closed.contains(end));
    EXPECT_EQ(left.contains(end), end == 0);
    EXPECT_EQ(right.contains(end), end == 1);
  }
  for (const RealInterval& each : {open, left, right, closed}) {
    EXPECT_TRUE(each.contains(above(0)));
    EXPECT_TRUE(each.contains(below(1)));
    for (const double x : {below(0), above(1), -kInfinity, kInfinity, kNan}) {
      EXPECT_FALSE(each.contains(x)) << x;
    }
  }
}

TEST(CheckIn, HasInfiniteEnds) {
  const double largest = std::numeric_limits<double>::max();
  constexpr RealInterval finite("(-inf, inf)");
  constexpr RealInterval clip("(0, inf]");
  constexpr RealInterval logit("[-inf, inf)");
  EXPECT_TRUE(finite.contains(largest) && finite.contains(-largest));
  EXPECT_FALSE(finite.contains(kInfinity) || finite.contains(-kInfinity));
  EXPECT_TRUE(clip.contains(kInfinity));
  EXPECT_FALSE(clip.contains(0));
  EXPECT_TRUE(logit.contains(-kInfinity));
  EXPECT_FALSE(logit.contains(kInfinity));
  for (const RealInterval& each : {finite, clip, logit}) EXPECT_FALSE(each.contains(kNan));
}

TEST(CheckIn, ReadsDecimals) {
  EXPECT_TRUE(RealInterval("[-0.125, 0.99]").contains(0.99));
  EXPECT_FALSE(RealInterval("[-0.125, 0.99]").contains(above(0.99)));
  EXPECT_TRUE(RealInterval("[-0.125, 0.99]").contains(-0.125));
  EXPECT_FALSE(RealInterval("[-0.125, 0.99]").contains(below(-0.125)));
  EXPECT_FALSE(RealInterval("(-20.5, 100)").contains(-20.5));
  EXPECT_TRUE(RealInterval("(-20.5, 100)").contains(below(100)));
}

TEST(CheckIn, SaysTheInterval) {
  check_in("top_p", 1, "(0, 1]");
  EXPECT_EQ(refusal([] { check_in("top_p", 0, "(0, 1]"); }),
            "top_p: expected a number in (0, 1], got 0");
  EXPECT_EQ(refusal([] { check_in("top_p", kNan, "(0, 1]"); }),
            "top_p: expected a number in (0, 1], got nan");
  EXPECT_EQ(refusal([] { check_in("x", -kInfinity, "(-inf, inf)"); }),
            "x: expected a number in (-inf, inf), got -inf");
}

}  // namespace
}  // namespace partita
