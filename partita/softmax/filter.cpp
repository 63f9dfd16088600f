#include "partita/softmax/filter.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/lazy_sort.hpp"

namespace partita {

namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

/// The largest logit; -inf if every category is impossible.
double checked_max(std::span<const double> logits) {
  double max = kMinusInfinity;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (!(logits[i] < -kMinusInfinity)) {
      throw InvalidArgument(
          "logits", fmt::format("{} at column {}", std::isnan(logits[i]) ? "NaN" : "+inf", i));
    }
    max = std::max(max, logits[i]);
  }
  return max;
}

void check_range(const char* name, const char* range, double value, bool good) {
  if (!good) throw InvalidArgument(name, fmt::format("expected {}, got {}", range, value));
}

void check_temperature(double t) {
  check_range("temperature", "a positive finite number", t, t > 0 && std::isfinite(t));
}
void check_top_p(double p) { check_range("top_p", "0 < p <= 1", p, p > 0 && p <= 1); }
void check_min_p(double p) { check_range("min_p", "0 <= p <= 1", p, p >= 0 && p <= 1); }
void check_typical(double p) { check_range("typical_p", "0 < p <= 1", p, p > 0 && p <= 1); }
void check_allowed(std::span<const std::uint8_t> allowed, std::size_t categories) {
  if (allowed.size() != categories) {
    throw InvalidArgument(
        "allowed", fmt::format("expected one flag for each of {} categories, got {}", categories,
                               allowed.size()));
  }
}

/// Keeps categories in ascending order of (key, index) until enough(category) says so; the rest
/// become -inf.
template <class Key, class Enough>
void keep_leading(std::span<double> logits, const Key& key, const Enough& enough) {
  const auto before = [&](std::size_t a, std::size_t b) {
    return key(a) < key(b) || (key(a) == key(b) && a < b);
  };
  LazySort<std::size_t, decltype(before)> order(before);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (logits[i] != kMinusInfinity) order.push_back(i);
  }
  std::size_t kept = 0;
  while (kept < order.size() && !enough(order[kept])) ++kept;
  // Everything goes, and what was kept comes back: the rest is not in order.
  std::vector<std::pair<std::size_t, double>> leading;
  for (std::size_t i = 0; i <= kept && i < order.size(); ++i) {
    leading.emplace_back(order[i], logits[order[i]]);
  }
  std::fill(logits.begin(), logits.end(), kMinusInfinity);
  for (const auto& [i, z] : leading) logits[i] = z;
}

/// exp(z - max) of every category, and their sum.
std::vector<double> weights(std::span<const double> logits, double max, double& total) {
  std::vector<double> result(logits.size());
  std::transform(logits.begin(), logits.end(), result.begin(),
                 [&](double z) { return std::exp(z - max); });
  total = std::accumulate(result.begin(), result.end(), 0.0);
  return result;
}

}  // namespace

void apply_temperature(std::span<double> logits, double temperature) {
  check_temperature(temperature);
  const double max = checked_max(logits);
  if (temperature == 1 || max == kMinusInfinity) return;
  for (double& z : logits) z = (z - max) / temperature;
}

void apply_top_k(std::span<double> logits, std::size_t k) {
  if (k == 0) throw InvalidArgument("top_k", "expected 1 or more, got 0");
  checked_max(logits);
  std::size_t kept = 0;
  keep_leading(
      logits, [&](std::size_t i) { return -logits[i]; }, [&](std::size_t) { return ++kept == k; });
}

void apply_top_p(std::span<double> logits, double p) {
  check_top_p(p);
  const double max = checked_max(logits);
  if (p == 1 || max == kMinusInfinity) return;
  double total = 0;
  const auto weight = weights(logits, max, total);
  double mass = 0;
  keep_leading(
      logits, [&](std::size_t i) { return -logits[i]; },
      [&](std::size_t i) { return (mass += weight[i]) >= p * total; });
}

void apply_min_p(std::span<double> logits, double p) {
  check_min_p(p);
  const double max = checked_max(logits);
  if (p == 0 || max == kMinusInfinity) return;
  const double lowest = max + std::log(p);
  for (double& z : logits) {
    if (z < lowest) z = kMinusInfinity;
  }
}

void apply_typical(std::span<double> logits, double p) {
  check_typical(p);
  const double max = checked_max(logits);
  if (p == 1 || max == kMinusInfinity) return;
  double total = 0;
  const auto weight = weights(logits, max, total);
  // -log p_i - entropy = mean of z - z_i: the normalizer cancels.
  double mean = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (weight[i] > 0) mean += weight[i] / total * (logits[i] - max);
  }
  double mass = 0;
  keep_leading(
      logits, [&](std::size_t i) { return std::abs(mean - (logits[i] - max)); },
      [&](std::size_t i) { return (mass += weight[i]) >= p * total; });
}

void apply_allowed(std::span<double> logits, std::span<const std::uint8_t> allowed) {
  check_allowed(allowed, logits.size());
  checked_max(logits);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (allowed[i] == 0) logits[i] = kMinusInfinity;
  }
}

void Filter::check(std::size_t categories) const {
  check_temperature(temperature);
  check_top_p(top_p);
  check_min_p(min_p);
  check_typical(typical_p);
  if (!allowed.empty()) check_allowed(allowed, categories);
}

void Filter::apply(std::span<double> logits) const {
  if (!allowed.empty()) apply_allowed(logits, allowed);
  apply_temperature(logits, temperature);
  if (top_k > 0) apply_top_k(logits, top_k);
  if (top_p != 1) apply_top_p(logits, top_p);
  if (min_p != 0) apply_min_p(logits, min_p);
  if (typical_p != 1) apply_typical(logits, typical_p);
}

bool Filter::is_identity() const {
  return allowed.empty() && temperature == 1 && top_k == 0 && top_p == 1 && min_p == 0 &&
         typical_p == 1;
}

}  // namespace partita
