// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/seqgan/comparison.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <iterator>
#include <limits>

#include "apps/report/numbers.hpp"

namespace partita::app {
namespace {

constexpr int kLevels = 50;         // that the mean is taken over
constexpr double kClearErrors = 3;  // by which a winner wins

/// The part of a sweep that trades diversity for quality.
std::span<const SeqganQuality> trade(const SeqganSweep& sweep) {
  const auto most_diverse = std::min_element(
      sweep.quality.begin(), sweep.quality.end(),
      [](const auto& a, const auto& b) { return a.held_out_nll < b.held_out_nll; });
  return {most_diverse, sweep.quality.end()};
}

}  // namespace

double quality_at(const SeqganSweep& sweep, double held_out_nll) {
  const auto points = trade(sweep);
  for (std::size_t i = 0; i + 1 < points.size(); ++i) {
    const SeqganQuality& a = points[i];
    const SeqganQuality& b = points[i + 1];
    if (held_out_nll < a.held_out_nll || held_out_nll > b.held_out_nll) continue;
    const double share = (held_out_nll - a.held_out_nll) / (b.held_out_nll - a.held_out_nll);
    return std::lerp(a.oracle_nll, b.oracle_nll, share);
  }
  return std::numeric_limits<double>::quiet_NaN();
}

SeqganComparison compare(std::span<const SeqganSweep> sweeps) {
  SeqganComparison result{.from = -std::numeric_limits<double>::infinity(),
                          .to = std::numeric_limits<double>::infinity()};
  for (const SeqganSweep& sweep : sweeps) {
    result.from = std::max(result.from, trade(sweep).front().held_out_nll);
    result.to = std::min(result.to, trade(sweep).back().held_out_nll);
  }
  if (!(result.from < result.to)) return result;
  for (const SeqganSweep& sweep : sweeps) {
    double sum = 0;
    for (int level = 0; level < kLevels; ++level) {
      sum += quality_at(sweep, std::lerp(result.from, result.to, (level + 0.5) / kLevels));
    }
    result.generators.push_back({sweep.name, sum / kLevels, trade(sweep).front().oracle_nll_error});
  }
  std::sort(result.generators.begin(), result.generators.end(),
            [](const auto& a, const auto& b) { return a.oracle_nll < b.oracle_nll; });
  return result;
}

std::string in_words(const SeqganComparison& comparison) {
  if (comparison.generators.size() < 2) {
    return "No two generators are ever equally diverse at the temperatures tried.";
  }
  std::string out = fmt::format(
      "Equally diverse (NLL of held-out data {:.2f} to {:.2f}), by temperature, NLL "
      "under the oracle is on average",
      comparison.from, comparison.to);
  const auto& all = comparison.generators;
  for (std::size_t i = 0; i < all.size(); ++i) {
    out += fmt::format("{} {} for {}", i == 0 ? "" : ",",
                       with_error(all[i].oracle_nll, all[i].standard_error), all[i].name);
  }
  const double lead = all[1].oracle_nll - all[0].oracle_nll;
  const double error = std::hypot(all[0].standard_error, all[1].standard_error);
  return out + (lead > kClearErrors * error
                    ? fmt::format(": {} wins.", all[0].name)
                    : fmt::format(": {} and {} are within the error of the samples.", all[0].name,
                                  all[1].name));
}

}  // namespace partita::app
