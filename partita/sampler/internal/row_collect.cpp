// SPDX-License-Identifier: Apache-2.0
// The most likely categories of a RowScan.
#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <type_traits>

#include "partita/sampler/internal/row_scan.hpp"

namespace partita::sampler {

using kernels::kBlock;

namespace {

/// A value that at least k are equal to or above, and mostly not many more: down from the largest
/// in steps, each twice as long; then by halves, or to where nothing lies between: then many are
/// equal.
template <class T, class Part>
T reached(T largest, T step, std::size_t k, const Part& part) {
  constexpr T kLowest = std::numeric_limits<T>::lowest();
  T high = largest;
  T low = std::max(high - step, kLowest);
  kernels::Parted<T> found = part(low);
  while (found.count < k) {
    high = low;
    step *= 2;
    low = std::max(high - step, kLowest);
    found = part(low);
  }
  while (found.count > k + k / 4) {
    const T middle = found.least / 2 + high / 2;
    if (!(middle > found.least && middle < high)) break;
    const kernels::Parted<T> here = part(middle);
    if (here.count >= k) {
      found = here;
    } else if (here.next > found.least) {
      high = middle;
    } else {
      break;
    }
  }
  return found.least;
}

}  // namespace

template <class T>
kernels::Parted<T> RowScan<T>::part(const RowReader<T>& row, T limit) {
  kernels::Parted<T> all{0, std::numeric_limits<T>::infinity(), kNever<T>};
  row.visit_runs(row.blocks(), [&]<class E>(std::span<const E> z, std::size_t) {
    const auto [count, least, next] = kernels::sampler_kernels<E>().part(z.data(), z.size(), limit);
    all = {all.count + count, std::min(all.least, least), std::max(all.next, next)};
  });
  return all;
}

template <class T>
T RowScan<T>::reached_by(const RowReader<T>& row, std::size_t k) const {
  // The maxima of blocks, or of cells, stand for the row while few of them hold two categories of
  // the k; then the row is looked at itself.
  const auto& maxima = k <= blocks_ / 2 ? block_max_ : largest_;
  const bool by_maxima = k <= maxima.size() / 2;
  if (!by_maxima && k >= row.columns()) return kNever<T>;
  const auto part_row = [&](T limit) {
    return by_maxima ? kernels::sampler_kernels<T>().part(maxima.data(), maxima.size(), limit)
                     : part(row, limit);
  };
  constexpr T kLowest = std::numeric_limits<T>::lowest();
  T high = row_max_;
  if (high == kNever<T>) return high;
  if (part_row(high).count >= k) return high;
  if (part_row(kLowest).count < k) return kNever<T>;
  return reached(high, scale(), k, part_row);
}

/// How far below the maximum the cells' maxima lie, by some of them; above 0.
template <class T>
T RowScan<T>::scale() const {
  const T high = row_max_;
  const std::size_t stride = std::max<std::size_t>(1, largest_.size() / 32);
  T sum = 0;
  T count = 0;
  for (std::size_t i = 0; i < largest_.size(); i += stride) {
    if (largest_[i] == kNever<T>) continue;
    sum += high - largest_[i];
    count += 1;
  }
  const T least = high - std::nextafter(high, kNever<T>);
  return count > 0 && std::isfinite(sum) ? std::max(sum / count, least) : least;
}

template <class T>
bool RowScan<T>::collect(const RowReader<T>& row, T low, std::size_t equals, std::size_t most,
                         Candidates& out) const {
  return collect_pruned(row, low, equals, most, std::numeric_limits<std::size_t>::max(), out);
}

template <class T>
void RowScan<T>::collect_top_k(const RowReader<T>& row, T low, std::size_t k,
                               Candidates& out) const {
  collect_pruned(row, low, k, std::numeric_limits<std::size_t>::max(), k, out);
}

/// The k-th largest of a list, or a little less: what a filter may see as equal to it is not below
/// it.
template <class T>
T RowScan<T>::reached_in(const Candidates& list, std::size_t k) const {
  const auto& logits = list.logits;
  const auto part = [&](double limit) {
    return kernels::sampler_kernels<double>().part(logits.data(), logits.size(), limit);
  };
  const double largest = *std::max_element(logits.begin(), logits.end());
  double value = largest;
  if (part(largest).count < k) {
    const double least = part(std::numeric_limits<double>::lowest()).least;
    value = reached(largest, std::max((largest - least) / 4, std::numeric_limits<double>::min()), k,
                    part);
  }
  constexpr double kSlack = 0x1p-48;
  const double limit = value - kSlack * (std::abs(max_) + std::abs(value));
  const T rounded = static_cast<T>(limit);  // an edited logit is no float
  return static_cast<double>(rounded) > limit ? std::nextafter(rounded, kNever<T>) : rounded;
}

/// Once the list holds several times k, what is below its k-th largest goes.
template <class T>
bool RowScan<T>::collect_pruned(const RowReader<T>& row, T low, std::size_t equals,
                                std::size_t most, std::size_t k, Candidates& out) const {
  if (most < largest_.size() && equals > most &&
      kernels::sampler_kernels<T>().part(largest_.data(), largest_.size(), low).count > most) {
    return false;
  }
  // What is not above `low` goes once there are enough of those equal to it.
  const auto above = [](T z) { return std::nextafter(z, std::numeric_limits<T>::infinity()); };
  T limit = low;
  if (equals == 0) low = above(low);
  constexpr std::size_t kFew = 128;
  std::size_t prune_at =
      k < most / 4 ? std::max(kFew, 4 * k) : std::numeric_limits<std::size_t>::max();
  const auto prune = [&] {
    const T reached = reached_in(out, k);
    if (reached > limit) {
      limit = reached;
      equals = std::is_same_v<T, float> ? k : std::numeric_limits<std::size_t>::max();
      std::size_t kept = 0;
      for (std::size_t i = 0; i < out.ids.size(); ++i) {
        if (out.logits[i] < static_cast<double>(limit)) continue;
        if (out.logits[i] == static_cast<double>(limit)) {
          if (equals == 0) continue;
          --equals;
        }
        out.ids[kept] = out.ids[i];
        out.logits[kept++] = out.logits[i];
      }
      out.ids.resize(kept);
      out.logits.resize(kept);
      low = equals == 0 ? above(limit) : limit;
    }
    prune_at = std::max(prune_at, 2 * out.ids.size());
  };
  std::size_t apart = 0;
  const auto add_apart = [&](std::int64_t end) {  // those before this column
    for (; apart < apart_.columns.size() && apart_.columns[apart] < end; ++apart) {
      if (!(apart_.logits[apart] >= static_cast<double>(limit))) continue;
      out.ids.push_back(apart_.columns[apart]);
      out.logits.push_back(apart_.logits[apart]);
    }
  };
  std::uint64_t words[kBlock / 64];
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (block_max_[b] < low) continue;
    row.visit_block(b, [&]<class E>(std::span<const E> z) {
      const auto mark = [&] {
        kernels::sampler_kernels<E>().mark_from(z.data(), z.size(), low, words);
      };
      mark();
      for (std::size_t i = 0; i < z.size();) {
        const std::uint64_t left = words[i / 64] >> (i % 64);
        if (left == 0) {
          i = (i / 64 + 1) * 64;
          continue;
        }
        i += static_cast<std::size_t>(std::countr_zero(left));
        const auto logit = static_cast<T>(z[i]);
        const auto id = static_cast<std::int64_t>(b * kBlock + i);
        add_apart(id);
        out.ids.push_back(id);
        out.logits.push_back(static_cast<double>(logit));
        ++i;
        if (logit == limit && --equals == 0) {
          low = above(low);
          mark();
        }
        if (out.ids.size() >= prune_at) {
          prune();
          mark();
        }
      }
    });
    if (out.ids.size() > most) return false;
  }
  add_apart(std::numeric_limits<std::int64_t>::max());
  return out.ids.size() <= most;
}

template <class T>
std::vector<T> RowScan<T>::collect_between(const RowReader<T>& row, T low, T high) const {
  std::vector<T> between;
  std::uint64_t above_low[kBlock / 64];
  std::uint64_t from_high[kBlock / 64];
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (!(block_max_[b] > low)) continue;
    row.visit_block(b, [&]<class E>(std::span<const E> z) {
      const auto& mark_from = kernels::sampler_kernels<E>().mark_from;
      mark_from(z.data(), z.size(), std::nextafter(low, high), above_low);
      mark_from(z.data(), z.size(), high, from_high);
      for (std::size_t w = 0; w * 64 < z.size(); ++w) {
        for (std::uint64_t left = above_low[w] & ~from_high[w]; left != 0; left &= left - 1) {
          between.push_back(
              static_cast<T>(z[w * 64 + static_cast<std::size_t>(std::countr_zero(left))]));
        }
      }
    });
  }
  return between;
}

template kernels::Parted<float> RowScan<float>::part(const RowReader<float>&, float);
template kernels::Parted<double> RowScan<double>::part(const RowReader<double>&, double);
template float RowScan<float>::reached_by(const RowReader<float>&, std::size_t) const;
template double RowScan<double>::reached_by(const RowReader<double>&, std::size_t) const;
template bool RowScan<float>::collect(const RowReader<float>&, float, std::size_t, std::size_t,
                                      Candidates&) const;
template bool RowScan<double>::collect(const RowReader<double>&, double, std::size_t, std::size_t,
                                       Candidates&) const;
template void RowScan<float>::collect_top_k(const RowReader<float>&, float, std::size_t,
                                            Candidates&) const;
template void RowScan<double>::collect_top_k(const RowReader<double>&, double, std::size_t,
                                             Candidates&) const;
template std::vector<float> RowScan<float>::collect_between(const RowReader<float>&, float,
                                                            float) const;
template std::vector<double> RowScan<double>::collect_between(const RowReader<double>&, double,
                                                              double) const;

}  // namespace partita::sampler
