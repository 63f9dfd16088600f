// SPDX-License-Identifier: Apache-2.0
// G: sampling without replacement, of categories and of whole sequences.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/tour/claim.hpp"
#include "apps/tour/sequences.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

constexpr std::array kLogits = {1.0, 0.0, -0.7, 0.4, -1.5};
constexpr std::size_t kCategories = kLogits.size();

/// The same row `n` times.
Rows repeated(std::size_t n) { return {kLogits.data(), n, kCategories, 0}; }

std::array<double, kCategories> log_probabilities() {
  std::array<double, kCategories> phi{};
  log_softmax(repeated(1), row_to(phi));
  return phi;
}

Finding maximum_and_arg_max(const TourContext& context) {
  const std::size_t n = context.choose(1'000'000U, 200'000U);
  const TopKSample sample = gumbel_top_k(repeated(n), 1, context.stream(0));
  const auto phi = log_probabilities();
  constexpr std::size_t kParts = 8;  // equally likely parts of the maximum's range
  std::vector<double> observed(kCategories * kParts);
  std::vector<double> expected(observed.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto part =
        std::min(kParts - 1, static_cast<std::size_t>(kParts * gumbel_cdf(sample.perturbed[i])));
    ++observed[static_cast<std::size_t>(sample.indices[i]) * kParts + part];
  }
  for (std::size_t c = 0; c < kCategories; ++c) {
    for (std::size_t part = 0; part < kParts; ++part) {
      expected[c * kParts + part] = static_cast<double>(n) * std::exp(phi[c]) / kParts;
    }
  }
  return {{not_rejected("maximum against Gumbel(LSE), Kolmogorov-Smirnov",
                        ks_p_value(sample.perturbed, [](double g) { return gumbel_cdf(g); })),
           not_rejected("arg max and eighth of the maximum against independence, χ²",
                        chi_square_p_value(observed, expected))}};
}

Finding ordered_samples(const TourContext& context) {
  const std::size_t n = context.choose(1'000'000U, 200'000U);
  const auto phi = log_probabilities();
  Finding finding;
  for (const std::size_t k : {2U, 3U}) {
    const TopKSample sample = gumbel_top_k(repeated(n), k, context.stream(k));
    std::map<std::vector<std::size_t>, double> counts;
    for (std::size_t r = 0; r < n; ++r) {
      std::vector<std::size_t> drawn(k);
      for (std::size_t j = 0; j < k; ++j) {
        drawn[j] = static_cast<std::size_t>(sample.indices[r * k + j]);
      }
      ++counts[drawn];
    }
    std::vector<double> observed;
    std::vector<double> expected;
    double total = 0;
    for (const auto& [drawn, count] : counts) {
      observed.push_back(count);
      total += ordered_probability(phi, drawn);
      expected.push_back(static_cast<double>(n) * ordered_probability(phi, drawn));
    }
    finding.checks.push_back(
        not_rejected(k == 2 ? "all ordered pairs of five, χ²" : "all ordered triples of five, χ²",
                     chi_square_p_value(observed, expected)));
    finding.checks.push_back(equal("their probabilities' sum", total, 1, 1e-12));
  }
  return finding;
}

Finding truncated(const TourContext& context) {
  const std::size_t n = context.choose(200'000U, 50'000U);
  Finding finding;
  std::uint64_t id = 0;
  for (const double location : {-3.0, 0.0, 3.0}) {
    const Stream stream = context.stream(id++);  // of its own, for a p-value of its own
    std::vector<double> draws(n);
    for (std::size_t i = 0; i < n; ++i) {
      draws[i] = truncated_gumbel(stream.exponential(i), location, 0.5);
    }
    finding.checks.push_back(not_rejected(
        location < 0   ? "φ − T = −3.5, Kolmogorov-Smirnov"
        : location > 0 ? "φ − T = 2.5"
                       : "φ − T = −0.5",
        ks_p_value(draws, [&](double g) { return truncated_gumbel_cdf(g, location, 0.5); })));
  }
  // Where e^(φ-T) overflows or vanishes, the limits are known: T - E e^(T-φ), and φ - log E.
  finding.checks.push_back(equal("at φ − T = 700, E = 2: the distance below T, over E e⁻⁷⁰⁰",
                                 -truncated_gumbel(2, 700, 0) / (2 * std::exp(-700.0)), 1, 1e-12));
  finding.checks.push_back(equal("at φ − T = −700, E = 2: φ − log E", truncated_gumbel(2, -700, 0),
                                 -700 - std::log(2.0), 0));
  return finding;
}

Finding given_the_maximum(const TourContext& context) {
  const std::size_t n = context.choose(400'000U, 100'000U);
  constexpr double kMaximum = 0.3;
  const auto phi = log_probabilities();
  std::vector<double> counts[2];
  std::vector<double> others[2];
  double exact = 0;
  double in_order = 0;
  for (const int way : {0, 1}) {
    counts[way].resize(kCategories);
    Draws draws(context.stream(static_cast<std::uint64_t>(way)));
    std::array<double, kCategories> gumbels{};
    for (std::size_t i = 0; i < n; ++i) {
      if (way == 0) {
        sample_given_maximum(phi, kMaximum, draws, gumbels);
      } else {
        for (std::size_t c = 0; c < kCategories; ++c) gumbels[c] = phi[c] + draws.gumbel();
        const auto before = gumbels;
        condition_on_maximum(gumbels, kMaximum);
        bool kept = true;
        for (std::size_t c = 1; c < kCategories; ++c) {
          kept = kept && (before[c] < before[0]) == (gumbels[c] < gumbels[0]);
        }
        in_order += kept ? 1 : 0;
      }
      const auto top = std::max_element(gumbels.begin(), gumbels.end()) - gumbels.begin();
      ++counts[way][static_cast<std::size_t>(top)];
      exact += *std::max_element(gumbels.begin(), gumbels.end()) == kMaximum ? 1 : 0;
      if (top != 0) others[way].push_back(gumbels[0]);
    }
  }
  std::vector<double> expected;
  for (const double p : phi) expected.push_back(static_cast<double>(n) * std::exp(p));
  const auto cdf = [&](double g) { return truncated_gumbel_cdf(g, phi[0], kMaximum); };
  return {
      {not_rejected("choose and truncate: arg max, χ²", chi_square_p_value(counts[0], expected)),
       not_rejected("choose and truncate: the others", ks_p_value(others[0], cdf)),
       not_rejected("shift: arg max, χ²", chi_square_p_value(counts[1], expected)),
       not_rejected("shift: the others", ks_p_value(others[1], cdf)),
       equal("share whose maximum is exactly T", exact / (2.0 * static_cast<double>(n)), 1, 0),
       equal("share whose order the shift preserves", in_order / static_cast<double>(n), 1, 0)}};
}

constexpr Claim kWithoutReplacementClaims[] = {
    {"G1",
     "The maximum of perturbed logits and its arg max are independent, Gumbel and categorical.",
     maximum_and_arg_max},
    {"G2", "The k largest perturbed logits are an ordered sample without replacement.",
     ordered_samples},
    {"G3", "A truncated Gumbel is drawn without cancellation, wherever it is truncated.",
     truncated},
    {"G4", "Two ways to draw a set of Gumbels given its maximum have the same distribution.",
     given_the_maximum},
    {"G5",
     "The perturbed log-probability of a prefix is a Gumbel; drawn bottom-up or top-down, it has "
     "the "
     "same distribution.",
     tree},
    {"G6", "A beam of perturbed log-probabilities is a sample of sequences without replacement.",
     beam},
    {"G7",
     "Importance weights make estimates from the sample unbiased, and exact once it is complete.",
     estimates},
};

}  // namespace

Chapter without_replacement_chapter() {
  return {"without-replacement", "G. Without replacement", kWithoutReplacementClaims};
}

}  // namespace partita::app
