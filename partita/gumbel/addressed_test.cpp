// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/addressed.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <span>
#include <vector>

#include "partita/base/float16.hpp"
#include "partita/gumbel/internal/addressed_kernels.hpp"
#include "partita/random/addressed_noise.hpp"
#include "partita/random/fill.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// Every Gumbel, and a sort: the definition.
template <class T>
std::vector<std::int64_t> by_definition(const std::vector<T>& logits, std::size_t k,
                                        const Stream& address) {
  const AddressedNoise noise(address);
  std::vector<double> sums;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    sums.push_back(static_cast<double>(logits[i]) + noise.gumbel(static_cast<std::uint32_t>(i)));
  }
  std::vector<std::int64_t> order(logits.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return sums[static_cast<std::size_t>(a)] > sums[static_cast<std::size_t>(b)];
  });
  order.resize(k);
  return order;
}

TEST(Addressed, PrefixesAndBoundsAreThoseOfTheNoise) {
  const AddressedNoise noise(Stream{.seed = 9, .id = 2});
  for (const std::size_t block : {0U, 1U, 255U, 8'388'607U}) {
    std::uint16_t prefixes[kernels::kBlock];
    kernels::prefixes(noise, block, prefixes);
    for (std::size_t i = 0; i < kernels::kBlock; ++i) {
      const auto category = static_cast<std::uint32_t>(kernels::kBlock * block + i);
      ASSERT_EQ(prefixes[i], noise.prefix(category)) << category;
      ASSERT_GE(kernels::gumbel_bound(prefixes[i]), noise.gumbel(category));
    }
  }
}

TEST(Addressed, BoundsAreTight) {
  for (std::uint64_t i = 0; i <= 0xFFFF; ++i) {
    const double largest = -std::log(exponential_from_bits(i << 48U | 0xFFFFFFFFFFFFU));
    const double excess = kernels::gumbel_bound(static_cast<std::uint16_t>(i)) - largest;
    ASSERT_GE(excess, 0) << i;
    if (largest > 3 && largest < 8) {
      ASSERT_LE(excess, 0.12) << i;
    }
  }
}

TEST(Addressed, DrawsWhatTheDefinitionDraws) {
  for (const double sigma : {0.0, 1.0, 5.0, 50.0}) {
    for (const std::size_t v : {1U, 2U, 15U, 16U, 511U, 512U, 513U, 5000U}) {
      std::vector<double> logits(v);
      fill_normal(Stream{.seed = v}, 0, logits);
      for (double& z : logits) z *= sigma;
      if (v > 2) logits[v / 2] = -kInfinity;
      std::vector<float> singles(logits.begin(), logits.end());
      std::vector<bfloat16> halves;
      std::vector<float> rounded;
      for (const float z : singles) {
        halves.emplace_back(z);
        rounded.push_back(static_cast<float>(halves.back()));
      }
      for (std::uint64_t seed = 0; seed < 6; ++seed) {
        const Stream stream{.seed = seed};
        const std::span<const Stream> each(&stream, 1);
        for (const std::size_t k : {std::size_t{1}, std::size_t{3}, v - (v > 2 ? 1 : 0)}) {
          if (k > v - (v > 2 ? 1 : 0)) continue;
          SCOPED_TRACE(::testing::Message() << sigma << ' ' << v << ' ' << seed << ' ' << k);
          const TopKOptions fast{.log_sum_exp = false};
          ASSERT_EQ(addressed_gumbel_top_k({logits.data(), 1, v}, k, each).indices,
                    by_definition(logits, k, stream));
          ASSERT_EQ(addressed_gumbel_top_k({singles.data(), 1, v}, k, each, fast).indices,
                    by_definition(singles, k, stream));
          ASSERT_EQ(addressed_gumbel_top_k({halves.data(), 1, v}, k, each).indices,
                    by_definition(rounded, k, stream));
        }
        ASSERT_EQ(addressed_gumbel_max({singles.data(), 1, v}, each),
                  by_definition(singles, 1, stream));
      }
    }
  }
}

TEST(Addressed, TopKHasProbabilitiesNoiseAndThreshold) {
  const std::vector<double> logits = {1, -kInfinity, 3, 0.5, -2};
  const Stream address{.seed = 4, .id = 1};
  const std::span<const Stream> each(&address, 1);
  const AddressedNoise noise(address);
  const TopKSample all = addressed_gumbel_top_k({logits.data(), 1, 5}, 4, each);
  const double lse = log_sum_exp({logits.data(), 1, 5})[0];
  EXPECT_NEAR(all.log_sum_exp[0], lse, 1e-14);
  EXPECT_EQ(all.threshold[0], -kInfinity);
  for (std::size_t j = 0; j < 4; ++j) {
    const auto i = static_cast<std::size_t>(all.indices[j]);
    EXPECT_NEAR(all.log_prob[j], logits[i] - lse, 1e-14);
    EXPECT_EQ(all.perturbed[j], all.log_prob[j] + noise.gumbel(static_cast<std::uint32_t>(i)));
  }
  const TopKSample two = addressed_gumbel_top_k({logits.data(), 1, 5}, 2, each);
  EXPECT_EQ(two.threshold[0], all.perturbed[2]);
  EXPECT_EQ(two.indices[1], all.indices[1]);
}

// Where a double holds little of the noise beside the logits, and none of it.
TEST(Addressed, PerturbedLogitsDescendWhateverTheRounding) {
  constexpr std::size_t kColumns = 60;
  for (const double size : {1.0, 1e8, 1e14, 1e16, 1e18, 1e300}) {
    for (std::uint64_t seed = 0; seed < 40; ++seed) {
      std::vector<double> z(kColumns);
      for (std::size_t i = 0; i < kColumns; ++i) {
        const double far = i % 3 == 0 ? size : i % 3 == 1 ? 0 : -size / 2;
        z[i] = far + Stream{seed, 5}.normal(i) * (i % 2 == 0 ? 1 : size * 1e-16);
      }
      const Rows row(z.data(), 1, kColumns);
      for (const std::size_t k : {30U, 59U, 60U}) {
        for (const TopKSample& s :
             {gumbel_top_k(row, k, Stream{seed}), addressed_gumbel_top_k(row, k, Stream{seed})}) {
          EXPECT_TRUE(std::is_sorted(s.perturbed.rbegin(), s.perturbed.rend())) << size;
          EXPECT_LE(s.threshold[0], s.perturbed.back()) << size;
        }
      }
    }
  }
}

TEST(Addressed, OrderedPairsHaveTheirProbabilities) {
  const std::vector<double> logits = {0.0, 1.5, -1.0, 0.4, -2.5};
  constexpr std::size_t kRows = 200'000;
  const auto drawn =
      addressed_gumbel_top_k({logits.data(), kRows, 5, 0}, 2, Stream{.seed = 1}).indices;
  double total = 0;
  for (const double z : logits) total += std::exp(z);
  std::vector<double> observed(25);
  std::vector<double> expected(25);
  for (std::size_t row = 0; row < kRows; ++row) {
    ++observed[static_cast<std::size_t>(5 * drawn[2 * row] + drawn[2 * row + 1])];
  }
  for (std::size_t a = 0; a < 5; ++a) {
    for (std::size_t b = 0; b < 5; ++b) {
      if (a == b) continue;
      const double p = std::exp(logits[a]);
      expected[5 * a + b] = kRows * p / total * std::exp(logits[b]) / (total - p);
    }
  }
  EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm);
}

TEST(Addressed, ReachesATailFarBelow) {
  // One category 15 above 16,384 others: 250 of 50,000 draws are expected among them. Noise made of
  // 24 bits ends at 16.6.
  constexpr std::size_t kTail = 16'384;
  constexpr std::size_t kDraws = 50'000;
  constexpr double kLead = 15;
  std::vector<float> row(kTail + 1, 0.0F);
  row[1000] = static_cast<float>(kLead);
  const auto drawn = addressed_gumbel_max(Rows{row.data(), kDraws, row.size(), 0},
                                          Stream{.seed = 8}, {.threads = 2});
  const auto hits = static_cast<double>(
      std::count_if(drawn.begin(), drawn.end(), [](std::int64_t c) { return c != 1000; }));
  const double expected = kDraws / (1 + std::exp(kLead) / kTail);
  EXPECT_NEAR(hits, expected, kFiveSigma * std::sqrt(expected));
}

TEST(Addressed, RowsThatShareAnAddressAgreeAsOftenAsTheorySays) {
  // P(same) >= (1 - TV) / (1 + TV), and by the exponential race exactly
  //   sum_i 1 / sum_j max(p_j / p_i, q_j / q_i).
  const std::vector<double> p = {0.5, 0.3, 0.15, 0.05};
  const std::vector<double> q = {0.2, 0.35, 0.05, 0.4};
  double tv = 0;
  double expected = 0;
  for (std::size_t i = 0; i < 4; ++i) {
    tv += std::abs(p[i] - q[i]) / 2;
    double sum = 0;
    for (std::size_t j = 0; j < 4; ++j) sum += std::max(p[j] / p[i], q[j] / q[i]);
    expected += 1 / sum;
  }
  std::vector<double> logits;
  for (const auto& row : {p, q}) {
    for (const double x : row) logits.push_back(std::log(x));
  }
  constexpr std::size_t kDraws = 200'000;
  const auto a = addressed_gumbel_max({&logits[0], kDraws, 4, 0}, Stream{.seed = 2});
  const auto b = addressed_gumbel_max({&logits[4], kDraws, 4, 0}, Stream{.seed = 2});
  std::vector<double> same;
  for (std::size_t i = 0; i < kDraws; ++i) same.push_back(a[i] == b[i] ? 1 : 0);
  EXPECT_LT(z_score(same, expected), kFiveSigma);
  EXPECT_GT(expected, (1 - tv) / (1 + tv));
  EXPECT_LT(expected, 1 - tv);
}

TEST(Addressed, RefusesWhatGumbelTopKRefuses) {
  const std::vector<double> logits = {0, -kInfinity, 1, std::nan(""), 0, 0};
  EXPECT_THROW(addressed_gumbel_top_k({logits.data(), 1, 3}, 4, Stream{}), InvalidArgument);
  EXPECT_THROW(addressed_gumbel_top_k({logits.data(), 1, 3}, 0, Stream{}), InvalidArgument);
  EXPECT_THROW(addressed_gumbel_top_k({logits.data(), 1, 3}, 3, Stream{}), InvalidArgument);
  EXPECT_THROW(addressed_gumbel_max({&logits[1], 1, 1}, Stream{}), InvalidArgument);
  std::vector<RowError> errors;
  const auto drawn = addressed_gumbel_max({logits.data(), 2, 3}, Stream{}, {.errors = &errors});
  EXPECT_EQ(errors.size(), 1U);
  EXPECT_EQ(drawn[1], -1);
  EXPECT_GE(drawn[0], 0);
}

}  // namespace
}  // namespace partita
