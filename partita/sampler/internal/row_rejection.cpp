// SPDX-License-Identifier: Apache-2.0
// A draw that has seen no more of a row than the largest logit of each cell, by rejection (von
// Neumann 1951). A cell of 32 logits weighs at most 32 e^x of its largest; one of its places, at
// random, is taken with the probability of its e^x over that of the largest. A cell that was
// rejected once is added up the next time, and its sum is its bound from then on. Whatever was seen
// before an attempt, what it takes has the row's own distribution, so the draw has it, too.
#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "partita/sampler/internal/row_scan.hpp"

namespace partita::sampler {

using kernels::kBlock;
using kernels::kLanes;

namespace {

constexpr std::size_t kCell = kBlock / kLanes;
/// A cell over its largest e^x. A float e^x, x = beta (z - max) > -88, is within 2e-5 of its value.
constexpr double kBound = kCell * (1 + 1e-4);

}  // namespace

/// weights_ and the tree: bounds of the cells, in units of kBound e^x of row_max_.
template <class T>
bool RowScan<T>::bound(const RowScan& found, double beta) {
  const T scale = static_cast<T>(beta);
  if (!std::isnormal(scale) || found.row_max_ == kNever<T>) return false;
  blocks_ = found.blocks_;
  max_ = found.max_;
  row_max_ = found.row_max_;
  largest_ = found.largest_;
  beta_ = beta;
  weights_.resize(largest_.size());
  sums_.resize(blocks_);
  std::transform(largest_.begin(), largest_.end(), weights_.begin(),
                 [&](T z) { return (z - row_max_) * scale; });
  kernels::of<T>().exp_terms(weights_.data(), weights_.size(), T{0}, weights_.data(), sums_.data());
  was_rejected_.assign(weights_.size(), 0);
  tree_.reset(blocks_);
  for (std::size_t b = 0; b < blocks_; ++b) tree_.set_leaf(b, sums_[b]);
  tree_.build();
  weights_apart_.clear();
  for (const double z : apart_.logits) weights_apart_.push_back(weight_apart(z));
  return true;
}

template <class T>
std::optional<std::int64_t> RowScan<T>::take_from_cell(const RowReader<T>& row, std::size_t b,
                                                       std::size_t lane, double uniform) {
  T& bound = weights_[b * kLanes + lane];
  const std::size_t first = b * kBlock + lane;
  if (std::exchange(was_rejected_[b * kLanes + lane], 1) == 0) {
    const double place = uniform * kCell;
    const auto i = static_cast<std::size_t>(place);
    const std::size_t column = first + i * kLanes;
    if (column >= row.columns()) return std::nullopt;
    const double x = beta_ * (static_cast<double>(row.at(column)) - static_cast<double>(row_max_));
    const double height = (place - static_cast<double>(i)) * (kBound / kCell);
    if (height * static_cast<double>(bound) < std::exp(x)) return static_cast<std::int64_t>(column);
    return std::nullopt;
  }
  const std::size_t n = std::min(kCell, (row.columns() - first + kLanes - 1) / kLanes);
  T z[kCell];
  double weights[kCell];
  row.gather(first, kLanes, n, z);
  for (std::size_t i = 0; i < n; ++i) {
    weights[i] = beta_ * (static_cast<double>(z[i]) - static_cast<double>(row_max_));
  }
  const double sum = kernels::of<double>().exp_accurate(weights, n, 0, weights).high;
  double target = uniform * kBound * static_cast<double>(bound);
  if (target < sum) return static_cast<std::int64_t>(first + choose(weights, n, target) * kLanes);
  bound = std::nextafter(static_cast<T>(sum / kBound), std::numeric_limits<T>::infinity());
  tree_.update(b, kernels::sum_lanes(&weights_[b * kLanes]));
  return std::nullopt;
}

template <class T>
std::optional<std::int64_t> RowScan<T>::draw_by_bounds(const RowReader<T>& row, Stream stream,
                                                       std::uint64_t first, std::size_t attempts) {
  const double apart = std::accumulate(weights_apart_.begin(), weights_apart_.end(), 0.0);
  const double scale = kBound * weight_apart(static_cast<double>(row_max_));
  for (std::size_t attempt = 0; attempt < attempts; ++attempt) {
    const auto words = stream.words(first + attempt);
    double target = uniform_from_bits(words[0]) * (apart + scale * tree_.total());
    if (target < apart || scale == 0) {
      return apart_.columns[choose(weights_apart_.data(), weights_apart_.size(), target)];
    }
    const std::size_t b = tree_.find((target - apart) / scale);
    const T* const lanes = &weights_[b * kLanes];
    target = uniform_from_bits(words[1]) * kernels::sum_lanes(lanes);
    const std::size_t lane = choose(lanes, kLanes, target);
    const auto taken = take_from_cell(row, b, lane, uniform_from_bits(words[2]));
    if (taken) return taken;
  }
  return std::nullopt;
}

template bool RowScan<float>::bound(const RowScan&, double);
template bool RowScan<double>::bound(const RowScan&, double);
template std::optional<std::int64_t> RowScan<float>::draw_by_bounds(const RowReader<float>&, Stream,
                                                                    std::uint64_t, std::size_t);
template std::optional<std::int64_t> RowScan<double>::draw_by_bounds(const RowReader<double>&,
                                                                     Stream, std::uint64_t,
                                                                     std::size_t);

}  // namespace partita::sampler
