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

#include "partita/random/goodness_of_fit.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/sampler/sample.hpp"
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

/// As an n-gram model has them: a few likely ones, and many that tie, in random order.
inline std::vector<double> crowded_row(std::size_t n, std::uint64_t seed) {
  std::vector<double> row(n);
  for (std::size_t i = 0; i < n; ++i) {
    const bool is_tied = 12 * (i + 1) > n;  // but one in 12, 12 at the most
    row[i] = i < 12 && !is_tied ? static_cast<float>(-1 - 0.3 * static_cast<double>(i))
             : i < n / 3        ? -9
             : i < n / 2        ? -9.5
                                : -10.25;
  }
  std::shuffle(row.begin(), row.end(), std::mt19937_64(seed));
  return row;
}

/// Rows of n logits that float holds: random, tied, flat, peaked, Zipf, mostly impossible, crowded.
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
  rows.push_back({"crowded", crowded_row(n, random())});
  // Most differ by less than their difference from the largest is rounded.
  row.assign(n, 0);
  for (double& z : row) {
    if (random() % 4 != 0)
      z = std::ldexp(random() % 2 == 0 ? 1.0 : -1.0, -static_cast<int>(random() % 140));
  }
  row[random() % n] = 2.25;
  rows.push_back({"tiny beside large", row});
  // The likeliest first, as where tokens are in order of frequency.
  row = normal_row(n, 1, random());
  std::sort(row.rbegin(), row.rend());
  rows.push_back({"sorted", row});
  return rows;
}

struct NamedSettings {
  std::string name;
  SamplerSettings settings;
};

inline constexpr SamplerStep kTopPFirst[] = {SamplerStep::top_p, SamplerStep::min_k};

/// Every filter alone, over its range, and chains.
inline std::vector<NamedSettings> chains(std::size_t n) {
  std::vector<NamedSettings> all;
  const auto add = [&](const std::string& name, const SamplerSettings& s) {
    all.push_back({name, s});
    SamplerSettings warm = s;
    warm.temperature = 1.7;
    all.push_back({name + ", temperature 1.7", warm});
    warm.temperature = 0.6;
    warm.order = kLlamaCppOrder;
    all.push_back({name + ", then temperature 0.6", warm});
  };
  add("nothing", {});
  for (const std::size_t k :
       {std::size_t{1}, std::size_t{2}, std::size_t{40}, n / 2, n - 1, n, n + 9}) {
    if (k > 0) add("top_k " + std::to_string(k), {.top_k = k});
  }
  for (const double p : {1e-9, 0.1, 0.5, 0.9, 0.95, 0.99, 0.9999, 1 - 0x1p-53}) {
    add("top_p " + std::to_string(p), {.top_p = p});
    add("typical " + std::to_string(p), {.typical_p = p});
    add("top_h " + std::to_string(p), {.top_h = p});
  }
  for (const double p : {1e-300, 1e-9, 0.05, 0.5, 1.0}) {
    add("min_p " + std::to_string(p), {.min_p = p});
  }
  for (const double p : {1e-300, 1e-9, 1e-4, 0.02, 0.9}) {
    add("epsilon " + std::to_string(p), {.epsilon_cutoff = p});
    add("eta " + std::to_string(p), {.eta_cutoff = p});
  }
  for (const double sigmas : {0.1, 1.0, 3.0}) {
    add("top_n_sigma " + std::to_string(sigmas), {.top_n_sigma = sigmas});
  }
  for (const double tau : {1e-300, 3.0, 40.0, 1e4}) {
    add("min_k " + std::to_string(tau), {.min_k = tau});
  }
  add("min_k, top_p", {.min_k = 100, .top_p = 0.5});
  add("top_p, min_k", {.min_k = 3, .top_p = 0.5, .order = kTopPFirst});
  add("p_less", {.p_less = true});
  add("top_k, top_p", {.top_k = 40, .top_p = 0.95});
  for (const double p : {1e-300, 0.05, 0.4, 1.0}) {
    const std::string floor = ", min_p " + std::to_string(p);
    for (const double mass : {0.3, 0.95, 0.9999}) {
      add("top_p " + std::to_string(mass) + floor, {.top_p = mass, .min_p = p});
    }
    add("top_k" + floor, {.top_k = 40, .min_p = p});
    add("top_n_sigma" + floor, {.top_n_sigma = 1, .min_p = p});
    add("epsilon" + floor, {.min_p = p, .epsilon_cutoff = 1e-4});
  }
  add("typical, top_p", {.top_p = 0.8, .typical_p = 0.9});
  for (const double p : {0.6, 0.999}) {
    const std::string mass = std::to_string(p);
    add("half, top_p " + mass, {.top_k = n / 2 + 1, .top_p = p});
    add("half, typical " + mass, {.top_k = n / 2 + 1, .typical_p = p});
    add("top_p, epsilon " + mass, {.top_p = p, .epsilon_cutoff = 2e-5});
    add("top_p, eta, typical " + mass, {.top_p = p, .typical_p = 0.9, .eta_cutoff = 2e-5});
    add("top_n_sigma, top_p " + mass, {.top_n_sigma = 2, .top_p = p});
    add("top_p, min_p, typical " + mass, {.top_p = p, .min_p = 0.01, .typical_p = 0.9});
    add("p_less, top_k, top_p " + mass, {.top_k = n - 1, .top_p = p, .p_less = true});
  }
  add("xtc", {.xtc_probability = 1, .xtc_threshold = 0.05});
  add("top_k, xtc", {.top_k = 30, .xtc_probability = 1, .xtc_threshold = 0.05});
  add("dynamic", {.dynatemp_range = 0.4, .dynatemp_exponent = 0.8});
  add("top_p, dynamic", {.dynatemp_range = 0.6, .top_p = 0.9});
  return all;
}

/// Temperatures whose inverse float, or even double, does not hold; and one that makes all equal.
inline std::vector<NamedSettings> extreme_temperatures() {
  std::vector<NamedSettings> all;
  for (const double t : {1e-4, 1e-42, 5e-324, 1e300}) {
    const std::string name = "temperature " + std::to_string(std::log10(t));
    all.push_back({"log " + name, {.temperature = t}});
    all.push_back({"log " + name + ", typical", {.temperature = t, .typical_p = 0.9}});
    all.push_back(
        {"top_p, then log " + name, {.temperature = t, .top_p = 0.9, .order = kLlamaCppOrder}});
  }
  return all;
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

/// p-value of `draws` draws from one row against the distribution of the plain chain.
inline double p_value_of_draws(const std::vector<float>& row, const SamplerSettings& settings,
                               int draws) {
  const Rows repeated(row.data(), static_cast<std::size_t>(draws), row.size(), 0);
  const auto drawn = sample(repeated, settings, Stream{11});
  std::vector<double> observed(row.size());
  for (const std::int64_t i : drawn) observed[static_cast<std::size_t>(i)] += 1;
  std::vector<double> expected = filtered_distribution({row.begin(), row.end()}, settings);
  for (double& p : expected) p *= draws;
  return chi_square_p_value(observed, expected);
}

}  // namespace partita::testing
