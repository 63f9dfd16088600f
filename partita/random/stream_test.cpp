// SPDX-License-Identifier: Apache-2.0
#include "partita/random/stream.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <limits>
#include <numbers>
#include <set>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

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

TEST(Exponential, HasItsDistribution) {
  const Stream stream{8, 0};
  EXPECT_GT(ks_p_value(sample([&](std::size_t i) { return stream.exponential(i); }),
                       [](double x) { return -std::expm1(-x); }),
            kFalseAlarm);
}

TEST(Normal, HasItsDistribution) {
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
  EXPECT_LT(std::abs(plain) / std::sqrt(kDraws), kFiveSigma);
  EXPECT_LT(std::abs(squares) / std::sqrt(kDraws), kFiveSigma);
}

TEST(Gumbel, HasItsDistributionAndNotTheExponential) {
  const Stream stream{11, 0};
  const auto gumbel_cdf = [](double g) { return std::exp(-std::exp(-g)); };
  const auto draws = sample([&](std::size_t i) { return stream.gumbel(i); });
  EXPECT_GT(ks_p_value(draws, gumbel_cdf), kFalseAlarm);
  const auto exponentials = sample([&](std::size_t i) { return stream.exponential(i); });
  EXPECT_LT(ks_p_value(exponentials, gumbel_cdf), kFalseAlarm);
}

/// All paths of `depth` numbers out of `numbers`, and of fewer.
void collect(const Stream& stream, std::size_t depth, const std::vector<std::uint64_t>& numbers,
             std::vector<Stream>& out) {
  out.push_back(stream);
  if (depth == 0) return;
  for (const std::uint64_t n : numbers) collect(stream.child(n), depth - 1, numbers, out);
}

TEST(Child, DifferentPathsAreDifferentCounters) {
  // Numbers of every length, next to the places where the length changes, and such as could be
  // taken for the length and digits of others.
  const std::vector<std::uint64_t> numbers = {
      0, 1, 2, 15, 16, 17, 0x10, 0x101, 0x1011, 0xfffff, 1000, 1U << 20U, kOnes / 16, kOnes};
  std::vector<Stream> streams;
  collect({.seed = 1, .id = 2}, 4, numbers, streams);
  collect({.seed = 1, .id = 3}, 3, numbers, streams);
  std::set<std::array<std::uint64_t, 5>> keys;
  std::set<std::uint64_t> bits;
  std::size_t still_first_key = 0;
  for (const Stream& s : streams) {
    keys.insert({s.seed, s.id, s.path[0], s.path[1], s.path[2]});
    bits.insert(s.bits(0));
    still_first_key += s.seed == 1 ? 1 : 0;
  }
  const std::set<std::uint64_t> distinct(numbers.begin(), numbers.end());
  std::size_t expected = 0;
  for (std::size_t depth = 0, paths = 1; depth <= 4; ++depth, paths *= distinct.size()) {
    expected += (depth <= 3 ? 2 : 1) * paths;
  }
  EXPECT_EQ(keys.size(), expected);
  EXPECT_EQ(bits.size(), expected);            // 64 bits of 40,000 streams: equal ones at 5e-11
  EXPECT_LT(still_first_key, streams.size());  // some paths were too long for a counter
}

TEST(Child, APathIsItsDigits) {
  const Stream root{.seed = 7, .id = 8};
  EXPECT_EQ(root.child(0).path, (std::array<std::uint64_t, 3>{0x100, 0, 0}));
  EXPECT_EQ(root.child(0x2a).child(5).path, (std::array<std::uint64_t, 3>{0x112a05, 0, 0}));
  EXPECT_EQ(root.child(kOnes).path, (std::array<std::uint64_t, 3>{kOnes, 0x1f, 0}));
  EXPECT_EQ(root.child(kOnes).seed, 7);
  EXPECT_EQ(root.child(kOnes).id, 8);
  // A root's draws are those of Philox's counter (position / 4, 0, 0, 0), as ever.
  EXPECT_EQ(root.path, (std::array<std::uint64_t, 3>{}));
}

TEST(Child, APathThatIsFullGoesOnUnderANewKey) {
  Stream stream{.seed = 7};
  for (int i = 0; i < 23; ++i) stream = stream.child(15);  // 2 digits each: 46 of 47
  EXPECT_EQ(stream.seed, 7);
  const Stream a = stream.child(0);
  const Stream b = stream.child(1);
  EXPECT_NE(a.seed, 7);
  EXPECT_EQ(a.seed, b.seed);
  EXPECT_EQ(a.path, Stream{}.child(0).path);
  EXPECT_EQ(b.path, Stream{}.child(1).path);
  EXPECT_NE(stream.child(0).seed, Stream{.seed = 8}.child(0).seed);
}

/// First draws of many streams must be as independent as draws of one.
template <class Family>
void expect_independent(const Family& family) {
  constexpr std::size_t kStreams = 200'000;
  std::vector<double> first(kStreams);
  double correlation = 0;
  for (std::size_t i = 0; i < kStreams; ++i) {
    first[i] = family(i).uniform(0);
    correlation += family(i).normal(0) * family(i + 1).normal(0);
  }
  EXPECT_GT(ks_p_value(first, [](double u) { return u; }), kFalseAlarm);
  EXPECT_LT(std::abs(correlation) / std::sqrt(kStreams), kFiveSigma);
}

TEST(Child, DrawsOfManyStreamsAreIndependent) {
  const Stream root{.seed = 12};
  expect_independent([&](std::uint64_t i) { return root.child(i); });
  expect_independent([&](std::uint64_t i) { return root.child(i).child(3); });
  expect_independent([&](std::uint64_t i) { return root.child(i % 500).child(i / 500); });
  expect_independent([&](std::uint64_t i) { return root.child(kOnes).child(kOnes - i).child(i); });
  // A stream and its child, position by position.
  double correlation = 0;
  for (std::size_t i = 0; i < kDraws; ++i) correlation += root.normal(i) * root.child(0).normal(i);
  EXPECT_LT(std::abs(correlation) / std::sqrt(kDraws), kFiveSigma);
}

TEST(Streams, GiveEachRowItsOwn) {
  const Stream parent{5, 100};
  EXPECT_EQ(Streams(parent)[3], parent.child(3));
  EXPECT_EQ(Streams(parent, 1000)[3], parent.child(1003));
  const std::vector<Stream> list = {{1, 1}, {2, 2}};
  const Streams listed(list);
  EXPECT_EQ(listed[1], (Stream{2, 2}));
  EXPECT_NO_THROW(listed.check_covers(2));
  EXPECT_THROW(listed.check_covers(3), InvalidArgument);
}

}  // namespace
}  // namespace partita
