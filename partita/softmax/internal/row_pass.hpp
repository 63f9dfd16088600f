// SPDX-License-Identifier: Apache-2.0
// One pass over a row of logits, block by block: shared by log_sum_exp, softmax, argmax and the
// samplers of gumbel/. Not installed.
//
//   RowPass<float> pass;                       // memory, reused from row to row
//   pass.sum_exp({logits, row});               // or find_max(), at the cost of arg max
//   double lse = pass.max() + pass.log_sum({logits, row});
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/softmax/internal/kernels.hpp"

namespace partita {

/// Logits that take the place of those of a row; columns ascend.
struct RowEdits {
  std::span<const std::int64_t> columns = {};
  std::span<const double> logits = {};
};

/// Reads one row of any format and stride as blocks of T: float, or double (exact from any format).
/// Edited logits, which float need not hold, are there in double only: for float they read as -inf.
template <class T>
class RowReader {
 public:
  RowReader(Rows rows, std::size_t row, RowEdits edits = {})
      : rows_(rows), row_(row), edits_(edits) {}

  std::size_t columns() const { return rows_.columns(); }
  std::size_t blocks() const { return (columns() + kernels::kBlock - 1) / kernels::kBlock; }

  /// Logits of block b, filled up with -inf to a multiple of kernels::kStep. Points into the row
  /// where it can, else to `buffer`.
  std::span<const T> block(std::size_t b, T (&buffer)[kernels::kBlock]) const;

  /// The row as elements E where it can be read in place, but for edits; empty if it must be
  /// converted.
  template <class E = T>
  std::span<const E> in_place() const;

  /// Calls read(z) with the logits of block b as they stand, in a format that `RowKernels` take, or
  /// else converted and filled up, as by block().
  template <class F>
  void visit_block(std::size_t b, const F& read) const;

  /// Calls read(z, first block) in the same way with consecutive runs of up to `group` blocks.
  template <class F>
  void visit_runs(std::size_t group, const F& read) const;

  T at(std::size_t column) const;

  /// out[i] = the logit at first + i * step.
  void gather(std::size_t first, std::size_t step, std::size_t n, T* out) const;

  /// Throws InvalidArgument naming the first NaN or +inf, if there is one.
  void check_values() const;
  [[noreturn]] void fail(const char* message) const;

 private:
  /// Calls f with an E{}, the type of the row's elements where they can be read in place; T{} where
  /// not.
  template <class F>
  void with_element(const F& f) const;

  /// Whether one of the next n columns is edited.
  bool has_edits(std::size_t first, std::size_t n) const {
    const std::size_t edit = first_edit(first);
    return edit < edits_.columns.size() &&
           edits_.columns[edit] < static_cast<std::int64_t>(first + n);
  }
  /// The first edit from a column on.
  std::size_t first_edit(std::size_t column) const {
    return static_cast<std::size_t>(std::lower_bound(edits_.columns.begin(), edits_.columns.end(),
                                                     static_cast<std::int64_t>(column)) -
                                    edits_.columns.begin());
  }
  /// Writes those among the columns first + i * step, i < n.
  template <class E>
  void edit(std::size_t first, std::size_t step, std::size_t n, E* out) const;

  Rows rows_;
  std::size_t row_;
  RowEdits edits_;
};

/// A sum that keeps what its rounding loses (Neumaier 1974): a thousand equal terms would be
/// rounded the same way each time.
class CompensatedSum {
 public:
  void add(double x) {
    const double sum = sum_ + x;
    lost_ += std::abs(sum_) >= std::abs(x) ? (sum_ - sum) + x : (x - sum) + sum_;
    sum_ = sum;
  }
  void add(kernels::Wide<double> x) {
    add(x.high);
    lost_ += x.low;
  }
  double value() const { return sum_ + lost_; }

  /// 1 / value(), to more digits than T has.
  template <class T>
  kernels::Wide<T> inverse() const {
    const double high = 1 / sum_;
    const double low = high * (std::fma(-high, sum_, 1) - high * lost_);
    if constexpr (std::is_same_v<T, double>) return {high, low};
    const auto single = static_cast<float>(high);
    return {static_cast<T>(single), static_cast<T>(high - static_cast<double>(single))};
  }

 private:
  double sum_ = 0;
  double lost_ = 0;
};

template <class T>
class RowPass {
 public:
  /// Finds the largest logit of each lane of each block. @throws InvalidArgument on NaN or +inf.
  void find_max(const RowReader<T>& row);

  /// The same, and the second largest of each lane. @param second resized to [blocks, kLanes]
  void find_top_two(const RowReader<T>& row, std::vector<T>& second);

  /// Sums exp(z - max of its block) over each lane of each block. @throws InvalidArgument as above.
  void sum_exp(const RowReader<T>& row);

  /// The same sums of whole blocks, to the last digit; lanes() holds the largest logits.
  void sum_exp_accurate(const RowReader<T>& row);

  /// Largest logit; -inf for a row of all -inf.
  double max() const { return max_; }

  /// log sum exp(z - max) >= 0, after either. It is accurate to the last digits however close to 0,
  /// as the top log-probability of a confident row requires.
  double log_sum(const RowReader<T>& row) const;

  /// Index of the first logit that equals max().
  std::size_t argmax(const RowReader<T>& row) const;

  /// [blocks, kLanes]: the largest logits, or the sums.
  std::vector<T>& lanes() { return lanes_; }
  const std::vector<T>& lanes() const { return lanes_; }
  /// [blocks]: the largest logit of each block.
  std::span<const T> block_max() const { return block_max_; }
  /// [blocks], after either: exp(block_max - max()).
  std::span<const double> block_scale() const { return {block_scale_.data(), blocks_}; }
  /// [blocks], after either: sum of exp(z - max()) over each block.
  std::span<const double> block_weight() const { return block_weight_; }

 private:
  void resize(const RowReader<T>& row);
  /// reduce(z, first block) reduces a run of up to `group` blocks, and is false if it saw NaN or
  /// +inf.
  template <class Reduce>
  void reduce_blocks(const RowReader<T>& row, std::size_t group, const Reduce& reduce);
  /// Turns block_weight_ from sums relative to each block's own maximum to sums relative to the
  /// row's.
  void weigh_blocks();

  std::size_t blocks_ = 0;
  double max_ = 0;
  std::vector<T> lanes_;
  std::vector<T> block_max_;
  std::vector<double> block_scale_;  // padded for the kernels
  std::vector<double> block_weight_;
};

template <class T>
template <class E>
std::span<const E> RowReader<T>::in_place() const {
  if (rows_.dtype() != dtype_of<E> || rows_.column_stride() != 1) return {};
  return {rows_.row_data<E>(row_), columns()};
}

template <class T>
template <class F>
void RowReader<T>::with_element(const F& f) const {
  if constexpr (std::is_same_v<T, float>) {
    if (rows_.dtype() == DType::bf16) return f(bfloat16{});
    if (rows_.dtype() == DType::f16) return f(float16{});
  }
  f(T{});
}

template <class T>
template <class E>
void RowReader<T>::edit(std::size_t first, std::size_t step, std::size_t n, E* out) const {
  for (std::size_t i = first_edit(first); i < edits_.columns.size(); ++i) {
    const std::size_t distance = static_cast<std::size_t>(edits_.columns[i]) - first;
    if (distance / step >= n) return;
    if (distance % step != 0) continue;
    if constexpr (std::is_same_v<E, double>) {
      out[distance / step] = edits_.logits[i];
    } else {
      out[distance / step] = E(-std::numeric_limits<float>::infinity());
    }
  }
}

template <class T>
template <class F>
void RowReader<T>::visit_block(std::size_t b, const F& read) const {
  with_element([&]<class E>(E) {
    const auto whole = in_place<E>();
    if (!whole.empty()) {
      const std::size_t first = b * kernels::kBlock;
      const auto z = whole.subspan(first, std::min(kernels::kBlock, whole.size() - first));
      if (!has_edits(first, z.size())) return read(z);
      E edited[kernels::kBlock];
      std::copy(z.begin(), z.end(), edited);
      edit(first, 1, z.size(), edited);
      return read(std::span<const E>(edited, z.size()));
    }
    T buffer[kernels::kBlock];
    read(block(b, buffer));
  });
}

template <class T>
template <class F>
void RowReader<T>::visit_runs(std::size_t group, const F& read) const {
  with_element([&]<class E>(E) {
    const auto whole = in_place<E>();
    const std::size_t step = group * kernels::kBlock;
    for (std::size_t first = 0; first < whole.size(); first += step) {
      const auto run = whole.subspan(first, std::min(step, whole.size() - first));
      const std::size_t b = first / kernels::kBlock;
      if (!has_edits(first, run.size())) {
        read(run, b);
      } else {
        const std::size_t end = b + (run.size() + kernels::kBlock - 1) / kernels::kBlock;
        for (std::size_t i = b; i < end; ++i) visit_block(i, [&](auto z) { read(z, i); });
      }
    }
    if (!whole.empty()) return;
    T buffer[kernels::kBlock];
    for (std::size_t b = 0; b < blocks(); ++b) read(block(b, buffer), b);
  });
}

/// Calls f with a T{}: double if either format is f64, else float.
template <class F>
decltype(auto) with_arithmetic_type(DType a, DType b, F&& f) {
  if (a == DType::f64 || b == DType::f64) return f(double{});
  return f(float{});
}

}  // namespace partita
