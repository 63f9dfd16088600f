// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/gumbel_top_k.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <ostream>
#include <random>
#include <set>
#include <vector>

#include "partita/gumbel/gumbel.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The same row n times over, without the memory: a row stride of 0.
template <class T>
Rows repeat(const std::vector<T>& row, std::size_t n) {
  return {row.data(), n, row.size(), 0};
}

/// The textbook: one Gumbel per category, and a sort.
std::vector<std::int64_t> plain_top_k(const std::vector<double>& logits, std::size_t k,
                                      Stream stream) {
  std::vector<double> perturbed(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) perturbed[i] = logits[i] + stream.gumbel(i);
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::sort(order.begin(), order.end(), [&](auto a, auto b) {
    return perturbed[static_cast<std::size_t>(a)] > perturbed[static_cast<std::size_t>(b)];
  });
  order.resize(k);
  return order;
}

/// Probability of an ordered sample without replacement (Plackett and Luce).
double plackett_luce(const std::vector<double>& logits, const std::vector<std::size_t>& order) {
  double left = 0;
  for (const double z : logits) left += std::exp(z);
  double probability = 1;
  for (const std::size_t i : order) {
    probability *= std::exp(logits[i]) / left;
    left -= std::exp(logits[i]);
  }
  return probability;
}

enum class Method { exact, bounded, plain };

const char* name(Method method) {
  return method == Method::exact ? "Exact" : method == Method::bounded ? "Bounded" : "Plain";
}
void PrintTo(Method method, std::ostream* out) { *out << name(method); }

class TopKDistribution : public ::testing::TestWithParam<Method> {
 protected:
  std::vector<std::int64_t> draw(const std::vector<double>& logits, std::size_t k, std::size_t n,
                                 std::uint64_t seed) const {
    if (GetParam() != Method::plain) {
      return gumbel_top_k(repeat(logits, n), k, Stream{seed},
                          {.log_sum_exp = GetParam() == Method::exact})
          .indices;
    }
    std::vector<std::int64_t> indices;
    for (std::size_t row = 0; row < n; ++row) {
      const auto one = plain_top_k(logits, k, {seed, row});
      indices.insert(indices.end(), one.begin(), one.end());
    }
    return indices;
  }
};
INSTANTIATE_TEST_SUITE_P(Methods, TopKDistribution,
                         ::testing::Values(Method::exact, Method::bounded, Method::plain),
                         [](const auto& m) { return name(m.param); });

TEST_P(TopKDistribution, EveryOrderedPairAndTripleHasItsProbability) {
  const std::vector<double> logits = {0.0, 1.5, -1.0, 0.4, -2.5};
  const std::size_t v = logits.size();
  constexpr std::size_t kRows = 600'000;
  const auto indices = draw(logits, 3, kRows, 1);
  std::vector<double> pairs(v * v);
  std::vector<double> triples(v * v * v);
  for (std::size_t row = 0; row < kRows; ++row) {
    const auto* i = &indices[row * 3];
    const auto pair = static_cast<std::size_t>(i[0]) * v + static_cast<std::size_t>(i[1]);
    ++pairs[pair];
    ++triples[pair * v + static_cast<std::size_t>(i[2])];
  }
  std::vector<double> expected_pairs(v * v);
  std::vector<double> expected_triples(v * v * v);
  for (std::size_t a = 0; a < v; ++a) {
    for (std::size_t b = 0; b < v; ++b) {
      if (a == b) continue;
      expected_pairs[a * v + b] = kRows * plackett_luce(logits, {a, b});
      for (std::size_t c = 0; c < v; ++c) {
        if (c == a || c == b) continue;
        expected_triples[(a * v + b) * v + c] = kRows * plackett_luce(logits, {a, b, c});
      }
    }
  }
  EXPECT_GT(chi_square_p_value(pairs, expected_pairs), kFalseAlarm);
  EXPECT_GT(chi_square_p_value(triples, expected_triples), kFalseAlarm);
}

TEST_P(TopKDistribution, FirstAndSecondOfAWideRow) {
  // Three blocks, the last one short; probabilities in groups of categories that are likely
  // together.
  std::mt19937_64 random(1);
  std::normal_distribution<double> normal(0, 2);
  std::vector<double> logits(1200);
  for (double& z : logits) z = normal(random);
  logits[3] = 7;     // second category, first block
  logits[1199] = 6;  // last category
  constexpr std::size_t kGroups = 24;
  const std::size_t rows = GetParam() == Method::plain ? 10'000 : 100'000;  // plain is slow
  const auto indices = draw(logits, 2, rows, 2);
  const auto group = [&](std::size_t i) {
    return i == 3 ? kGroups : i == 1199 ? kGroups + 1 : i % kGroups;
  };
  std::vector<double> first(kGroups + 2);
  std::vector<double> second(kGroups + 2);
  std::vector<double> expected_first(kGroups + 2);
  std::vector<double> expected_second(kGroups + 2);
  for (std::size_t row = 0; row < rows; ++row) {
    ++first[group(static_cast<std::size_t>(indices[2 * row]))];
    ++second[group(static_cast<std::size_t>(indices[2 * row + 1]))];
  }
  double total = 0;
  for (const double z : logits) total += std::exp(z);
  double sum = 0;  // sum over a of p_a / (1 - p_a)
  for (const double z : logits) sum += std::exp(z) / (total - std::exp(z));
  for (std::size_t b = 0; b < logits.size(); ++b) {
    const double p = std::exp(logits[b]) / total;
    expected_first[group(b)] += static_cast<double>(rows) * p;
    expected_second[group(b)] += static_cast<double>(rows) * p * (sum - p / (1 - p));
  }
  EXPECT_GT(chi_square_p_value(first, expected_first), kFalseAlarm);
  EXPECT_GT(chi_square_p_value(second, expected_second), kFalseAlarm);
}

// What the plain method cannot afford.
class FastTopKDistribution : public TopKDistribution {};
INSTANTIATE_TEST_SUITE_P(Methods, FastTopKDistribution,
                         ::testing::Values(Method::exact, Method::bounded),
                         [](const auto& m) { return name(m.param); });

TEST_P(FastTopKDistribution, TailOfManyUnlikelyCategoriesIsReached) {
  // 262,144 categories 20.5 below one: together they have probability 3.28e-4. Single-precision
  // Gumbels never reach that far.
  std::vector<float> logits(262'145, -20.5F);
  logits[0] = 0;
  constexpr std::size_t kRows = 100'000;
  const bool exact = GetParam() == Method::exact;
  const auto sample =
      gumbel_top_k(repeat(logits, kRows), 1, Stream{3}, {.threads = 2, .log_sum_exp = exact});
  if (exact) {
    EXPECT_NEAR(sample.log_sum_exp[0], std::log1p(262'144 * std::exp(-20.5)), 1e-9);
  }
  double hits = 0;
  for (const auto i : sample.indices) hits += i != 0;
  const double p = 262'144 * std::exp(-20.5) / (1 + 262'144 * std::exp(-20.5));
  const std::vector<double> observed = {hits, kRows - hits};
  const std::vector<double> expected = {kRows * p, kRows * (1 - p)};
  EXPECT_NEAR(kRows * p, 32.8, 0.1);
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << hits;
}

TEST_P(FastTopKDistribution, ImpossibleCategoriesAreNeverDrawn) {
  std::vector<float> logits(150, -std::numeric_limits<float>::infinity());
  for (std::size_t i = 0; i < logits.size(); i += 3) logits[i] = static_cast<float>(i % 7) - 3;
  constexpr std::size_t kRows = 200'000;
  const auto indices = gumbel_top_k(repeat(logits, kRows), 50, Stream{4},
                                    {.threads = 2, .log_sum_exp = GetParam() == Method::exact})
                           .indices;
  ASSERT_EQ(indices.size(), 10'000'000);
  EXPECT_TRUE(std::all_of(indices.begin(), indices.end(), [](auto i) { return i % 3 == 0; }));
}

// With k = V every category's noise is known: V independent standard Gumbels.
class FullTopK : public ::testing::TestWithParam<bool> {};
INSTANTIATE_TEST_SUITE_P(Methods, FullTopK, ::testing::Bool(),
                         [](const auto& exact) { return exact.param ? "Exact" : "Bounded"; });

TEST_P(FullTopK, NoiseIsIndependentStandardGumbels) {
  std::mt19937_64 random(7);
  for (const double sigma :
       {0.0, 1.0, 6.0, 120.0}) {  // the last one spans far more than float's exp
    std::normal_distribution<double> normal(0, sigma + 1e-9);
    std::vector<double> logits(700);
    for (double& z : logits) z = normal(random);
    const std::size_t v = logits.size();
    constexpr std::size_t kRows = 400;
    const TopKSample sample =
        gumbel_top_k(repeat(logits, kRows), v, Stream{5}, {.log_sum_exp = GetParam()});
    const double lse = GetParam() ? sample.log_sum_exp[0] : 0;
    std::vector<double> noise;
    std::vector<double> likeliest;  // the noise of the category with the largest logit
    double neighbors = 0;
    const auto top = std::max_element(logits.begin(), logits.end()) - logits.begin();
    for (std::size_t row = 0; row < kRows; ++row) {
      std::set<std::int64_t> seen;
      std::vector<double> of_category(v);
      for (std::size_t j = row * v; j < (row + 1) * v; ++j) {
        seen.insert(sample.indices[j]);
        const double g = sample.perturbed[j] - sample.log_prob[j];
        of_category[static_cast<std::size_t>(sample.indices[j])] = g;
        EXPECT_NEAR(sample.log_prob[j] + lse, logits[static_cast<std::size_t>(sample.indices[j])],
                    1e-12);
        if (j > row * v) {
          ASSERT_LE(sample.perturbed[j], sample.perturbed[j - 1]);
        }
      }
      ASSERT_EQ(seen.size(), v);
      noise.insert(noise.end(), of_category.begin(), of_category.end());
      likeliest.push_back(of_category[static_cast<std::size_t>(top)]);
      for (std::size_t i = 16; i < v; ++i) {  // in one cell
        neighbors +=
            (gumbel_cdf(of_category[i]) - 0.5) * (gumbel_cdf(of_category[i - 16]) - 0.5) * 12;
      }
    }
    const auto cdf = [](double g) { return gumbel_cdf(g); };
    EXPECT_GT(ks_p_value(noise, cdf), kFalseAlarm) << sigma;
    EXPECT_GT(ks_p_value(likeliest, cdf), kFalseAlarm) << sigma;
    EXPECT_LT(std::abs(neighbors) / std::sqrt(kRows * static_cast<double>(v - 16)), kFiveSigma);
    if (GetParam()) {
      EXPECT_TRUE(std::all_of(sample.threshold.begin(), sample.threshold.end(),
                              [](double t) { return t == -kInfinity; }));
    }
  }
}

TEST(GumbelTopK, MaximumAndItsIndexAreIndependent) {
  // G1: the maximum is Gumbel(LSE) = Gumbel(0) after normalization, whichever category has it.
  const std::vector<double> logits = {0.2, 1.0, -0.7};
  constexpr std::size_t kRows = 300'000;
  const TopKSample sample = gumbel_top_k(repeat(logits, kRows), 1, Stream{6});
  std::vector<std::vector<double>> maximum(3);
  for (std::size_t row = 0; row < kRows; ++row) {
    maximum[static_cast<std::size_t>(sample.indices[row])].push_back(sample.perturbed[row]);
  }
  for (const auto& values : maximum) {
    EXPECT_GT(ks_p_value(values, [](double g) { return gumbel_cdf(g); }), kFalseAlarm);
  }
}

TEST(GumbelTopK, SmallerKIsAPrefix) {
  std::mt19937_64 random(8);
  std::normal_distribution<float> normal(0, 4);
  std::vector<float> logits(1500);
  for (float& z : logits) z = normal(random);
  for (const bool exact : {true, false}) {
    const TopKOptions options{.log_sum_exp = exact};
    const auto all =
        gumbel_top_k({logits.data(), 1, logits.size()}, logits.size(), Stream{9}, options);
    for (const std::size_t k : {1UL, 2UL, 3UL, 10UL, 100UL, 1499UL}) {
      const auto some = gumbel_top_k({logits.data(), 1, logits.size()}, k, Stream{9}, options);
      EXPECT_TRUE(std::equal(some.indices.begin(), some.indices.end(), all.indices.begin())) << k;
      EXPECT_TRUE(std::equal(some.perturbed.begin(), some.perturbed.end(), all.perturbed.begin()));
      if (exact) {
        EXPECT_EQ(some.threshold[0], all.perturbed[k]);
      }
    }
  }
}

TEST(GumbelTopK, ARowsDrawsDependOnItsLogitsAndStreamAlone) {
  constexpr std::size_t kRows = 9;
  constexpr std::size_t kColumns = 1000;
  constexpr std::size_t kK = 5;
  std::mt19937_64 random(10);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> z(kRows * kColumns);
  for (float& x : z) x = normal(random);
  const Rows logits(z.data(), kRows, kColumns);
  std::vector<Stream> streams;
  for (std::uint64_t r = 0; r < kRows; ++r) streams.push_back({r * r, 77 - r});
  for (const bool exact : {true, false}) {
    const auto batch = gumbel_top_k(logits, kK, std::span<const Stream>(streams),
                                    {.threads = 4, .log_sum_exp = exact});
    for (std::size_t r = 0; r < kRows; ++r) {
      const auto alone =
          gumbel_top_k(logits.slice(r, 1), kK, std::span<const Stream>(streams).subspan(r, 1),
                       {.log_sum_exp = exact});
      EXPECT_TRUE(std::equal(alone.indices.begin(), alone.indices.end(), &batch.indices[r * kK]));
      EXPECT_TRUE(
          std::equal(alone.perturbed.begin(), alone.perturbed.end(), &batch.perturbed[r * kK]));
    }
    const auto counted = gumbel_top_k(logits, kK, Stream{5, 100}, {.log_sum_exp = exact});
    const auto third =
        gumbel_top_k(logits.slice(3, 1), kK, {Stream{5, 100}, 3}, {.log_sum_exp = exact});
    EXPECT_TRUE(std::equal(third.indices.begin(), third.indices.end(), &counted.indices[3 * kK]));
  }
}

TEST(GumbelTopK, AnyFormatAndStride) {
  // Values that all four formats hold exactly.
  std::vector<double> z(600);
  for (std::size_t i = 0; i < z.size(); ++i) z[i] = static_cast<double>(i * i % 31) / 4 - 4;
  const auto as = [&]<class T>(T) {
    std::vector<T> row;
    for (const double x : z) {
      row.push_back(static_cast<T>(static_cast<float>(x)));
      row.push_back(T(99.0F));  // skipped by the stride
    }
    return gumbel_top_k(Rows(row.data(), 1, z.size(), 0, 2), 8, Stream{11});
  };
  const auto reference = gumbel_top_k({z.data(), 1, z.size()}, 8, Stream{11});
  EXPECT_EQ(as(double{}).indices, reference.indices);
  EXPECT_EQ(as(float{}).indices, reference.indices);
  EXPECT_EQ(as(bfloat16{}).indices, reference.indices);
  EXPECT_EQ(as(float16{}).indices, reference.indices);
  EXPECT_NEAR(as(bfloat16{}).log_sum_exp[0], reference.log_sum_exp[0], 1e-6);
}

TEST(GumbelTopK, GapsFarBeyondTheRangeOfExp) {
  std::vector<double> logits(600);
  for (std::size_t i = 0; i < logits.size(); ++i)
    logits[i] = -1000.0 * static_cast<double>(i * 7 % 600);
  for (const bool exact : {true, false}) {
    const auto sample =
        gumbel_top_k({logits.data(), 1, 600}, 600, Stream{12}, {.log_sum_exp = exact});
    for (std::size_t j = 0; j < 600; ++j) {
      ASSERT_EQ(static_cast<std::size_t>(sample.indices[j]) * 7 % 600, j);
      ASSERT_NEAR(sample.perturbed[j], sample.log_prob[j], 45);
    }
  }
}

TEST(GumbelTopK, BadRowsFailAloneAndAreNamed) {
  constexpr std::size_t kColumns = 8;
  std::vector<double> z(4 * kColumns, 0.0);
  z[kColumns + 3] = std::nan("");
  for (std::size_t c = 0; c < 8; ++c) z[2 * kColumns + c] = -kInfinity;
  for (std::size_t c = 0; c < 6; ++c) z[3 * kColumns + c] = -kInfinity;
  const Rows logits(z.data(), 4, kColumns);
  for (const bool exact : {true, false}) {
    std::vector<RowError> errors;
    const auto sample = gumbel_top_k(logits, 3, Stream{13},
                                     {.threads = 2, .errors = &errors, .log_sum_exp = exact});
    ASSERT_EQ(errors.size(), 3);
    EXPECT_EQ(errors[0].reason, "NaN at column 3");
    EXPECT_EQ(errors[1].reason, "every category is impossible (all -inf)");
    EXPECT_EQ(errors[2].reason, "k = 3, but only 2 categories are possible (not -inf)");
    EXPECT_GE(sample.indices[0], 0);
    for (std::size_t j = 3; j < 12; ++j) EXPECT_EQ(sample.indices[j], -1);
    const auto alone = gumbel_top_k(logits.slice(0, 1), 3, Stream{13}, {.log_sum_exp = exact});
    EXPECT_TRUE(std::equal(alone.indices.begin(), alone.indices.end(), sample.indices.begin()));
  }
  EXPECT_THROW(gumbel_top_k(logits, 3, Stream{13}), InvalidArgument);
}

TEST(GumbelTopK, RefusesBadArguments) {
  const std::vector<double> z(8);
  const Rows logits(z.data(), 2, 4);
  EXPECT_THAT([&] { gumbel_top_k(logits, 0, Stream{1}); },
              ::testing::ThrowsMessage<InvalidArgument>("k: expected 1..4 (categories), got 0"));
  EXPECT_THROW(gumbel_top_k(logits, 5, Stream{1}), InvalidArgument);
  EXPECT_THROW(gumbel_top_k(logits, 1, Stream{1}, {.threads = 0}), InvalidArgument);
  const std::vector<Stream> one(1);
  EXPECT_THROW(gumbel_top_k(logits, 1, std::span<const Stream>(one)), InvalidArgument);
}

TEST(GumbelMax, FollowsSoftmaxAndNotAnExponentialRace) {
  const std::vector<double> logits = {0.0, 1.5, -1.0, 0.4, -2.5};
  constexpr std::size_t kRows = 400'000;
  std::vector<double> counts(5);
  for (const auto i : gumbel_max(repeat(logits, kRows), Stream{14}))
    ++counts[static_cast<std::size_t>(i)];
  std::vector<double> p(5);
  softmax({logits.data(), 1, 5}, {p.data(), 1, 5});
  for (double& x : p) x *= kRows;
  EXPECT_GT(chi_square_p_value(counts, p), kFalseAlarm);
  // The power of the test: exponential noise in place of Gumbel noise must fail it.
  std::vector<double> wrong(5);
  for (std::size_t row = 0; row < kRows; ++row) {
    std::vector<double> perturbed(5);
    for (std::size_t i = 0; i < 5; ++i) perturbed[i] = logits[i] + Stream{15, row}.exponential(i);
    ++wrong[static_cast<std::size_t>(std::max_element(perturbed.begin(), perturbed.end()) -
                                     perturbed.begin())];
  }
  EXPECT_LT(chi_square_p_value(wrong, p), kFalseAlarm);
}

TEST(InclusionLogProb, MatchesTheFormula) {
  EXPECT_NEAR(inclusion_log_prob(-2.0, -1.5), std::log(1 - std::exp(-std::exp(-0.5))), 1e-14);
  EXPECT_EQ(inclusion_log_prob(-2.0, -kInfinity), 0);
  EXPECT_NEAR(inclusion_log_prob(-800, 0), -800, 1e-12);
}

}  // namespace
}  // namespace partita
