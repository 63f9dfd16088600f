// SPDX-License-Identifier: Apache-2.0
#include "partita/search/minimum_bayes_risk.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <compare>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

/// The beginnings of a text's suffixes, of up to n tokens, sorted.
std::vector<std::span<const Token>> sorted_suffixes(std::span<const Token> text, std::size_t n) {
  std::vector<std::span<const Token>> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    out.push_back(text.subspan(i, std::min(n, text.size() - i)));
  }
  std::sort(out.begin(), out.end(), [](const auto& a, const auto& b) {
    return std::lexicographical_compare(a.begin(), a.end(), b.begin(), b.end());
  });
  return out;
}

/// The n-grams of a text, sorted as its suffixes are.
std::vector<std::span<const Token>> ngrams(std::span<const std::span<const Token>> suffixes,
                                           std::size_t n) {
  std::vector<std::span<const Token>> out;
  for (const std::span<const Token> suffix : suffixes) {
    if (suffix.size() >= n) out.push_back(suffix.first(n));
  }
  return out;
}

/// How many n-grams two sorted lists share.
double shared(std::span<const std::span<const Token>> a,
              std::span<const std::span<const Token>> b) {
  double count = 0;
  for (std::size_t i = 0, j = 0; i < a.size() && j < b.size();) {
    const auto order =
        std::lexicographical_compare_three_way(a[i].begin(), a[i].end(), b[j].begin(), b[j].end());
    if (std::is_eq(order)) ++count;
    if (std::is_lteq(order)) ++i;
    if (std::is_gteq(order)) ++j;
  }
  return count;
}

}  // namespace

double NgramFScore::operator()(std::span<const Token> hypothesis,
                               std::span<const Token> reference) const {
  check_at_least("max_n", max_n, 1);
  check_in("beta", beta, "(0, inf)");
  if (hypothesis.empty() || reference.empty()) {
    return hypothesis.empty() && reference.empty() ? 1 : 0;
  }
  const std::size_t longest = std::min({max_n, hypothesis.size(), reference.size()});
  const auto our_suffixes = sorted_suffixes(hypothesis, longest);
  const auto their_suffixes = sorted_suffixes(reference, longest);
  double precision = 0;
  double recall = 0;
  for (std::size_t n = 1; n <= longest; ++n) {
    const auto ours = ngrams(our_suffixes, n);
    const auto theirs = ngrams(their_suffixes, n);
    const double both = shared(ours, theirs);
    precision += both / static_cast<double>(ours.size() * longest);
    recall += both / static_cast<double>(theirs.size() * longest);
  }
  const double square = beta * beta;
  return precision == 0 ? 0 : (1 + square) * precision * recall / (square * precision + recall);
}

MinimumBayesRisk minimum_bayes_risk(std::span<const Sequence> sequences,
                                    std::span<const double> weights, const Utility& utility) {
  check_at_least("sequences", sequences.size(), 1);
  check_size("weights", weights.size(), sequences.size(), "one for each sequence");
  for (const double weight : weights) check_in("weights", weight, "[0, inf)");
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  check_in("weights", total, "(0, inf)");
  MinimumBayesRisk out{0, std::vector<double>(sequences.size())};
  for (std::size_t i = 0; i < sequences.size(); ++i) {
    for (std::size_t j = 0; j < sequences.size(); ++j) {
      if (weights[j] == 0) continue;
      const double u = utility(sequences[i], sequences[j]);
      if (!std::isfinite(u)) {
        throw InvalidArgument(
            "utility",
            fmt::format("expected a finite number, got {} for sequences {} and {}", u, i, j));
      }
      out.utilities[i] += weights[j] / total * u;
    }
    if (out.utilities[i] > out.utilities[out.choice]) out.choice = i;
  }
  return out;
}

}  // namespace partita
