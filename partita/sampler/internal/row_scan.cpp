// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/row_scan.hpp"

#include <algorithm>
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
  beta = std::min(beta, static_cast<double>(std::numeric_limits<T>::max()));  // 0 * inf is NaN
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
  // Where z - max is not 0, it is not rounded to 0: nothing but `except` has weight, up to
  // underflow.
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
