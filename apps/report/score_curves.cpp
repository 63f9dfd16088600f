// SPDX-License-Identifier: Apache-2.0
#include "apps/report/score_curves.hpp"

#include <algorithm>
#include <utility>
#include <vector>

namespace partita::app {

RocCurve thinned(const RocCurve& curve) {
  constexpr std::size_t kMostPoints = 600;  // more than a figure has pixels
  if (curve.size() <= kMostPoints) return curve;
  RocCurve out;
  for (std::size_t i = 0; i < kMostPoints; ++i) {
    out.push_back(curve[i * (curve.size() - 1) / (kMostPoints - 1)]);
  }
  return out;
}

double share(std::size_t part, std::size_t whole) {
  return static_cast<double>(part) / static_cast<double>(whole);
}

Series roc_series(const RocCurve& curve, std::string name) {
  const OperatingPoint all = curve.back();
  Series series{.name = std::move(name), .mark = Mark::line};
  for (const OperatingPoint& point : thinned(curve)) {
    series.x.push_back(share(point.false_positives, all.false_positives));
    series.y.push_back(share(point.true_positives, all.true_positives));
  }
  return series;
}

Series histogram(std::string name, std::span<const double> values, double low, double high,
                 std::size_t bins) {
  const auto count = static_cast<double>(bins);
  std::vector<std::size_t> counts(bins);
  for (const double value : values) {
    const double at = (value - low) / (high - low) * count;
    ++counts[static_cast<std::size_t>(std::clamp(at, 0.0, count - 1))];
  }
  Series series{.name = std::move(name), .mark = Mark::line};
  for (std::size_t b = 0; b < bins; ++b) {
    for (const std::size_t edge : {b, b + 1}) {
      series.x.push_back(low + (high - low) * static_cast<double>(edge) / count);
      series.y.push_back(share(counts[b], values.size()));
    }
  }
  return series;
}

}  // namespace partita::app
