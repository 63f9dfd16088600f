// SPDX-License-Identifier: Apache-2.0
// Functions of a few doubles, for any bits: no NaN where the arguments are numbers of the domain,
// and what a probability, a logarithm of one, or an inverse must be. And laws of subsets of any
// logits.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/softmax/scalar.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

bool is_probability(double p) { return p >= 0 && p <= 1; }

void check_scalars(double x, double y) {
  if (std::isnan(x) || std::isnan(y)) return;
  require(log1pexp(x) >= std::max(x, 0.0));
  require(is_probability(sigmoid(x)) && log_sigmoid(x) <= 0);
  require(sigmoid(std::max(x, y)) >= sigmoid(std::min(x, y)));
  require(!std::isnan(log_add_exp(x, y)) && log_add_exp(x, y) >= std::max(x, y));
  require(log_diff_exp(std::max(x, y), std::min(x, y)) <= std::max(x, y));
  if (x <= 0) require(log1mexp(x) <= 0);
  if (is_probability(x)) require(!std::isnan(logit(x)));
}

void check_gumbel(double g, double location, double maximum, double u) {
  if (std::isnan(g) || !std::isfinite(location) || std::isnan(maximum)) return;
  require(is_probability(gumbel_cdf(g, location)));
  require(gumbel_log_cdf(g, location) <= 0 && gumbel_log_survival(g, location) <= 0);
  require(!std::isnan(gumbel_log_prob(g, location)));
  require(is_probability(truncated_gumbel_cdf(g, location, maximum)));
  require(truncated_gumbel_log_cdf(g, location, maximum) <= 0);
  require(inclusion_log_prob(std::min(location, 0.0), maximum) <= 0);
  if (u > 0 && u <= 1) {
    require(truncated_gumbel_icdf(u, location, maximum) <= maximum);
    require(!std::isnan(gumbel_icdf(u, location)));
    require(truncated_gumbel(-std::log(u), location, maximum) <= maximum);
  }
}

void check_set(std::vector<double> gumbels, double maximum) {
  if (!std::isfinite(maximum)) return;
  for (const double g : gumbels) {
    if (std::isnan(g) || g == std::numeric_limits<double>::infinity()) return;
  }
  if (gumbels.empty() || std::isinf(*std::max_element(gumbels.begin(), gumbels.end()))) return;
  const std::vector<double> before = gumbels;
  condition_on_maximum(gumbels, maximum);
  require(*std::max_element(gumbels.begin(), gumbels.end()) == maximum);
  for (std::size_t i = 1; i < gumbels.size(); ++i) {
    if (before[i] == -std::numeric_limits<double>::infinity()) continue;
    const double rounding = 4e-16 * std::abs(gumbels[i - 1]);
    if (before[i] <= before[i - 1]) require(gumbels[i] <= gumbels[i - 1] + rounding);
  }
}

void check_subsets(const std::vector<double>& logits, std::size_t k) {
  may_refuse([&] {
    const ConditionalPoisson law({logits.data(), 1, logits.size()}, k);
    const auto marginals = law.marginals();
    double sum = 0;
    for (std::size_t i = 0; i < logits.size(); ++i) {
      require(is_probability(marginals.included[i]) && is_probability(marginals.excluded[i]));
      require(std::abs(marginals.included[i] + marginals.excluded[i] - 1) < 1e-9);
      sum += marginals.included[i];
    }
    require(std::abs(sum - static_cast<double>(k)) < 1e-8 * static_cast<double>(k + 1));
    require(law.log_chance() <= 1e-12 && !std::isnan(law.log_normalizer()));
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const bool near = input.flag();  // to each other, and to 0
  const auto number = [&] {
    return near ? static_cast<double>(input.bits<std::int16_t>()) / 512 : input.bits<double>();
  };
  const double x = number();
  const double y = number();
  const double z = number();
  check_scalars(x, y);
  check_gumbel(x, y, z, static_cast<double>(input.bits<std::uint32_t>()) * 0x1p-32);
  const std::size_t k = input.below(9);
  std::vector<double> set;
  while (!input.empty() && set.size() < 40) set.push_back(number());
  check_set(set, x);
  if (!set.empty()) check_subsets(set, k);
  return 0;
}
