// SPDX-License-Identifier: Apache-2.0
// Rows and chains that the tests of the sampler share.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <span>
#include <string>
#include <vector>

#include "partita/sampler/filter.hpp"
#include "partita/sampler/settings.hpp"

namespace partita::testing {

inline constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

struct NamedRow {
  std::string name;
  std::vector<double> logits;
};

inline std::vector<double> normal_row(std::size_t n, double sigma, std::uint64_t seed) {
  std::mt19937_64 random(seed);
  std::normal_distribution<double> normal(0, sigma);
  std::vector<double> row(n);
  for (double& z : row) z = static_cast<float>(normal(random));
  return row;
}

/// Rows of n logits that float holds: random, tied, flat, peaked, Zipf, mostly impossible.
inline std::vector<NamedRow> rows_of_all_kinds(std::size_t n, std::uint64_t seed = 1) {
  std::mt19937_64 random(seed);
  std::vector<NamedRow> rows;
  for (const double sigma : {0.01, 1.0, 3.0, 10.0}) {
    rows.push_back({"normal " + std::to_string(sigma), normal_row(n, sigma, random())});
  }
  std::vector<double> row = normal_row(n, 2, random());
  for (double& z : row) z = std::round(z * 4) / 4;
  rows.push_back({"tied", row});
  rows.push_back({"flat", std::vector<double>(n, 1.25)});
  row = normal_row(n, 1, random());
  row[random() % n] = 30;
  rows.push_back({"peaked", row});
  row.resize(n);
  for (std::size_t i = 0; i < n; ++i)
    row[i] = static_cast<float>(-std::log(1.0 + static_cast<double>(i)));
  std::shuffle(row.begin(), row.end(), random);
  rows.push_back({"Zipf", row});
  row.assign(n, kMinusInfinity);
  row[random() % n] = -3;
  rows.push_back({"one possible", row});
  row = normal_row(n, 2, random());
  for (double& z : row) {
    if (random() % 3 != 0) z = kMinusInfinity;
  }
  row[0] = 0.5;
  rows.push_back({"some impossible", row});
  row.assign(n, -1000);
  row[n / 2] = 1000;
  rows.push_back({"far apart", row});
  return rows;
}

inline std::vector<std::int64_t> possible(std::span<const double> logits) {
  std::vector<std::int64_t> ids;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kMinusInfinity) ids.push_back(static_cast<std::int64_t>(i));
  }
  return ids;
}

/// softmax of what apply_settings() leaves.
inline std::vector<double> filtered_distribution(std::vector<double> row,
                                                 const SamplerSettings& settings,
                                                 Stream stream = {}) {
  apply_settings(settings, stream, row);
  const double max = *std::max_element(row.begin(), row.end());
  double total = 0;
  for (double& z : row) total += z = std::exp(z - max);
  for (double& z : row) z /= total;
  return row;
}

}  // namespace partita::testing
