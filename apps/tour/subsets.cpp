// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/subsets.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>
#include <vector>

#include "apps/report/figure.hpp"
#include "partita/gumbel/conditional_poisson.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {

namespace {

constexpr std::size_t kCategories = 7;
constexpr std::size_t kMembers = 3;

/// P(S) by the definition for every set of kMembers, at the number whose bits are its members.
std::vector<double> probabilities_of_sets(std::span<const double> z) {
  std::vector<double> p(std::size_t{1} << z.size());
  for (std::size_t set = 0; set < p.size(); ++set) {
    if (std::popcount(set) != kMembers) continue;
    double sum = 0;
    for (std::size_t i = 0; i < z.size(); ++i) sum += (set >> i & 1) != 0 ? z[i] : 0;
    p[set] = std::exp(sum);
  }
  const double total = std::accumulate(p.begin(), p.end(), 0.0);
  for (double& each : p) each /= total;
  return p;
}

std::size_t set_of(std::span<const std::int64_t> members) {
  std::size_t set = 0;
  for (const std::int64_t i : members) set |= std::size_t{1} << i;
  return set;
}

}  // namespace

Finding fixed_size_subsets(const TourContext& context) {
  const std::size_t n = context.choose(200'000U, 40'000U);
  constexpr std::array<double, kCategories> kLogits = {2, 1.5, 1, 0, -0.5, -1, -3};
  const ConditionalPoisson law(row_of(kLogits), kMembers);
  const std::vector<double> p = probabilities_of_sets(kLogits);

  // Its draws, and those of the Gumbel-top-k trick as sets: k draws one after the other.
  std::vector<double> expected;
  for (const double each : p) expected.push_back(each * static_cast<double>(n));
  std::vector<double> drawn(p.size());
  std::array<std::int64_t, kMembers> members{};
  for (std::size_t i = 0; i < n; ++i) {
    law.draw(context.stream(0).child(i), members);
    ++drawn[set_of(members)];
  }
  std::vector<double> successive(p.size());
  const TopKSample ranked =
      gumbel_top_k({kLogits.data(), n, kCategories, 0}, kMembers, context.stream(1));
  for (std::size_t i = 0; i < n; ++i) {
    ++successive[set_of(std::span(ranked.indices).subspan(i * kMembers, kMembers))];
  }

  // The marginals, and the slope of the log-normalizer.
  const std::vector<double> included = law.marginals().included;
  Series exact{.name = "in proportion to weights", .mark = Mark::points};
  Series measured{.name = "one after the other", .mark = Mark::points};
  double furthest = 0;
  double furthest_slope = 0;
  for (std::size_t i = 0; i < kCategories; ++i) {
    double sum = 0;
    double share = 0;
    for (std::size_t set = 0; set < p.size(); ++set) {
      if ((set >> i & 1) == 0) continue;
      sum += p[set];
      share += successive[set] / static_cast<double>(n);
    }
    furthest = std::max(furthest, std::abs(included[i] - sum));
    const auto log_normalizer = [&](double step) {
      std::array moved = kLogits;
      moved[i] += step;
      return ConditionalPoisson(row_of(moved), kMembers).log_normalizer();
    };
    constexpr double kStep = 1e-5;
    const double slope = (log_normalizer(kStep) - log_normalizer(-kStep)) / (2 * kStep);
    furthest_slope = std::max(furthest_slope, std::abs(included[i] - slope));
    exact.x.push_back(kLogits[i]);
    exact.y.push_back(included[i]);
    measured.x.push_back(kLogits[i]);
    measured.y.push_back(share);
  }

  // Ten of 20,000, with gaps that no exponential holds.
  std::vector<double> wide(20'000);
  for (std::size_t i = 0; i < wide.size(); ++i) {
    wide[i] = (i % 4 == 0 ? 1e4 : -1e4) + context.stream(2).normal(i);
  }
  const std::vector<double> marginals = ConditionalPoisson(row_of(wide), 10).marginals().included;
  return {{not_rejected("sets of 3 of 7 against the products of their weights, χ²",
                        chi_square_p_value(drawn, expected)),
           at_most("the first 3 of a ranking against the same, χ², p-value",
                   chi_square_p_value(successive, expected), 1e-6),
           equal("marginals, furthest from the sum over all sets", furthest, 0, 1e-14),
           equal("and from the slope of log e_k", furthest_slope, 0, 1e-9),
           equal("sum of 20,000 marginals, k = 10, logits of ±10,000",
                 std::accumulate(marginals.begin(), marginals.end(), 0.0), 10, 1e-9)},
          {{to_svg({.title = "How often a category is chosen",
                    .x = {.label = "logit"},
                    .y = {.label = "P(i in S)", .min = 0, .max = 1},
                    .series = {exact, measured}}),
            "Three of seven: the two laws of sets agree for k = 1 alone."}}};
}

}  // namespace partita::app
