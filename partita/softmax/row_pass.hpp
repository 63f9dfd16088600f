// One pass over a row of logits, block by block: what log_sum_exp, softmax, argmax and the samplers
// of gumbel/ have in common. Not installed.
//
//   RowPass<float> pass;                       // memory, reused from row to row
//   pass.sum_exp({logits, row});               // or find_max(), at the cost of arg max
//   double lse = pass.max() + pass.rest({logits, row}).log_sum();
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <type_traits>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/softmax/kernels.hpp"

namespace partita {

/// Reads one row of any format and stride as blocks of T: float, or double (exact from any format).
template <class T>
class RowReader {
 public:
  RowReader(Rows rows, std::size_t row) : rows_(rows), row_(row) {}

  std::size_t columns() const { return rows_.columns(); }
  std::size_t blocks() const { return (columns() + kernels::kBlock - 1) / kernels::kBlock; }

  /// Logits of block b, filled up with -inf to a multiple of kernels::kStep. Points into the row
  /// where it can, else to `buffer`.
  std::span<const T> block(std::size_t b, T (&buffer)[kernels::kBlock]) const;

  T at(std::size_t column) const;

  /// out[i] = the logit at first + i * step.
  void gather(std::size_t first, std::size_t step, std::size_t n, T* out) const;

  /// Throws InvalidArgument naming the first NaN or +inf, if there is one.
  void check_values() const;
  [[noreturn]] void fail(const char* message) const;

 private:
  Rows rows_;
  std::size_t row_;
};

/// sum exp(z - max) = 1 + rest, where rest leaves out one largest logit. Kept apart because beside
/// the 1 of a confident row, the last digits of the rest would be lost, and with them those of the
/// top category's log-probability.
struct Rest {
  double rest;

  double log_sum() const { return std::log1p(rest); }

  /// 1 / (1 + rest), rounded once.
  template <class T>
  kernels::Scale<T> inverse() const {
    const double total = 1 + rest;
    const double total_low = rest >= 1 ? 1 - (total - rest) : rest - (total - 1);
    const double high = 1 / total;
    const double low = high * (std::fma(-high, total, 1) - high * total_low);
    if constexpr (std::is_same_v<T, double>) return {high, low};
    const auto single = static_cast<float>(high);
    return {static_cast<T>(single), static_cast<T>(high - static_cast<double>(single))};
  }
};

template <class T>
class RowPass {
 public:
  /// Finds the largest logit of each lane of each block. @throws InvalidArgument on NaN or +inf.
  void find_max(const RowReader<T>& row);

  /// Sums exp(z - max of its block) over each lane of each block. @throws InvalidArgument as above.
  void sum_exp(const RowReader<T>& row);

  /// The same sums to the last digit, but only of whole blocks: lanes() is left as find_max does.
  void sum_exp_accurate(const RowReader<T>& row);

  /// Largest logit; -inf for a row of all -inf.
  double max() const { return max_; }

  /// After either: what the row's sum is made of beside its largest term.
  Rest rest(const RowReader<T>& row) const;

  /// Index of the first logit that equals max().
  std::size_t argmax(const RowReader<T>& row) const;

  /// [blocks, kLanes]: the largest logits, or the sums.
  std::vector<T>& lanes() { return lanes_; }
  const std::vector<T>& lanes() const { return lanes_; }
  /// [blocks]: the largest logit of each block.
  std::span<const double> block_max() const { return {block_max_.data(), blocks_}; }
  /// [blocks], after either: exp(block_max - max()).
  std::span<const double> block_max_scale() const { return {block_max_scale_.data(), blocks_}; }
  /// [blocks], after either: sum of exp(z - max()) over each block.
  std::span<const double> block_weight() const { return {block_weight_.data(), blocks_}; }

 private:
  void resize(const RowReader<T>& row);
  template <class SumBlock>
  void sum_blocks(const RowReader<T>& row, const SumBlock& sum_block);
  void find_block_max(const RowReader<T>& row, std::size_t b, std::span<const T> z);

  std::size_t blocks_ = 0;
  double max_ = 0;
  std::vector<T> lanes_;
  std::vector<double> block_max_;        // padded with -inf for the kernels
  std::vector<double> block_max_scale_;  // exp(block_max - max)
  std::vector<double> block_weight_;
};

/// Calls f with a T{}: double if either format is f64, else float.
template <class F>
decltype(auto) with_arithmetic_type(DType a, DType b, F&& f) {
  if (a == DType::f64 || b == DType::f64) return f(double{});
  return f(float{});
}

}  // namespace partita
