#include "partita/sampler/internal/row_scan.hpp"

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>

#include "partita/sampler/internal/sampler_kernels.hpp"

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
  block_max_.resize(blocks_);
}

/// Calls reduce(z, n, first block) on runs of blocks, which returns false if it saw NaN or +inf.
template <class T>
template <class Reduce>
void RowScan<T>::for_each_run(const RowReader<T>& row, const Reduce& reduce) {
  resize(row);
  const auto whole = row.in_place(kBlock);
  bool proper = true;
  T buffer[kBlock];
  for (std::size_t b = 0; b < blocks_;) {
    const std::size_t here =
        std::min(kGroup * kBlock, whole.size() - std::min(whole.size(), b * kBlock));
    const auto z = here > 0 ? whole.subspan(b * kBlock, here) : row.block(b, buffer);
    proper &= reduce(z.data(), z.size(), b);
    b += here > 0 ? here / kBlock : 1;
  }
  if (!proper) row.check_values();
  max_ = static_cast<double>(*std::max_element(block_max_.begin(), block_max_.end()));
  if (std::isinf(max_)) row.fail("every category is impossible (all -inf)");
}

template <class T>
void RowScan<T>::find_max(const RowReader<T>& row) {
  for_each_run(row, [&](const T* z, std::size_t n, std::size_t b) {
    return kernels::of<T>().lane_max(z, n, &largest_[b * kLanes], &block_max_[b]);
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
  for_each_run(row, [&](const T* z, std::size_t n, std::size_t b) {
    const bool proper = kernels::of<T>().lane_max(z, n, &largest_[b * kLanes], &block_max_[b]);
    if (moments) {
      kernels::sampler_of<T>().lane_sum_moments(z, n, &block_max_[b], scale, &weights_[b * kLanes],
                                                &sums_[b], &moments_[b]);
    } else if (beta == 1) {
      kernels::of<T>().lane_sum_exp(z, n, &block_max_[b], &weights_[b * kLanes], &sums_[b]);
    } else {
      kernels::sampler_of<T>().lane_sum_tempered(z, n, &block_max_[b], scale, &weights_[b * kLanes],
                                                 &sums_[b]);
    }
    return proper;
  });
  CompensatedSum total;
  CompensatedSum moment;
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (block_max_[b] == kNever<T>) continue;
    const double x = beta * (static_cast<double>(block_max_[b]) - max_);
    const double factor = std::exp(x);
    if (moments) moment.add(factor == 0 ? 0 : factor * (moments_[b] + x * sums_[b]));
    sums_[b] *= factor;
    total.add(sums_[b]);
  }
  total_ = total.value();
  moment_ = moment.value();
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
  T buffer[kBlock];
  CompensatedSum count;
  CompensatedSum sum;
  CompensatedSum squares;
  for (std::size_t b = 0; b < blocks_; ++b) {
    const auto z = row.block(b, buffer);
    double sums[3] = {};
    kernels::sampler_of<T>().add_deviations(z.data(), z.size(), max_, sums);
    count.add(sums[0]);
    sum.add(sums[1]);
    squares.add(sums[2]);
  }
  constexpr double kError = 1e-12;  // more than that of 512 terms added up in any order
  const double square = squares.value() / count.value();
  const double mean = sum.value() / count.value();
  const double variance = square - mean * mean;
  return {std::sqrt(std::max(0.0, variance - kError * square)),
          std::sqrt(variance + kError * square)};
}

template <class T>
T RowScan<T>::reached_by(std::size_t k) {
  const auto kth = [&](const std::vector<T>& maxima) {
    ranked_ = maxima;
    const auto place = ranked_.begin() + static_cast<std::ptrdiff_t>(k - 1);
    std::nth_element(ranked_.begin(), place, ranked_.end(), std::greater<>());
    return *place;
  };
  if (k <= blocks_ / 2) return kth(block_max_);
  if (k <= largest_.size() / 2) return kth(largest_);
  return kNever<T>;
}

template <class T>
bool RowScan<T>::collect(const RowReader<T>& row, T low, std::size_t equals, std::size_t most,
                         Candidates& out) const {
  T buffer[kBlock];
  std::uint64_t words[kBlock / 64];
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (equals > 0 ? block_max_[b] < low : block_max_[b] <= low) continue;
    const auto z = row.block(b, buffer);
    kernels::sampler_of<T>().mark_from(z.data(), z.size(), low, words);
    for (std::size_t w = 0; w < z.size() / 64; ++w) {
      for (std::uint64_t left = words[w]; left != 0; left &= left - 1) {
        const std::size_t i = w * 64 + static_cast<std::size_t>(std::countr_zero(left));
        if (z[i] == low && equals-- == 0) {
          equals = 0;
          continue;
        }
        out.ids.push_back(static_cast<std::int64_t>(b * kBlock + i));
        out.logits.push_back(static_cast<double>(z[i]));
      }
    }
    if (out.ids.size() > most) return false;
  }
  return true;
}

template <class T>
std::int64_t RowScan<T>::draw(const RowReader<T>& row, double uniform) const {
  double target = uniform * total_;
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
double RowScan<T>::sum_between(const RowReader<T>& row, double low, double high) const {
  // A logit of T is above a double just if it is above that double rounded down to T.
  T below = static_cast<T>(low);
  if (static_cast<double>(below) > low) below = std::nextafter(below, kNever<T>);
  T above = static_cast<T>(high);
  if (static_cast<double>(above) < high) above = std::nextafter(above, -kNever<T>);
  T buffer[kBlock];
  CompensatedSum sum;
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (!(block_max_[b] > below)) continue;
    const auto z = row.block(b, buffer);
    sum.add(kernels::sampler_of<T>().sum_between(z.data(), z.size(), below, above,
                                                 static_cast<T>(max_), static_cast<T>(beta_)));
  }
  return sum.value();
}

template class RowScan<float>;
template class RowScan<double>;

}  // namespace partita::sampler
