// SPDX-License-Identifier: Apache-2.0
#include "partita/split/gumbel_top_k.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <map>

#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/split/split_test_support.hpp"

namespace partita {
namespace {

using testing::on_ranks;
using testing::own_part;

constexpr double kFalseAlarm = 1e-7;
constexpr Stream kStream{.seed = 5, .id = 3};

bool same(const TopKSample& a, const TopKSample& b) {
  return a.indices == b.indices && a.perturbed == b.perturbed && a.log_prob == b.log_prob &&
         a.log_sum_exp == b.log_sum_exp && a.threshold == b.threshold;
}

TEST(SplitGumbelTopK, TheSameBitsForAnyNumberOfRanksAndThreads) {
  constexpr std::size_t kRows = 20;
  for (const std::size_t vocabulary : {5UL, 64UL, 1000UL, 30000UL}) {
    for (const double sigma : {0.0, 2.0, 20.0}) {
      auto z = testing::normal_logits(kRows, vocabulary, sigma);
      for (std::size_t i = 0; i < vocabulary; ++i) z[vocabulary + i] += 1e12F;
      const std::size_t k = std::min<std::size_t>(vocabulary, 10);
      const auto one = on_ranks(1, vocabulary, 64, [&](const SplitColumns& columns) {
        return gumbel_top_k(own_part(z, kRows, columns), k, kStream, columns);
      });
      for (const int ranks : {2, 3, 4, 64}) {
        const auto all = on_ranks(ranks, vocabulary, 64, [&](const SplitColumns& columns) {
          return gumbel_top_k(own_part(z, kRows, columns), k, kStream, columns, {.threads = 2});
        });
        for (const TopKSample& each : all) {
          EXPECT_TRUE(same(each, one[0])) << vocabulary << ' ' << sigma << ' ' << ranks;
        }
      }
      // The result for fewer is its beginning, and the threshold what comes next.
      const SplitColumns alone(vocabulary);
      const Rows whole(z.data(), kRows, vocabulary);
      const TopKSample fewer = gumbel_top_k(whole, k - 1, kStream, alone);
      for (std::size_t row = 0; row < kRows; ++row) {
        EXPECT_EQ(fewer.threshold[row], one[0].perturbed[row * k + k - 1]);
        for (std::size_t j = 0; j + 1 < k; ++j) {
          EXPECT_EQ(fewer.indices[row * (k - 1) + j], one[0].indices[row * k + j]);
        }
      }
    }
  }
}

// Ordered pairs by enumeration (Plackett and Luce), the largest value's distribution (Gumbel), and
// the threshold by the weights that it gives: they sum to 1 in expectation.
TEST(SplitGumbelTopK, IsAnOrderedSampleWithoutReplacement) {
  const std::vector<double> z = {1.0, -0.5, 0.3, -std::numeric_limits<double>::infinity(),
                                 2.0, -2.0, 0.0};
  constexpr std::size_t kRows = 200000;
  std::vector<double> p;
  double total = 0;
  for (const double each : z) total += std::exp(each);
  for (const double each : z) p.push_back(std::exp(each) / total);
  for (const std::size_t shards : {2UL, 3UL, 7UL, 64UL}) {
    const auto drawn = on_ranks(2, z.size(), shards, [&](const SplitColumns& columns) {
      const Rows own(z.data() + columns.first(), kRows, columns.size(), 0);
      return gumbel_top_k(own, 2, kStream, columns);
    });
    const TopKSample& s = drawn[1];
    std::vector<double> observed(z.size() * z.size());
    std::vector<double> expected(observed.size());
    for (std::size_t i = 0; i < z.size(); ++i) {
      for (std::size_t j = 0; j < z.size(); ++j) {
        if (i != j) expected[i * z.size() + j] = kRows * p[i] * p[j] / (1 - p[i]);
      }
    }
    std::vector<double> largest;
    double sum = 0;
    double squares = 0;
    for (std::size_t row = 0; row < kRows; ++row) {
      const auto i = static_cast<std::size_t>(s.indices[2 * row]);
      const auto j = static_cast<std::size_t>(s.indices[2 * row + 1]);
      observed[i * z.size() + j] += 1;
      largest.push_back(gumbel_cdf(s.perturbed[2 * row]));
      double weights = 0;
      for (const std::size_t at : {2 * row, 2 * row + 1}) {
        EXPECT_NEAR(s.log_prob[at], std::log(p[static_cast<std::size_t>(s.indices[at])]), 1e-14);
        weights += std::exp(s.log_prob[at] - inclusion_log_prob(s.log_prob[at], s.threshold[row]));
      }
      sum += weights;
      squares += weights * weights;
    }
    EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << shards;
    EXPECT_GT(ks_p_value(largest, [](double u) { return u; }), kFalseAlarm) << shards;
    const double mean = sum / kRows;
    const double error = std::sqrt((squares / kRows - mean * mean) / kRows);
    EXPECT_LT(error, 0.01);
    EXPECT_NEAR(mean, 1, 5.4 * error) << shards;
  }
}

TEST(SplitGumbelTopK, BadRowsFailAloneAndOnEveryRank) {
  constexpr std::size_t kVocabulary = 100;
  constexpr float kInf = std::numeric_limits<float>::infinity();
  std::vector<float> z(3 * kVocabulary, 0);
  z[kVocabulary + 70] = kInf;
  for (std::size_t i = 0; i < kVocabulary; ++i) {
    if (i != 3 && i != 95) z[2 * kVocabulary + i] = -kInf;
  }
  on_ranks(3, kVocabulary, 16, [&](const SplitColumns& columns) {
    std::vector<RowError> errors;
    const auto s = gumbel_top_k(own_part(z, 3, columns), 3, kStream, columns, {.errors = &errors});
    EXPECT_EQ(errors.size(), 2U);
    if (errors.size() != 2) return 0;
    EXPECT_EQ(errors[0].reason, "+inf at column 70");
    EXPECT_EQ(errors[1].reason, "k = 3, but only 2 categories are possible (not -inf)");
    EXPECT_GE(s.indices[0], 0);
    EXPECT_EQ(s.indices[3], -1);
    EXPECT_EQ(s.indices[6], -1);
    const auto two = gumbel_top_k(own_part(z, 3, columns).slice(2, 1), 2, kStream, columns);
    EXPECT_EQ(two.indices[0] + two.indices[1], 98);
    EXPECT_EQ(two.threshold[0], -std::numeric_limits<double>::infinity());
    EXPECT_GE(gumbel_max(own_part(z, 1, columns), kStream, columns)[0], 0);
    return 0;
  });
  const SplitColumns alone(kVocabulary);
  EXPECT_THROW(gumbel_top_k({z.data(), 1, kVocabulary}, 0, kStream, alone), InvalidArgument);
  EXPECT_THROW(gumbel_top_k({z.data(), 1, 99}, 1, kStream, alone), InvalidArgument);
}

}  // namespace
}  // namespace partita
