// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/internal/judged_rows.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace partita {

std::vector<JudgedRow> sorted(const std::vector<JudgedRow>& rows) {
  // Dealt to buckets, which are then small enough to sort in the cache.
  constexpr std::size_t kBuckets = 4096;
  const auto bucket = [](const JudgedRow& row) {
    return std::min(static_cast<std::size_t>(row.confidence * kBuckets), kBuckets - 1);
  };
  std::vector<std::size_t> next(kBuckets + 1);
  for (const JudgedRow& row : rows) ++next[bucket(row) + 1];
  std::partial_sum(next.begin(), next.end(), next.begin());
  std::vector<JudgedRow> out(rows.size());
  for (const JudgedRow& row : rows) out[next[bucket(row)]++] = row;
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
void add(std::span<const JudgedRow> part, RowGroups& to, const Belongs& belongs) {
  double n = 0;
  JudgedRow mean{};
  double nll_squares = 0;
  double brier_squares = 0;
  for (const JudgedRow& row : part) {
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

RowGroups::RowGroups(std::span<const JudgedRow> sorted, std::span<const std::size_t> ends) {
  constexpr std::size_t kParts = 128;
  const std::size_t most = (sorted.size() + kParts - 1) / kParts;
  std::size_t begin = 0;
  const auto end_part = [&](std::size_t end) {
    if (end == begin) return;
    const auto part = sorted.subspan(begin, end - begin);
    add(part, *this, [](const JudgedRow& row) { return row.right > 0; });
    add(part, *this, [](const JudgedRow& row) { return row.right == 0 && std::isfinite(row.nll); });
    add(part, *this, [](const JudgedRow& row) { return std::isinf(row.nll); });
    parts.push_back({means.size(), part.front().confidence == part.back().confidence});
    begin = end;
  };
  const auto end_bins = [&](std::size_t i) {
    while (bin_ends.size() < ends.size() && ends[bin_ends.size()] == i) {
      end_part(i);
      bin_ends.push_back(means.size());
    }
  };
  for (std::size_t i = 0; i < sorted.size();) {
    end_bins(i);
    std::size_t next = i + 1;  // the first of another confidence
    while (next < sorted.size() && sorted[next].confidence == sorted[i].confidence) ++next;
    const bool is_long = next - i >= most / 2;
    if (is_long) end_part(i);
    if (is_long || next - begin >= most) end_part(next);
    i = next;
  }
  end_part(sorted.size());
  end_bins(sorted.size());
}

}  // namespace partita
