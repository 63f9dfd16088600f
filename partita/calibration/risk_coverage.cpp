// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/risk_coverage.hpp"

#include <algorithm>
#include <limits>
#include <numeric>

#include "partita/base/internal/check.hpp"

namespace partita {

namespace {

/// The aurc of `rows` rows of which the `wrong` ones are the least confident.
double least_aurc(std::size_t rows, std::size_t wrong) {
  double sum = 0;
  for (std::size_t i = 1; i <= wrong; ++i) {
    sum += static_cast<double>(i) / static_cast<double>(rows - wrong + i);
  }
  return sum / static_cast<double>(rows);
}

}  // namespace

RiskCoverage risk_coverage(const Confidences& confidences) {
  confidences.check(/*probabilities=*/false);
  const std::size_t n = confidences.rows();
  const auto& c = confidences.confidence;
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return c[a] > c[b]; });
  const auto rows = static_cast<double>(n);
  RiskCoverage out{};
  std::size_t wrong = 0;
  for (std::size_t i = 0; i < n;) {
    const std::size_t first = i;
    const auto wrong_before = static_cast<double>(wrong);
    for (; i < n && c[order[i]] == c[order[first]]; ++i) wrong += 1 - confidences.right[order[i]];
    const auto accepted = static_cast<double>(i);
    const auto share = static_cast<double>(i - first) / rows;
    const double risk = static_cast<double>(wrong) / accepted;
    out.points.push_back({c[order[first]], accepted / rows, risk});
    out.aurc += share * risk;
    out.augrc += share * (wrong_before + static_cast<double>(wrong)) / (2 * rows);
  }
  out.e_aurc = out.aurc - least_aurc(n, wrong);
  return out;
}

RiskCoveragePoint coverage_at_risk(const RiskCoverage& curve, double risk) {
  check_in("risk", risk, "[0, 1]");
  const auto point = std::find_if(curve.points.rbegin(), curve.points.rend(),
                                  [&](const RiskCoveragePoint& p) { return p.risk <= risk; });
  if (point != curve.points.rend()) return *point;
  return {std::numeric_limits<double>::infinity(), 0, 0};
}

}  // namespace partita
