// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/row_scan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>

namespace partita::sampler {

using kernels::kBlock;
using kernels::kLanes;

namespace {

// Maxima of a few blocks first, then their sums: the sums of one block need not wait for the end of
// its own maximum (as in RowPass).
constexpr std::size_t kGroup = 4;
constexpr std::size_t kCell = kBlock / kLanes;

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
void RowScan<T>::resize(const RowReader<T>& row) {
  if (row.columns() == 0) row.fail("no columns");
  blocks_ = row.blocks();
  largest_.resize(blocks_ * kLanes);
  block_max_.assign(kernels::round_up(blocks_, kLanes), kNever<T>);
}

/// Calls reduce(z, first block) on runs of blocks, which returns false if it saw NaN or +inf.
template <class T>
template <class Reduce>
void RowScan<T>::reduce_runs(const RowReader<T>& row, const Reduce& reduce) {
  resize(row);
  bool proper = true;
  row.visit_runs(kGroup, [&](auto z, std::size_t b) { proper &= reduce(z, b); });
  if (!proper) row.check_values();
  row_max_ = *std::max_element(block_max_.begin(), block_max_.end());
  max_ = static_cast<double>(row_max_);
  for (const double z : apart_.logits) max_ = std::max(max_, z);
  if (std::isinf(max_)) row.fail("every category is impossible (all -inf)");
}

template <class T>
void RowScan<T>::find_max(const RowReader<T>& row) {
  reduce_runs(row, [&]<class E>(std::span<const E> z, std::size_t b) {
    return kernels::row_kernels<E>().lane_max(z.data(), z.size(), &largest_[b * kLanes],
                                              &block_max_[b]);
  });
}

template <class T>
void RowScan<T>::weigh(const RowReader<T>& row, double beta, bool moments) {
  weights_.resize(row.blocks() * kLanes);
  sums_.resize(row.blocks());
  moments_.resize(moments ? row.blocks() : 0);
  beta_ = beta;
  has_moments_ = moments;
  const T scale = static_cast<T>(beta);
  reduce_runs(row, [&]<class E>(std::span<const E> z, std::size_t b) {
    const auto& read = kernels::row_kernels<E>();
    const auto& sampler = kernels::sampler_kernels<E>();
    T* const max = &block_max_[b];
    T* const weights = &weights_[b * kLanes];
    const bool proper = read.lane_max(z.data(), z.size(), &largest_[b * kLanes], max);
    if (moments) {
      sampler.lane_sum_moments(z.data(), z.size(), max, scale, weights, &sums_[b], &moments_[b]);
    } else if (beta == 1) {
      read.lane_sum_exp(z.data(), z.size(), max, weights, &sums_[b]);
    } else {
      sampler.lane_sum_tempered(z.data(), z.size(), max, scale, weights, &sums_[b]);
    }
    return proper;
  });
  row_scale_ = row_max_ == kNever<T> ? 0 : weight_apart(static_cast<double>(row_max_));
  CompensatedSum total;
  CompensatedSum moment;
  scales_.assign(block_max_.size(), 0);
  if (row_scale_ > 0) {
    const auto x = [&](std::size_t b) {  // block_max_ is filled up with -inf
      return beta * (static_cast<double>(block_max_[b]) - static_cast<double>(row_max_));
    };
    for (std::size_t b = 0; b < scales_.size(); ++b) scales_[b] = x(b);
    kernels::of<double>().exp_accurate(scales_.data(), scales_.size(), 0, scales_.data());
    for (std::size_t b = 0; b < blocks_; ++b) {
      if (moments && scales_[b] > 0) moment.add(scales_[b] * (moments_[b] + x(b) * sums_[b]));
      sums_[b] *= scales_[b];
      total.add(sums_[b]);
    }
  }
  row_total_ = total.value();
  total_ = row_total_;
  moment_ = moment.value();
  if (apart_.logits.empty()) return;
  // Relative to the largest of all.
  const double x = beta * (static_cast<double>(row_max_) - max_);
  moment_ = row_scale_ > 0 ? row_scale_ * (moment_ + x * row_total_) : 0;
  total_ = row_scale_ * row_total_;
  for (const double z : apart_.logits) {
    const double weight = weight_apart(z);
    total_ += weight;
    if (weight > 0) moment_ += beta * (z - max_) * weight;
  }
}

template <class T>
RowSums RowScan<T>::sums() const {
  RowSums sums;
  sums.exp = {std::max(1.0, total_ * (1 - kSumError)), total_ * (1 + kSumError)};
  const double error = kMomentError * total_ + kSumError * std::abs(moment_);
  if (has_moments_) sums.x_exp = {moment_ - error, std::min(0.0, moment_ + error)};
  return sums;
}

template <class T>
Bounds RowScan<T>::deviation(const RowReader<T>& row) const {
  CompensatedSum count;
  CompensatedSum sum;
  CompensatedSum squares;
  row.visit_runs(1, [&]<class E>(std::span<const E> z, std::size_t) {
    double sums[3] = {};
    kernels::sampler_kernels<E>().add_deviations(z.data(), z.size(), max_, sums);
    count.add(sums[0]);
    sum.add(sums[1]);
    squares.add(sums[2]);
  });
  for (const double z : apart_.logits) {
    if (z == kNever<double>) continue;
    count.add(1);
    sum.add(z - max_);
    squares.add((z - max_) * (z - max_));
  }
  constexpr double kError = 1e-12;  // more than that of 512 terms added up in any order
  const double square = squares.value() / count.value();
  const double mean = sum.value() / count.value();
  const double variance = square - mean * mean;
  return {std::sqrt(std::max(0.0, variance - kError * square)),
          std::sqrt(variance + kError * square)};
}

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
  return static_cast<T>(value - kSlack * (std::abs(max_) + std::abs(value)));
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

template <class T>
std::int64_t RowScan<T>::draw(const RowReader<T>& row, double uniform) const {
  double target = uniform * total_;
  if (!apart_.logits.empty()) {
    std::size_t likeliest = 0;
    for (std::size_t i = 0; i < apart_.logits.size(); ++i) {
      const double weight = weight_apart(apart_.logits[i]);
      if (target < weight) return apart_.columns[i];
      target -= weight;
      if (apart_.logits[i] > apart_.logits[likeliest]) likeliest = i;
    }
    if (row_scale_ == 0) return apart_.columns[likeliest];  // by rounding
    target /= row_scale_;
  }
  const std::size_t b = choose(sums_.data(), blocks_, target);
  const T* lanes = &weights_[b * kLanes];
  target *= kernels::sum_lanes(lanes) / sums_[b];
  const std::size_t lane = choose(lanes, kLanes, target);
  const std::size_t first = b * kBlock + lane;
  const std::size_t n = std::min(kCell, (row.columns() - first + kLanes - 1) / kLanes);
  T z[kCell];
  double weights[kCell];
  row.gather(first, kLanes, n, z);
  double sum = 0;
  for (std::size_t i = 0; i < n; ++i) {
    weights[i] = std::exp(beta_ * (static_cast<double>(z[i]) - static_cast<double>(block_max_[b])));
    sum += weights[i];
  }
  target *= sum / static_cast<double>(lanes[lane]);
  return static_cast<std::int64_t>(first + choose(weights, n, target) * kLanes);
}

template <class T>
typename RowScan<T>::Interval RowScan<T>::between(double low, double high) {
  // A logit of T is above a double just if it is above that double rounded down to T.
  T below = static_cast<T>(low);
  if (static_cast<double>(below) > low) below = std::nextafter(below, kNever<T>);
  T above = static_cast<T>(high);
  if (static_cast<double>(above) < high) above = std::nextafter(above, -kNever<T>);
  return {below, above};
}

template <class T>
double RowScan<T>::sum_apart(double low, double high, double except) const {
  double sum = 0;
  for (const double z : apart_.logits) {
    if (z > low && z < high && z != except) sum += weight_apart(z);
  }
  return sum;
}

namespace {

/// The logit of T that equals z; -inf if there is none.
template <class T>
T equal_to(double z) {
  const T own = static_cast<T>(z);
  return static_cast<double>(own) == z ? own : kNever<T>;
}

}  // namespace

template <class T>
double RowScan<T>::sum_between(const RowReader<T>& row, double low, double high,
                               double except) const {
  const Interval in = between(low, high);
  CompensatedSum sum;
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (!(block_max_[b] > in.below)) continue;
    row.visit_block(b, [&]<class E>(std::span<const E> z) {
      sum.add(kernels::sampler_kernels<E>().sum_between(z.data(), z.size(), in.below, in.above,
                                                        equal_to<T>(except), row_max_,
                                                        static_cast<T>(beta_)));
    });
  }
  return row_scale_ * sum.value() + sum_apart(low, high, except);
}

template <class T>
double RowScan<T>::sum_between_at_most(double low, double high, double except) const {
  // Where z - max is not 0, it is not rounded to 0: nothing but `except` is in the row.
  const bool is_flat = has_moments_ && moment_ == 0 && beta_ >= 1 && apart_.logits.empty();
  if (is_flat && except == max_) return 0;
  if (row_scale_ == 0) return sum_apart(low, high, except);
  const Interval in = between(low, high);
  return row_scale_ * kernels::sampler_kernels<T>().sum_lanes_between(
                          largest_.data(), weights_.data(), scales_.data(), blocks_, in.below,
                          in.above, row_max_, static_cast<T>(beta_)) +
         sum_apart(low, high, except);
}

template class RowScan<float>;
template class RowScan<double>;

}  // namespace partita::sampler
