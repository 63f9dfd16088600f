// SPDX-License-Identifier: Apache-2.0
// One pass over a row: the largest logit of each cell (a lane of a block, see
// softmax/internal/kernels.hpp) and, if asked for, the cells' weights at an inverse temperature
// beta. From these, where to look for the most likely categories, sums over the row within bounds,
// and a draw from the whole row. Not installed.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <vector>

#include "partita/gumbel/internal/sum_tree.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/sampler/internal/rules.hpp"
#include "partita/sampler/internal/sampler_kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita::sampler {

/// The logit of an impossible category.
template <class T>
inline constexpr T kNever = -std::numeric_limits<T>::infinity();

/// The index at which the sum of weights passes target; never one of weight 0, if there is another.
template <class W>
std::size_t choose(const W* weights, std::size_t n, double& target) {
  std::size_t chosen = 0;
  double before = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const auto weight = static_cast<double>(weights[i]);
    if (weight <= 0) continue;
    chosen = i;
    before = target;
    target -= weight;
    if (target < 0) break;
  }
  target = before;
  return chosen;
}

/// T is the arithmetic: float (16-bit formats and f32) or double (any format).
///
/// A few categories may stand apart from the row, with logits that T need not hold: the row has
/// -inf in their place, and all results count them.
template <class T>
class RowScan {
 public:
  /// How far a sum over a row is from what double arithmetic gives. A term e^x, x relative to its
  /// block's largest, has a relative error of some |x| epsilon (of z - max, of its product with a
  /// rounded beta, of the argument's reduction), and no block's mean |x| is above log 512; adding
  /// up costs ten epsilon more.
  static constexpr double kSumError = std::is_same_v<T, float> ? 1e-5 : 1e-13;
  /// The same for the sum of x e^x relative to that of e^x, where the mean of x^2 matters as well.
  static constexpr double kMomentError = std::is_same_v<T, float> ? 4e-5 : 1e-12;

  /// Sets the categories that stand apart in the rows that follow: columns ascend; the spans must
  /// outlive the calls.
  void set_apart(RowEdits apart) { apart_ = apart; }

  /// Finds the largest logits. @throws InvalidArgument on NaN or +inf, or only -inf.
  void find_max(const RowReader<T>& row);
  /// The same, and weighs the cells.
  void weigh(const RowReader<T>& row, double beta, bool moments);

  double max() const { return max_; }

  /// Sum of e^x, x = beta (z - max); after weigh().
  double total() const { return total_; }
  /// Sum of x e^x; after weigh() with moments.
  double moment() const { return moment_; }

  /// The sums that weigh() has, within their errors.
  RowSums sums() const;

  /// The standard deviation of the logits, within its error.
  Bounds deviation(const RowReader<T>& row) const;

  /// At least k categories have a logit of this or more, and mostly not many more. -inf if the
  /// row has no k that are possible.
  T reached_by(const RowReader<T>& row, std::size_t k) const;

  /// The row by what is >= limit (finite).
  static kernels::Parted<T> part(const RowReader<T>& row, T limit);

  /// Appends the categories with logit >= low (finite), in the order of their columns, but only the
  /// first `equals` of those equal to it. Stops with false once there would be more than `most`.
  bool collect(const RowReader<T>& row, T low, std::size_t equals, std::size_t most,
               Candidates& out) const;

  /// Appends the k most likely and some more, of those with logit >= low, as collect() does; of
  /// equals the first ones. At least k have such a logit.
  void collect_top_k(const RowReader<T>& row, T low, std::size_t k, Candidates& out) const;

  /// The logits with low < z < high, of what does not stand apart.
  std::vector<T> collect_between(const RowReader<T>& row, T low, T high) const;

  /// A category from the softmax of beta z, by one uniform; after weigh().
  std::int64_t draw(const RowReader<T>& row, double uniform) const;

  /// Bounds of the cells' weights by what found.find_max() has found, in place of what weigh()
  /// does: a third of its cost. False if T does not hold beta.
  bool bound(const RowScan& found, double beta);

  /// The same draw by bounds alone, after bound(): by rejection, which tightens them. Nothing after
  /// that many attempts.
  /// @param first the first of the stream's words() to use, one block an attempt
  std::optional<std::int64_t> draw_by_bounds(const RowReader<T>& row, Stream stream,
                                             std::uint64_t first, std::size_t attempts);

  /// Sum of e^x over the categories with low < z < high and z != except; after weigh().
  double sum_between(const RowReader<T>& row, double low, double high,
                     double except = kNever<double>) const;

  /// A number that this sum does not exceed but for its error, from what weigh() knows.
  double sum_between_at_most(double low, double high, double except) const;

 private:
  /// The logits of T that lie in an open interval of doubles: those between these two.
  struct Interval {
    T below;
    T above;
  };
  static Interval between(double low, double high);
  std::optional<std::int64_t> take_from_cell(const RowReader<T>& row, std::size_t b,
                                             std::size_t lane, double uniform);
  /// e^x of a category that stands apart.
  double weight_apart(double z) const { return std::exp(beta_ * (z - max_)); }
  double sum_apart(double low, double high, double except) const;

  bool collect_pruned(const RowReader<T>& row, T low, std::size_t equals, std::size_t most,
                      std::size_t k, Candidates& out) const;
  T reached_in(const Candidates& list, std::size_t k) const;
  void resize(const RowReader<T>& row);
  T scale() const;
  template <class Reduce>
  void reduce_runs(const RowReader<T>& row, const Reduce& reduce);

  RowEdits apart_;
  std::size_t blocks_ = 0;
  double max_ = 0;
  T row_max_ = 0;         // of what does not stand apart
  double row_scale_ = 1;  // e^x of that
  double row_total_ = 0;  // sum of e^x relative to that
  double beta_ = 1;
  double total_ = 0;
  double moment_ = 0;
  bool has_moments_ = false;
  std::vector<T> largest_;    // [blocks, kLanes]
  std::vector<T> block_max_;  // [blocks]
  std::vector<T> weights_;    // [blocks, kLanes], relative to the block's maximum
  std::vector<double>
      scales_;  // [blocks], e^x of the block's maximum relative to row_max_, padded for the kernels
  std::vector<double> sums_;     // [blocks], relative to the block's maximum, then to row_max_
  std::vector<double> moments_;  // [blocks]
  SumTree tree_;                 // of the blocks' bounds
  std::vector<std::uint8_t> was_rejected_;  // [blocks, kLanes]
  std::vector<double> weights_apart_;
};

}  // namespace partita::sampler
