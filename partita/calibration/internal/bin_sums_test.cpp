// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/internal/bin_sums.hpp"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "partita/calibration/bins.hpp"
#include "partita/random/bootstrap.hpp"

namespace partita {
namespace {

constexpr std::size_t kBins = 15;

/// Rows of an overconfident network: right with a probability that is the confidence's power.
std::vector<JudgedRow> make_rows(std::size_t n, bool rounded) {
  std::vector<JudgedRow> rows(n);
  Draws draws({.seed = 1});
  for (JudgedRow& row : rows) {
    const double u = draws.uniform();
    row.confidence = 1 - 0.9 * u * u;
    if (rounded) row.confidence = std::ceil(row.confidence * 20) / 20;
    row.right = draws.uniform() < std::pow(row.confidence, 1.2) ? 1 : 0;
  }
  return sorted(rows);
}

std::vector<std::size_t> ends_of_bins(std::span<const JudgedRow> rows) {
  const Bins bins = equal_width_bins(kBins);
  std::vector<std::size_t> ends(kBins);
  for (const JudgedRow& row : rows) {
    for (std::size_t b = bins.of(row.confidence); b < kBins; ++b) ++ends[b];
  }
  return ends;
}

using Errors = std::array<double, 4>;  // ece, mce, debiased_ece, adaptive_ece

template <class Count>
Errors errors_of(std::span<const JudgedRow> rows, std::span<const std::size_t> ends,
                 const Count& count, std::span<const BinSum> equal_mass, double n) {
  const auto sums = sum_bins(rows, ends, count);
  return {ece_of(sums, n), mce_of(sums), debiased_ece_of(sums, n), ece_of(equal_mass, n)};
}

/// Mean and standard deviation of each error over resamples.
struct Law {
  Errors mean{};
  Errors deviation{};

  Law(std::size_t resamples, const std::function<Errors(std::size_t)>& errors) {
    for (std::size_t r = 0; r < resamples; ++r) {  // Welford 1962
      const Errors x = errors(r);
      for (std::size_t i = 0; i < x.size(); ++i) {
        const double over = x[i] - mean[i];
        mean[i] += over / static_cast<double>(r + 1);
        deviation[i] += over * (x[i] - mean[i]);
      }
    }
    for (double& d : deviation) d = std::sqrt(d / static_cast<double>(resamples));
  }
};

// Means of 1,000 resamples are within 5 sqrt(1 / 1,000) deviations, and those within
// 5 sqrt(1 / 2,000); of the groups there are so many more that their own noise adds a tenth.
TEST(RowGroups, HaveTheLawOfResampledRows) {
  constexpr std::size_t kRows = 20'000;
  for (const bool rounded : {false, true}) {
    const std::vector<JudgedRow> rows = make_rows(kRows, rounded);
    const std::vector<std::size_t> ends = ends_of_bins(rows);
    std::vector<std::uint32_t> counts(kRows);
    const auto count = [&](std::size_t i) { return static_cast<double>(counts[i]); };
    const Law exact(1000, [&](std::size_t r) {
      resample({.seed = 2, .id = r}, counts);
      return errors_of(rows, ends, count, sum_equal_mass(rows, kRows, kBins, count), kRows);
    });
    const RowGroups groups(rows, ends);
    EXPECT_LT(groups.sizes.size(), 300U);
    const Law grouped(5000, [&](std::size_t r) {
      Draws draws({.seed = 3, .id = r});
      resample_groups(draws, groups.sizes, counts);
      return errors_of(groups.means, groups.bin_ends, count,
                       sum_equal_mass(groups, kRows, kBins, counts), kRows);
    });
    for (std::size_t i = 0; i < exact.mean.size(); ++i) {
      EXPECT_NEAR(grouped.mean[i], exact.mean[i], 0.174 * exact.deviation[i]) << i << rounded;
      EXPECT_NEAR(grouped.deviation[i] / exact.deviation[i], 1, 0.123) << i << rounded;
    }
  }
}

TEST(RowGroups, CountedOnceHaveTheErrorsOfTheRows) {
  const std::vector<JudgedRow> rows = make_rows(5000, true);
  const std::vector<std::size_t> ends = ends_of_bins(rows);
  const auto once = [](std::size_t) { return 1.0; };
  const Errors exact = errors_of(rows, ends, once, sum_equal_mass(rows, 5000, kBins, once), 5000);
  const RowGroups groups(rows, ends);
  const Errors grouped = errors_of(
      groups.means, groups.bin_ends,
      [&](std::size_t g) { return static_cast<double>(groups.sizes[g]); },
      sum_equal_mass(groups, 5000, kBins, groups.sizes), 5000);
  for (std::size_t i = 0; i < exact.size(); ++i) EXPECT_NEAR(grouped[i], exact[i], 1e-12) << i;
}

}  // namespace
}  // namespace partita
