// SPDX-License-Identifier: Apache-2.0
// A row of logits cut into weighted cells, from which top_down.cpp draws categories. Not installed.
//
// A cell is one lane's share of a block: up to 32 logits, 16 apart, because a SIMD pass reduces
// lanes without further work. A category is chosen by its cell's weight (through a sum tree over
// the blocks, and a scan of the block's 16 lanes) and then inside the cell, whose weight is summed
// anew without it: log2(V / 512) + 16 + 32 steps.
//
// A cell's weight is the sum of exp(z - reference) over it, or an upper bound of that. The bound
// needs no exponential of every logit, only the largest logit a and the second largest b of the
// cell: exp(a) + 31 exp(b). A choice made by a bound is kept with the right probability or rejected
// (thinning, Lewis and Shedler 1979).
#pragma once

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "partita/gumbel/internal/sum_tree.hpp"
#include "partita/softmax/internal/kernels.hpp"
#include "partita/softmax/internal/row_kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {

template <class T>
class Cells {
 public:
  struct Category {
    std::size_t column;
    double logit;
  };

  /// @param exact whether cells are weighed exactly from the beginning, or by bounds.
  /// @return what makes log-probabilities of the row's logits, if exact.
  /// @throws InvalidArgument if the row has NaN or +inf, or only -inf.
  Normalizer reset(Rows logits, std::size_t row_index, bool exact);

  /// Sum of all weights, relative to exp(reference()); exactly 0 if nothing is left.
  double total() const { return tree_.total(); }

  /// All weights are relative to the exponential of this logit, which only renew() changes.
  double reference() const { return reference_; }

  /// Takes a category in proportion to the weights, from three uniforms in (0, 1); nothing if it
  /// was chosen by a bound and rejected.
  std::optional<Category> take(double u, double v, double w) {
    if (has_unweighed_) weigh(unweighed_block_, unweighed_lane_);
    const std::size_t b = tree_.find(u * tree_.total());
    const std::size_t lane = choose(cells(b), kernels::kLanes, v * kernels::sum_lanes(cells(b)));
    return bounded_.test(b, lane) ? take_by_bound(b, lane, w) : take_exactly(b, lane, w);
  }

  /// Call before total(): brings weights up to date, and recomputes what is left once it has become
  /// small relative to the reference. False if nothing is left.
  bool prepare() {
    if (has_unweighed_) weigh(unweighed_block_, unweighed_lane_);
    // Logits more than 87 nats (the range of float) below their block's largest count as nothing
    // until then, which is long before they matter.
    constexpr double kSmall = 0x1p-60;
    return !(tree_.total() < kSmall) || renew();
  }

  /// Calls f(category) for all remaining categories, and takes those for which it returns true.
  template <class F>
  void take_each(const F& f) {
    for (std::size_t column = 0; column < row_.columns(); ++column) {
      const std::size_t cell =
          column / kernels::kBlock * kernels::kLanes + column % kernels::kLanes;
      const std::uint32_t bit = 1U << (column % kernels::kBlock / kernels::kLanes);
      if ((taken_[cell] & bit) != 0) continue;
      if (f(Category{column, static_cast<double>(row_.at(column))})) taken_[cell] |= bit;
    }
    has_unweighed_ = false;
    renew();
  }

 private:
  static constexpr std::size_t kCell =
      kernels::kBlock / kernels::kLanes;  // one word of taken flags
  static constexpr T kNever = -std::numeric_limits<T>::infinity();

  /// One flag per cell.
  class Flags {
   public:
    void reset(std::size_t blocks, bool value) { lanes_.assign(blocks, value ? 0xFFFF : 0); }
    bool test(std::size_t b, std::size_t lane) const { return (lanes_[b] >> lane & 1U) != 0; }
    void set(std::size_t b, std::size_t lane) {
      lanes_[b] = static_cast<std::uint16_t>(lanes_[b] | 1U << lane);
    }
    void clear(std::size_t b, std::size_t lane) {
      lanes_[b] = static_cast<std::uint16_t>(lanes_[b] & ~(1U << lane));
    }

   private:
    std::vector<std::uint16_t> lanes_;  // for each block, one bit per lane
  };

  struct Block {
    double max;    // a logit, -inf in an empty block
    double scale;  // exp(max - reference)
  };

  /// What is left in one cell: logits (-inf for those taken) and exp(z - max).
  struct Cell {
    T z[kCell];
    T max;
    T weights[kCell];
    double total;
  };

  std::optional<Category> take_exactly(std::size_t b, std::size_t lane, double u) {
    Cell cell = read(b, lane);
    const std::size_t i = choose(cell.weights, kCell, u * cell.total);
    const T z = cell.z[i];
    cell.z[i] = kNever;
    cell.weights[i] = 0;
    cell.total =
        kernels::sum_lanes(cell.weights) + kernels::sum_lanes(cell.weights + kernels::kLanes);
    set_weight(b, lane, cell);
    return take(b, lane, i, z);
  }

  /// With a the largest and b the second largest logit of the cell: with rate 32 exp(b), a random
  /// place, kept with probability min(1, exp(z - b)); with rate exp(a) - exp(b), the place of a.
  std::optional<Category> take_by_bound(std::size_t b, std::size_t lane, double u) {
    const auto largest = static_cast<double>(largest_[b * kernels::kLanes + lane]);
    const auto second = static_cast<double>(second_[b * kernels::kLanes + lane]);
    const double ratio = std::exp(second - largest);
    const double target = u * (1 + (static_cast<double>(kCell) - 1) * ratio);
    const double place = target / ratio;
    std::optional<std::size_t> kept;
    if (place < static_cast<double>(kCell)) {
      const auto i = static_cast<std::size_t>(place);
      const std::size_t column = column_of(b, lane, i);
      const double z = column < row_.columns() ? static_cast<double>(row_.at(column)) : kNever;
      if (place - static_cast<double>(i) < std::exp(z - second)) kept = i;
    } else {
      const Cell cell = read(b, lane);
      kept = static_cast<std::size_t>(std::find(cell.z, cell.z + kCell, cell.max) - cell.z);
    }
    if (kept) {
      // The cell is weighed again later, if at all: no more draws may be needed.
      has_unweighed_ = true;
      unweighed_block_ = b;
      unweighed_lane_ = lane;
      return take(b, lane, *kept, row_.at(column_of(b, lane, *kept)));
    }
    // One rejection is cheaper than weighing the cell, two are not; and many cost as much as
    // weighing the whole row.
    if (++rejections_ == row_.blocks()) {
      renew();
    } else if (rejected_.test(b, lane)) {
      weigh(b, lane);
    } else {
      rejected_.set(b, lane);
    }
    return std::nullopt;
  }

  Category take(std::size_t b, std::size_t lane, std::size_t i, T z) {
    taken_[b * kernels::kLanes + lane] |= 1U << i;
    return {column_of(b, lane, i), static_cast<double>(z)};
  }

  static std::size_t column_of(std::size_t b, std::size_t lane, std::size_t i) {
    return b * kernels::kBlock + lane + i * kernels::kLanes;
  }

  Cell read(std::size_t b, std::size_t lane) const {
    Cell cell;
    const std::size_t first = column_of(b, lane, 0);
    const std::size_t columns = row_.columns();
    const std::size_t n =
        first < columns ? std::min(kCell, (columns - first + kernels::kLanes - 1) / kernels::kLanes)
                        : 0;
    row_.gather(first, kernels::kLanes, n, cell.z);
    std::fill(cell.z + n, std::end(cell.z), kNever);
    for (std::uint32_t taken = taken_[b * kernels::kLanes + lane]; taken != 0; taken &= taken - 1) {
      cell.z[std::countr_zero(taken)] = kNever;
    }
    exponentiate(cell);
    return cell;
  }

  static void exponentiate(Cell& cell) {
    cell.max = *std::max_element(std::begin(cell.z), std::end(cell.z));
    double sums[kCell / kernels::kLanes];
    kernels::of<T>().exp_terms(cell.z, kCell, cell.max, cell.weights,
                               sums);  // all 0 if nothing is left
    cell.total = sums[0] + sums[1];
  }

  /// Gives a cell its exact weight in place of its bound, or after something was taken from it.
  void weigh(std::size_t b, std::size_t lane) {
    has_unweighed_ = false;
    bounded_.clear(b, lane);
    Cell cell = read(b, lane);
    set_weight(b, lane, cell);
  }

  void set_weight(std::size_t b, std::size_t lane, Cell& cell) {
    constexpr double kLittle = 0x1p-60;
    if (cell.total < kLittle) exponentiate(cell);  // the next may be far below what was taken
    const double scale = std::exp(static_cast<double>(cell.max) - blocks_[b].max);
    cells(b)[lane] = cell.total == 0 ? T{0} : static_cast<T>(cell.total * scale);
    tree_.update(b, block_weight(b));
  }

  /// The index i at which the sum of weights passes target; never one of weight 0, if there is
  /// another.
  static std::size_t choose(const T* weights, std::size_t n, double target) {
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (weights[i] <= 0) continue;
      chosen = i;
      target -= static_cast<double>(weights[i]);
      if (target < 0) break;
    }
    return chosen;
  }

  /// The weights of a block's cells, in units of its scale.
  T* cells(std::size_t b) { return &pass_.lanes()[b * kernels::kLanes]; }
  const T* cells(std::size_t b) const { return &pass_.lanes()[b * kernels::kLanes]; }

  double block_weight(std::size_t b) const {
    return kernels::sum_lanes(cells(b)) * blocks_[b].scale;
  }

  /// Recomputes the sums of everything left, relative to the largest logit left. False if nothing
  /// is.
  bool renew();

  RowReader<T> row_{Rows(static_cast<const T*>(nullptr), 0, 0), 0};
  RowPass<T> pass_;
  std::vector<T> largest_;  // the largest logit of each cell, while it is bounded
  std::vector<T> second_;
  std::vector<Block> blocks_;
  std::vector<double> sums_;
  double reference_ = 0;
  SumTree tree_;                      // the blocks' weights
  std::vector<std::uint32_t> taken_;  // a word per cell, bit i for its logit i
  Flags bounded_;                     // the cell's weight is a bound
  Flags rejected_;                    // a choice from it was rejected
  std::size_t rejections_ = 0;
  bool has_unweighed_ = false;  // something was taken from this cell since it was weighed:
  std::size_t unweighed_block_ = 0;
  std::size_t unweighed_lane_ = 0;
};

template <class T>
Normalizer Cells<T>::reset(Rows logits, std::size_t row_index, bool exact) {
  row_ = RowReader<T>(logits, row_index);
  exact ? pass_.sum_exp(row_) : pass_.find_top_two(row_, second_);
  if (std::isinf(pass_.max())) row_.fail("every category is impossible (all -inf)");
  const std::size_t blocks = row_.blocks();
  taken_.assign(blocks * kernels::kLanes, 0);
  bounded_.reset(blocks, !exact);
  rejected_.reset(blocks, false);
  rejections_ = 0;
  has_unweighed_ = false;
  reference_ = pass_.max();
  tree_.reset(blocks);
  if (exact) {
    blocks_.resize(blocks);
    for (std::size_t b = 0; b < blocks; ++b) {
      blocks_[b] = {static_cast<double>(pass_.block_max()[b]), pass_.block_scale()[b]};
      tree_.set_leaf(b, pass_.block_weight()[b]);
    }
  } else {
    largest_ = pass_.lanes();
    sums_.resize(blocks);
    kernels::of<T>().exp_bounds(largest_.data(), second_.data(), largest_.size(),
                                static_cast<T>(reference_), static_cast<T>(kCell - 1),
                                pass_.lanes().data(), sums_.data());
    blocks_.assign(blocks, {reference_, 1});
    for (std::size_t b = 0; b < blocks; ++b) tree_.set_leaf(b, sums_[b]);
  }
  tree_.build();
  return exact ? Normalizer{reference_, pass_.log_sum(row_)} : Normalizer{};
}

template <class T>
bool Cells<T>::renew() {
  T largest = kNever;
  for (std::size_t b = 0; b < row_.blocks(); ++b) {
    T buffer[kernels::kBlock];
    const auto z = row_.block(b, buffer);
    if (z.data() != buffer) std::copy(z.begin(), z.end(), buffer);
    for (std::size_t lane = 0; lane < kernels::kLanes; ++lane) {
      for (std::uint32_t taken = taken_[b * kernels::kLanes + lane]; taken != 0;
           taken &= taken - 1) {
        buffer[column_of(0, lane, static_cast<std::size_t>(std::countr_zero(taken)))] = kNever;
      }
    }
    T max{};
    double sum = 0;
    kernels::row_kernels<T>().lane_max(buffer, z.size(), cells(b), &max);
    kernels::row_kernels<T>().lane_sum_exp(buffer, z.size(), &max, cells(b), &sum);
    blocks_[b].max = static_cast<double>(max);
    largest = std::max(largest, max);
  }
  bounded_.reset(row_.blocks(), false);
  if (largest == kNever) {
    tree_.reset(row_.blocks());
    return false;
  }
  reference_ = static_cast<double>(largest);
  for (std::size_t b = 0; b < row_.blocks(); ++b) {
    blocks_[b].scale = std::exp(blocks_[b].max - reference_);
    tree_.set_leaf(b, block_weight(b));
  }
  tree_.build();
  return true;
}

}  // namespace partita
