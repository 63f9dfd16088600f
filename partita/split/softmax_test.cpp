// SPDX-License-Identifier: Apache-2.0
#include "partita/split/softmax.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/softmax/divergence.hpp"
#include "partita/split/split_test_support.hpp"

namespace partita {
namespace {

using testing::on_ranks;
using testing::own_part;

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kRows = 6;

struct Everything {
  std::vector<double> sums, entropies, losses;
  bool operator==(const Everything&) const = default;
};

std::vector<std::int64_t> targets_of(std::size_t vocabulary) {
  std::vector<std::int64_t> targets;
  for (std::size_t row = 0; row < kRows; ++row) {
    // NOLINTNEXTLINE(clang-analyzer-core.DivideZero): 3 or more
    targets.push_back(static_cast<std::int64_t>((row * 7919 + 1) % vocabulary));
  }
  return targets;
}

TEST(SplitSoftmax, EqualsTheWholeRowsInTheSameBitsForAnyNumberOfRanks) {
  for (const std::size_t vocabulary : {3UL, 70UL, 1500UL, 20000UL}) {
    auto z = testing::normal_logits(kRows, vocabulary, 4);
    z[0] = -std::numeric_limits<float>::infinity();
    for (std::size_t i = 0; i < vocabulary; ++i) {
      z[1 * vocabulary + i] += 1e6F;  // constants that all logits share
      z[2 * vocabulary + i] -= 1e16F;
      if (i > 0) z[3 * vocabulary + i] = -std::numeric_limits<float>::infinity();
    }
    const auto targets = targets_of(vocabulary);
    const auto call = [&](const SplitColumns& columns) {
      const Rows own = own_part(z, kRows, columns);
      return Everything{log_sum_exp(own, columns), entropy(own, columns),
                        cross_entropy(own, targets, columns)};
    };
    const Everything one = on_ranks(1, vocabulary, 64, call).front();
    for (const int ranks : {2, 3, 4, 64}) {
      for (const Everything& each : on_ranks(ranks, vocabulary, 64, call)) {
        EXPECT_EQ(each, one) << vocabulary << " columns on " << ranks << " ranks";
      }
    }
    // Shards are summed in float as a whole row is.
    const std::vector<double> wide(z.begin(), z.end());
    const Rows all(wide.data(), kRows, vocabulary);
    const auto whole = normalizers(all);
    const auto entropies = entropy(all);
    for (std::size_t row = 0; row < kRows; ++row) {
      const double sum = whole[row].max + whole[row].log_sum;
      EXPECT_NEAR(one.sums[row], sum, 1e-6 * std::max(1.0, std::abs(sum)));
      EXPECT_NEAR(one.entropies[row], entropies[row], 1e-5);
      const auto target = static_cast<std::size_t>(targets[row]);
      const double loss = -whole[row].log_prob(wide[row * vocabulary + target]);
      if (std::isinf(loss)) {
        EXPECT_EQ(one.losses[row], loss);
      } else {
        EXPECT_NEAR(one.losses[row], loss, 1e-5);
      }
    }
  }
}

TEST(SplitSoftmax, OfDoublesToTheirDigits) {
  const std::size_t vocabulary = 5000;
  const auto single = testing::normal_logits(kRows, vocabulary, 3);
  const std::vector<double> z(single.begin(), single.end());
  const Rows all(z.data(), kRows, vocabulary);
  const auto whole = normalizers(all);
  const auto entropies = entropy(all);
  const auto split = on_ranks(3, vocabulary, 64, [&](const SplitColumns& columns) {
    const Rows own = own_part(z, kRows, columns);
    return std::pair(normalizers(own, columns), entropy(own, columns));
  });
  for (std::size_t row = 0; row < kRows; ++row) {
    EXPECT_EQ(split[2].first[row].max, whole[row].max);
    EXPECT_NEAR(split[2].first[row].log_sum, whole[row].log_sum, 1e-14 * whole[row].log_sum);
    EXPECT_NEAR(split[2].second[row], entropies[row], 1e-13 * entropies[row]);
  }
}

TEST(SplitSoftmax, BadRowsFailAloneAndOnEveryRank) {
  const std::size_t vocabulary = 300;
  auto z = testing::normal_logits(kRows, vocabulary, 1);
  z[1 * vocabulary + 290] = std::numeric_limits<float>::quiet_NaN();
  z[1 * vocabulary + 130] = std::numeric_limits<float>::infinity();
  z[3 * vocabulary + 7] = std::numeric_limits<float>::quiet_NaN();
  for (std::size_t i = 0; i < vocabulary; ++i)
    z[4 * vocabulary + i] = -static_cast<float>(kInfinity);
  for (const int ranks : {1, 3}) {
    on_ranks(ranks, vocabulary, 64, [&](const SplitColumns& columns) {
      const Rows own = own_part(z, kRows, columns);
      std::vector<RowError> errors;
      const auto sums = log_sum_exp(own, columns, {.errors = &errors});
      EXPECT_EQ(errors.size(), 3U);
      if (errors.size() != 3) return 0;
      EXPECT_EQ(errors[0].reason, "+inf at column 130");
      EXPECT_EQ(errors[1].reason, "NaN at column 7");
      EXPECT_EQ(errors[2].reason, "every category is impossible (all -inf)");
      EXPECT_TRUE(std::isnan(sums[1]) && std::isnan(sums[3]) && std::isnan(sums[4]));
      EXPECT_TRUE(std::isfinite(sums[0]) && std::isfinite(sums[5]));
      return 0;
    });
  }
  const SplitColumns alone(vocabulary);
  EXPECT_THROW(log_sum_exp({z.data(), 1, vocabulary - 1}, alone), InvalidArgument);
  const std::int64_t outside[] = {300};
  EXPECT_THROW(cross_entropy({z.data(), 1, vocabulary}, outside, alone), InvalidArgument);
}

}  // namespace
}  // namespace partita
