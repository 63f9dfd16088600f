#include "partita/random/stream.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <numbers>
#include <set>

#include "partita/base/error.hpp"
#include "statistics.hpp"

namespace partita {
namespace {

using testing::kFalseAlarm;
using testing::ks_p_value;

constexpr std::size_t kDraws = 1'000'000;
constexpr std::uint64_t kOnes = std::numeric_limits<std::uint64_t>::max();

template <class Draw>
std::vector<double> sample(const Draw& draw) {
  std::vector<double> values(kDraws);
  for (std::size_t i = 0; i < kDraws; ++i) values[i] = draw(i);
  return values;
}

TEST(Stream, MatchesTheKnownAnswersOfPhilox) {
  // Random123's known-answer file: philox4x64-10 with all words of counter and key zero.
  const auto words = Stream{0, 0}.words(0);
  EXPECT_EQ(words[0], 0x16554d9eca36314cULL);
  EXPECT_EQ(words[1], 0xdb20fe9d672d0fdcULL);
  EXPECT_EQ(words[2], 0xd7e772cee186176bULL);
  EXPECT_EQ(words[3], 0x7e68b68aec7ba23bULL);
}

TEST(Stream, NeverChanges) {
  // These numbers are part of the format: a release that alters them breaks everybody's seeds.
  const Stream stream{.seed = 1, .id = 2};
  EXPECT_EQ(stream.bits(0), Stream(stream).words(0)[0]);
  EXPECT_EQ(stream.bits(7), stream.words(1)[3]);
  EXPECT_EQ(stream.bits(0), 0x46fdf329c224985eULL);
  EXPECT_DOUBLE_EQ(stream.exponential(0), 1.2826103678177869);
  EXPECT_DOUBLE_EQ(stream.normal(0), -0.38616182260706799);
  EXPECT_DOUBLE_EQ(stream.gumbel(0), -0.24889735113811695);
  EXPECT_EQ(stream.uniform(5), uniform_from_bits(stream.bits(5)));
}

TEST(Stream, DrawsReadInOrder) {
  const Stream stream{3, 4};
  Draws draws(stream, 2);
  EXPECT_EQ(draws.bits(), stream.bits(2));
  EXPECT_EQ(draws.uniform(), stream.uniform(3));
  EXPECT_EQ(draws.exponential(), stream.exponential(4));
  EXPECT_EQ(draws.gumbel(), stream.gumbel(5));
  EXPECT_EQ(draws.position(), 6);
}

TEST(Stream, DifferentSeedsStreamsAndPositionsDiffer) {
  std::set<std::uint64_t> seen;
  for (std::uint64_t seed = 0; seed < 10; ++seed) {
    for (std::uint64_t id = 0; id < 10; ++id) {
      for (std::uint64_t position = 0; position < 10; ++position) {
        seen.insert(Stream{seed, id}.bits(position));
      }
    }
  }
  EXPECT_EQ(seen.size(), 1000);
}

TEST(Uniform, IsOpenAtBothEnds) {
  EXPECT_EQ(uniform_from_bits(0), 0x1p-54);
  EXPECT_EQ(uniform_from_bits(1U << 11U), 0x1p-53);
  EXPECT_EQ(uniform_from_bits(kOnes), 1 - 0x1p-53);
}

TEST(Uniform, IsUniform) {
  const Stream stream{7, 0};
  EXPECT_GT(ks_p_value(sample([&](std::size_t i) { return stream.uniform(i); }),
                       [](double u) { return u; }),
            kFalseAlarm);
}

TEST(Exponential, IsFiniteAndPositiveAtTheEnds) {
  EXPECT_NEAR(exponential_from_bits(0), 65 * std::numbers::ln2, 1e-12);
  EXPECT_NEAR(exponential_from_bits(kOnes) / 0x1p-65, 1, 1e-12);
  // Where the two forms meet.
  EXPECT_GE(exponential_from_bits((1ULL << 63U) - 1), exponential_from_bits(1ULL << 63U));
  EXPECT_NEAR(exponential_from_bits(1ULL << 63U), std::numbers::ln2, 1e-15);
}

TEST(Exponential, HasItsLaw) {
  const Stream stream{8, 0};
  EXPECT_GT(ks_p_value(sample([&](std::size_t i) { return stream.exponential(i); }),
                       [](double x) { return -std::expm1(-x); }),
            kFalseAlarm);
}

TEST(Normal, HasItsLaw) {
  const Stream stream{9, 0};
  const auto cdf = [](double x) { return std::erfc(-x / std::numbers::sqrt2) / 2; };
  EXPECT_GT(ks_p_value(sample([&](std::size_t i) { return stream.normal(i); }), cdf), kFalseAlarm);
  // A missing 2 under the root must not pass.
  EXPECT_LT(ks_p_value(
                sample([&](std::size_t i) { return stream.normal(i) / std::numbers::sqrt2; }), cdf),
            kFalseAlarm);
}

TEST(Normal, NeighborsAreUncorrelated) {
  const Stream stream{10, 0};
  // Cosine and sine of one pair, and their squares: independent, so correlations are N(0, 1/n).
  double plain = 0;
  double squares = 0;
  for (std::size_t i = 0; i < kDraws; ++i) {
    const double a = stream.normal(2 * i);
    const double b = stream.normal(2 * i + 1);
    plain += a * b;
    squares += (a * a - 1) * (b * b - 1) / 2;
  }
  EXPECT_LT(std::abs(plain) / std::sqrt(kDraws), testing::kFiveSigma);
  EXPECT_LT(std::abs(squares) / std::sqrt(kDraws), testing::kFiveSigma);
}

TEST(Gumbel, HasItsLawAndNotAnExponentials) {
  const Stream stream{11, 0};
  const auto gumbel_cdf = [](double g) { return std::exp(-std::exp(-g)); };
  const auto draws = sample([&](std::size_t i) { return stream.gumbel(i); });
  EXPECT_GT(ks_p_value(draws, gumbel_cdf), kFalseAlarm);
  const auto exponentials = sample([&](std::size_t i) { return stream.exponential(i); });
  EXPECT_LT(ks_p_value(exponentials, gumbel_cdf), kFalseAlarm);
}

TEST(Streams, GiveEachRowItsOwn) {
  const Streams counted{5, 100};
  EXPECT_EQ(counted[3], (Stream{5, 103}));
  const std::vector<Stream> list = {{1, 1}, {2, 2}};
  const Streams listed(list);
  EXPECT_EQ(listed[1], (Stream{2, 2}));
  EXPECT_NO_THROW(listed.check_covers(2));
  EXPECT_THROW(listed.check_covers(3), InvalidArgument);
}

}  // namespace
}  // namespace partita
