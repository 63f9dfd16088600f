// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/categorical.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <string>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "targets.hpp"

namespace partita {
namespace {

using testing::message_of;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

/// Normal logits of standard deviation 2, some of them -inf.
template <class T>
std::vector<T> some_logits(std::size_t n, std::uint64_t id) {
  Draws draws(Stream{.seed = 51, .id = id});
  std::vector<T> z(n);
  for (T& each : z) {
    each =
        static_cast<T>(static_cast<float>(draws.uniform() < 0.1 ? -kInfinity : 2 * draws.normal()));
  }
  z[n / 2] = static_cast<T>(1.0F);
  return z;
}

std::vector<double> counts(std::span<const std::int64_t> drawn, std::size_t categories) {
  std::vector<double> observed(categories);
  for (const std::int64_t c : drawn) ++observed.at(static_cast<std::size_t>(c));
  return observed;
}

/// The expected counts of `draws` from softmax.
template <class T>
std::vector<double> expectations(const std::vector<T>& z, std::size_t draws) {
  std::vector<double> expected;
  double sum = 0;
  for (const T each : z) {
    expected.push_back(std::exp(static_cast<double>(static_cast<float>(each))));
    sum += expected.back();
  }
  for (double& e : expected) e *= static_cast<double>(draws) / sum;
  return expected;
}

template <class T>
class CategoricalTest : public ::testing::Test {};
using Types = ::testing::Types<float, double, bfloat16, float16>;
TYPED_TEST_SUITE(CategoricalTest, Types);

TYPED_TEST(CategoricalTest, DrawsFollowTheSoftmax) {
  // Sizes within a lane, a block, and at their borders. With tables, and without.
  for (const std::size_t v : {1U, 2U, 15U, 17U, 511U, 512U, 513U, 1000U, 2049U}) {
    const auto z = some_logits<TypeParam>(v, v);
    constexpr std::size_t kDraws = 200'000;
    const auto expected = expectations(z, kDraws);
    std::vector<std::int64_t> drawn(kDraws);
    for (const std::size_t said : {kDraws, std::size_t{1}}) {
      CategoricalSampler sampler;
      sampler.reset(Rows(z.data(), 1, v), 0, said);
      sampler.draw({.seed = 52, .id = v}, 0, drawn);
      EXPECT_GT(chi_square_p_value(counts(drawn, v), expected), kFalseAlarm) << v;
    }
  }
}

TYPED_TEST(CategoricalTest, DrawsDependOnTheirPositionAlone) {
  for (const std::size_t v : {3U, 500U, 5000U}) {
    const auto z = some_logits<TypeParam>(v, v + 1);
    const Rows row(z.data(), 1, v);
    const Stream stream{.seed = 53, .id = v};
    const std::span one_row(&stream, 1);
    constexpr std::size_t kDraws = 10'000;
    const auto many = categorical(row, kDraws, one_row);
    for (const std::size_t draws : {1U, 2U, 5U, 19U, 20U, 64U}) {
      const auto few = categorical(row, draws, one_row);
      EXPECT_TRUE(std::equal(few.begin(), few.end(), many.begin())) << v << ", " << draws;
    }
    // Without tables, which few draws do not have, and in pieces.
    CategoricalSampler sampler;
    sampler.reset(row, 0, 1);
    std::vector<std::int64_t> pieces(kDraws);
    for (std::size_t i = 0; i < kDraws; i += 7) {
      sampler.draw(stream, i, std::span(pieces).subspan(i, std::min<std::size_t>(7, kDraws - i)));
    }
    EXPECT_EQ(pieces, many) << v;
  }
}

TEST(Categorical, DrawsAreTheSameOnEveryTarget) {
  for (const std::size_t v : {17U, 1000U, 5000U}) {
    const auto z = some_logits<float>(v, v + 2);
    const Rows row(z.data(), 1, v);
    const auto drawn = categorical(row, 3000, Stream{59, v});
    for (const std::int64_t target : testing::targets()) {
      const testing::OnTarget on(target);
      EXPECT_EQ(categorical(row, 3000, Stream{59, v}), drawn)
          << hwy::TargetName(target) << ", " << v;
    }
  }
}

TEST(Categorical, ReachesTheTail) {
  // 262,144 categories of which one is 20.5 above the others: the tail has probability 3.3e-4, of
  // 1e5 draws 32.8.
  constexpr std::size_t kCategories = 262'144;
  constexpr std::size_t kDraws = 100'000;
  std::vector<float> z(kCategories, -20.5F);
  for (const std::size_t top : {0U, 777U, 262'143U}) {
    z[top] = 0;
    double seen = 0;
    std::vector<double> quarters(4);
    for (const std::int64_t c : categorical(Rows(std::span(z)), kDraws, Stream{54, top})) {
      if (c == static_cast<std::int64_t>(top)) continue;
      ++seen;
      ++quarters[static_cast<std::size_t>(c) / (kCategories / 4)];
    }
    const double expected =
        kDraws * kCategories * std::exp(-20.5) / (1 + kCategories * std::exp(-20.5));
    EXPECT_LT(std::abs(seen - expected), kFiveSigma * std::sqrt(expected));
    EXPECT_GT(chi_square_p_value(quarters, std::vector<double>(4, seen / 4)), kFalseAlarm);
    z[top] = -20.5F;
  }
}

TEST(Categorical, TakesAnyStridesAndRows) {
  const auto z = some_logits<float>(std::size_t{6} * 700, 1);
  const Rows rows(z.data(), 6, 700);
  std::vector<float> transposed(z.size());
  for (std::size_t r = 0; r < 6; ++r) {
    for (std::size_t c = 0; c < 700; ++c) transposed[c * 6 + r] = z[r * 700 + c];
  }
  const auto drawn = categorical(rows, 40, Stream{55, 10});
  EXPECT_EQ(categorical(Rows(transposed.data(), 6, 700, 1, 6), 40, Stream{55, 10}), drawn);
  EXPECT_EQ(categorical(rows, 40, Stream{55, 10}, {.threads = 3}), drawn);
  for (std::size_t r = 0; r < 6; ++r) {
    const auto alone = categorical(rows.slice(r, 1), 40, {Stream{55, 10}, r});
    EXPECT_TRUE(std::equal(alone.begin(), alone.end(),
                           drawn.begin() + static_cast<std::ptrdiff_t>(r) * 40));
  }
  EXPECT_TRUE(categorical(rows, 0, Stream{55, 10}).empty());
}

TEST(Categorical, NeverDrawsTheImpossible) {
  // One possible category among thousands, wherever it stands.
  for (const std::size_t v : {1U, 16U, 700U, 3000U}) {
    for (const std::size_t only : {std::size_t{0}, v / 3, v - 1}) {
      std::vector<double> z(v, -kInfinity);
      z[only] = -745;
      for (const std::size_t draws : {1U, 100U}) {
        for (const std::int64_t c :
             categorical(Rows(std::span<const double>(z)), draws, Stream{56, v})) {
          EXPECT_EQ(c, only);
        }
      }
    }
  }
}

TEST(Categorical, DrawsFromLogitsFarApart) {
  // The second largest has a probability of 1e-3 in any block; the rest cannot be seen.
  for (const std::size_t second : {1U, 16U, 512U, 600U}) {
    std::vector<float> z(1100, -1e30F);
    z[0] = 3e4F;
    z[second] = 3e4F - 6.90625F;  // exact
    constexpr std::size_t kDraws = 100'000;
    const auto drawn = categorical(Rows(std::span<const float>(z)), kDraws, Stream{57, second});
    const auto p = std::exp(-6.90625) / (1 + std::exp(-6.90625));
    std::vector<double> expected(z.size());
    expected[0] = (1 - p) * kDraws;
    expected[second] = p * kDraws;
    EXPECT_GT(chi_square_p_value(counts(drawn, z.size()), expected), kFalseAlarm) << second;
  }
}

TEST(Categorical, BadRowsFailAlone) {
  auto z = some_logits<double>(std::size_t{5} * 600, 2);
  const Rows rows(z.data(), 5, 600);
  const auto good = categorical(rows, 10, Stream{58});
  z[600 + 17] = kNaN;
  z[3 * 600 + 599] = kInfinity;
  std::fill(z.begin() + 2400, z.end(), -kInfinity);  // row 4
  EXPECT_EQ(message_of<InvalidArgument>([&] { categorical(rows, 10, Stream{58}); }),
            "logits: row 1: NaN at column 17");
  std::vector<RowError> errors;
  const auto drawn = categorical(rows, 10, Stream{58}, {.errors = &errors});
  ASSERT_EQ(errors.size(), 3);
  EXPECT_EQ(errors[0].row, 1);
  EXPECT_EQ(errors[1].reason, "+inf at column 599");
  EXPECT_EQ(errors[2].reason, "every category is impossible (all -inf)");
  for (std::size_t r = 0; r < 5; ++r) {
    for (std::size_t j = 0; j < 10; ++j) {
      EXPECT_EQ(drawn[r * 10 + j], r == 0 || r == 2 ? good[r * 10 + j] : -1);
    }
  }
  const std::vector<Stream> few(2);
  EXPECT_THROW(categorical(rows, 1, std::span(few)), InvalidArgument);
}

}  // namespace
}  // namespace partita
