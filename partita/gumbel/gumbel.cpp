// SPDX-License-Identifier: Apache-2.0
#include "partita/gumbel/gumbel.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/softmax/scalar.hpp"

namespace partita {

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}

double gumbel_log_prob(double g, double location, double scale) {
  const double z = (g - location) / scale;
  if (z == -kInfinity) return -kInfinity;  // not -(-inf + inf)
  return -(z + std::exp(-z)) - std::log(scale);
}

double gumbel_cdf(double g, double location, double scale) {
  return std::exp(gumbel_log_cdf(g, location, scale));
}

double gumbel_log_cdf(double g, double location, double scale) {
  return -std::exp((location - g) / scale);
}

double gumbel_log_survival(double g, double location, double scale) {
  const double z = (g - location) / scale;
  // As z grows, e^-z underflows long before its logarithm, which the survival then equals.
  return z > 40 ? -z : log1mexp(-std::exp(-z));
}

double gumbel_icdf(double u, double location, double scale) {
  return location - scale * std::log(-std::log(u));
}

double truncated_gumbel_cdf(double g, double location, double maximum) {
  return std::exp(truncated_gumbel_log_cdf(g, location, maximum));
}

double truncated_gumbel_log_cdf(double g, double location, double maximum) {
  if (g >= maximum) return 0;
  // e^(phi-T) - e^(phi-g) = -e^(phi-g) (1 - e^(g-T)): a product, so nothing cancels.
  return std::exp(location - g) * std::expm1(g - maximum);
}

double truncated_gumbel_icdf(double u, double location, double maximum) {
  return truncated_gumbel(-std::log(u), location, maximum);
}

double truncated_gumbel(double exponential, double location, double maximum) {
  if (location == -kInfinity) return -kInfinity;
  if (exponential == 0) return maximum;
  // phi - log(e^(phi-T) + E), with the larger of the two terms taken out.
  const double log_exponential = std::log(exponential);
  const double gap = log_exponential - (location - maximum);
  return gap <= 0 ? maximum - std::log1p(std::exp(gap))
                  : location - log_exponential - std::log1p(std::exp(-gap));
}

void condition_on_maximum(std::span<double> gumbels, double maximum) {
  if (gumbels.empty()) return;
  const double largest = *std::max_element(gumbels.begin(), gumbels.end());
  if (largest == -kInfinity) return;
  for (double& g : gumbels) {
    if (g == -kInfinity) continue;
    if (g == largest) {
      g = maximum;  // what follows gives the same, but rounded
      continue;
    }
    const double v = maximum - g + log1mexp(g - largest);
    g = maximum - std::max(0.0, v) - log1pexp(-std::abs(v));
  }
}

std::size_t sample_given_maximum(std::span<const double> locations, double maximum, Draws& draws,
                                 std::span<double> gumbels) {
  double largest = -kInfinity;
  for (std::size_t i = 0; i < locations.size(); ++i) {
    if (!(locations[i] < kInfinity)) {
      throw InvalidArgument("locations",
                            fmt::format("expected finite or -inf, got {} at {}", locations[i], i));
    }
    largest = std::max(largest, locations[i]);
  }
  if (largest == -kInfinity)
    throw InvalidArgument("locations", "every category is impossible (-inf)");
  double total = 0;
  for (const double location : locations) total += std::exp(location - largest);
  double remaining = draws.uniform() * total;
  std::size_t chosen = 0;
  for (std::size_t i = 0; i < locations.size(); ++i) {
    const double weight = std::exp(locations[i] - largest);
    if (weight > 0) chosen = i;  // if rounding runs past the last, that one is chosen
    remaining -= weight;
    if (remaining < 0) break;
  }
  for (std::size_t i = 0; i < locations.size(); ++i) {
    const double noise = draws.exponential();
    gumbels[i] = i == chosen ? maximum : truncated_gumbel(noise, locations[i], maximum);
  }
  return chosen;
}

}  // namespace partita
