// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/internal/judged_rows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace partita {

std::vector<Prediction> sorted(const std::vector<Prediction>& rows) {
  // Dealt to buckets, which are then small enough to sort in the cache.
  constexpr std::size_t kBuckets = 4096;
  const auto bucket = [](const Prediction& row) {
    return std::min(static_cast<std::size_t>(row.confidence * kBuckets), kBuckets - 1);
  };
  std::vector<std::size_t> next(kBuckets + 1);
  for (const Prediction& row : rows) ++next[bucket(row) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<Prediction> out(rows.size());
  for (const Prediction& row : rows) out[next[bucket(row)]++] = row;
  std::size_t begin = 0;
  for (std::size_t b = 0; b < kBuckets; ++b) {
    std::sort(out.begin() + static_cast<std::ptrdiff_t>(begin),
              out.begin() + static_cast<std::ptrdiff_t>(next[b]), [](const auto& x, const auto& y) {
                return x.confidence < y.confidence ||
                       (x.confidence == y.confidence && x.right < y.right);
              });
    begin = next[b];
  }
  return out;
}

namespace {

/// What the n-th value adds to the sum of squared deviations from the mean (Welford 1962).
double deviate(double value, double n, double& mean) {
  if (std::isinf(value)) {
    mean = value;
    return 0;
  }
  const double over = value - mean;
  mean += over / n;
  return over * (value - mean);
}

/// Adds a group of those rows of a part that belong, if there are any.
template <class Belongs>
void add(std::span<const Prediction> part, RowGroups& to, const Belongs& belongs) {
  double n = 0;
  Prediction mean{{}, part.front().bin};
  double nll_squares = 0;
  double brier_squares = 0;
  for (const Prediction& row : part) {
    if (!belongs(row)) continue;
    n += 1;
    mean.right = row.right;
    mean.confidence += (row.confidence - mean.confidence) / n;
    nll_squares += deviate(row.nll, n, mean.nll);
    brier_squares += deviate(row.brier, n, mean.brier);
  }
  if (n == 0) return;
  to.means.push_back(mean);
  to.sizes.push_back(static_cast<std::uint32_t>(n));
  to.nll_variance.push_back(nll_squares / n);
  to.brier_variance.push_back(brier_squares / n);
}

}  // namespace

RowGroups::RowGroups(std::span<const Prediction> sorted) {
  const std::size_t most = (sorted.size() + 511) / 512;
  std::size_t begin = 0;
  for (std::size_t i = 1; i <= sorted.size(); ++i) {
    if (i < sorted.size() && i - begin < most && sorted[i].bin == sorted[begin].bin) continue;
    const auto part = sorted.subspan(begin, i - begin);
    add(part, *this, [](const Prediction& row) { return row.right > 0; });
    add(part, *this,
        [](const Prediction& row) { return row.right == 0 && std::isfinite(row.nll); });
    add(part, *this, [](const Prediction& row) { return std::isinf(row.nll); });
    begin = i;
  }
}

}  // namespace partita
