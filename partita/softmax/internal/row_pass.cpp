// SPDX-License-Identifier: Apache-2.0
#include "partita/softmax/internal/row_pass.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/softmax/internal/convert.hpp"
#include "partita/softmax/internal/row_kernels.hpp"

namespace partita {

using kernels::kBlock;
using kernels::kLanes;

namespace {

// Largest values of a few blocks first, then their sums: the sums of one block need not wait for
// the end of its own maximum. Four blocks of floats are 8 KiB, well inside the first cache.
constexpr std::size_t kGroup = 4;

// So few exponentials that a vector of them costs more; for double they must have all digits.
constexpr std::size_t kFewBlocks = 4;

template <class T>
constexpr T kMinusInfinity = -std::numeric_limits<T>::infinity();

class PlainSum {
 public:
  void add(double x) { sum_ += x; }
  double value() const { return sum_; }

 private:
  double sum_ = 0;
};

template <class E, class T>
void copy_converted(const E* in, std::ptrdiff_t stride, std::size_t n, T* out) {
  if constexpr (std::is_same_v<E, T>) {
    if (stride == 1) {
      std::copy(in, in + n, out);
      return;
    }
  }
  if constexpr (sizeof(E) == 2 && std::is_same_v<T, float>) {
    if (stride == 1) return kernels::widen(in, n, out);
  }
  using Exact = std::conditional_t<std::is_same_v<E, double>, double, float>;
  const auto exactly = [](E value) { return static_cast<T>(static_cast<Exact>(value)); };
  if (stride == 1) {
    for (std::size_t i = 0; i < n; ++i) out[i] = exactly(in[i]);  // in vectors
    return;
  }
  for (std::size_t i = 0; i < n; ++i, in += stride) out[i] = exactly(*in);
}

/// Sums terms, accurate to the digits of T, in double.
template <class T>
using SumOf = std::conditional_t<std::is_same_v<T, double>, CompensatedSum, PlainSum>;

}  // namespace

template <class T>
std::span<const T> RowReader<T>::block(std::size_t b, T (&buffer)[kBlock]) const {
  const std::size_t first = b * kBlock;
  const std::size_t n = std::min(kBlock, columns() - first);
  const std::size_t padded = kernels::round_up(n, kernels::kStep);
  if (rows_.dtype() == dtype_of<T> && rows_.column_stride() == 1 && n == padded &&
      !has_edits(first, n)) {
    return {rows_.row_data<T>(row_) + first, n};
  }
  gather(first, 1, n, buffer);
  std::fill(buffer + n, buffer + padded, kMinusInfinity<T>);
  return {buffer, padded};
}

template <class T>
void RowReader<T>::gather(std::size_t first, std::size_t step, std::size_t n, T* out) const {
  const auto offset = static_cast<std::ptrdiff_t>(first) * rows_.column_stride();
  const auto stride = static_cast<std::ptrdiff_t>(step) * rows_.column_stride();
  visit(rows_.dtype(),
        [&]<Element In>(In) { copy_converted(rows_.row_data<In>(row_) + offset, stride, n, out); });
  edit(first, step, n, out);
}

template <class T>
T RowReader<T>::at(std::size_t column) const {
  T value{};
  gather(column, 1, 1, &value);
  return value;
}

template <class T>
void RowReader<T>::check_values() const {
  for (std::size_t column = 0; column < columns(); ++column) {
    const T value = at(column);
    if (!(value < std::numeric_limits<T>::infinity())) {
      throw InvalidArgument(
          "logits", fmt::format("{} at column {}", std::isnan(value) ? "NaN" : "+inf", column));
    }
  }
}

template <class T>
void RowReader<T>::fail(const char* message) const {
  throw InvalidArgument("logits", message);
}

template <class T>
void RowPass<T>::resize(const RowReader<T>& row) {
  if (row.columns() == 0) row.fail("no columns");
  blocks_ = row.blocks();
  lanes_.resize(blocks_ * kLanes);
  block_max_.resize(blocks_);
}

template <class T>
template <class Reduce>
void RowPass<T>::reduce_blocks(const RowReader<T>& row, std::size_t group, const Reduce& reduce) {
  bool proper = true;
  row.visit_runs(group, [&](auto z, std::size_t b) { proper &= reduce(z, b); });
  if (!proper) row.check_values();
  max_ = static_cast<double>(*std::max_element(block_max_.begin(), block_max_.end()));
}

template <class T>
void RowPass<T>::find_max(const RowReader<T>& row) {
  resize(row);
  reduce_blocks(row, blocks_, [&]<class E>(std::span<const E> z, std::size_t b) {
    return kernels::row_kernels<E>().lane_max(z.data(), z.size(), &lanes_[b * kLanes],
                                              &block_max_[b]);
  });
}

template <class T>
void RowPass<T>::find_top_two(const RowReader<T>& row, std::vector<T>& second) {
  resize(row);
  second.resize(lanes_.size());
  reduce_blocks(row, blocks_, [&]<class E>(std::span<const E> z, std::size_t b) {
    return kernels::row_kernels<E>().lane_top_two(z.data(), z.size(), &lanes_[b * kLanes],
                                                  &second[b * kLanes], &block_max_[b]);
  });
}

template <class T>
void RowPass<T>::sum_exp(const RowReader<T>& row) {
  resize(row);
  block_weight_.resize(blocks_);
  reduce_blocks(row, kGroup, [&]<class E>(std::span<const E> z, std::size_t b) {
    const auto& read = kernels::row_kernels<E>();
    T* lanes = &lanes_[b * kLanes];
    const bool proper = read.lane_max(z.data(), z.size(), lanes, &block_max_[b]);
    read.lane_sum_exp(z.data(), z.size(), &block_max_[b], lanes, &block_weight_[b]);
    return proper;
  });
  weigh_blocks();
}

template <class T>
void RowPass<T>::sum_exp_accurate(const RowReader<T>& row) {
  find_max(row);
  block_weight_.resize(blocks_);
  T terms[kBlock];
  for (std::size_t b = 0; b < blocks_; ++b) {
    const auto z = row.block(b, terms);
    block_weight_[b] =
        block_max_[b] == kMinusInfinity<T>
            ? 0
            : kernels::of<T>().exp_accurate(z.data(), z.size(), block_max_[b], terms).high;
  }
  weigh_blocks();
}

template <class T>
void RowPass<T>::weigh_blocks() {
  if (blocks_ == 1 || max_ == kMinusInfinity<double>) {  // short rows are often many
    block_scale_.assign(blocks_, 1);
    return;
  }
  if (std::is_same_v<T, float> && blocks_ <= kFewBlocks) {
    block_scale_.resize(blocks_);
    for (std::size_t b = 0; b < blocks_; ++b) {
      const double x = static_cast<double>(block_max_[b]) - max_;
      block_scale_[b] = x == 0 ? 1 : std::exp(x);
      block_weight_[b] *= block_scale_[b];
    }
    return;
  }
  block_scale_.resize(kernels::round_up(blocks_, kLanes));
  std::copy(block_max_.begin(), block_max_.end(), block_scale_.begin());
  std::fill(block_scale_.begin() + static_cast<std::ptrdiff_t>(blocks_), block_scale_.end(), max_);
  kernels::of<double>().exp_accurate(block_scale_.data(), block_scale_.size(), max_,
                                     block_scale_.data());
  for (std::size_t b = 0; b < blocks_; ++b) block_weight_[b] *= block_scale_[b];
}

template <class T>
std::size_t RowPass<T>::argmax(const RowReader<T>& row) const {
  const auto block = static_cast<std::size_t>(
      std::find(block_max_.begin(), block_max_.end(), static_cast<T>(max_)) - block_max_.begin());
  T buffer[kBlock];
  const auto z = row.block(block, buffer);
  return block * kBlock +
         static_cast<std::size_t>(std::find(z.begin(), z.end(), static_cast<T>(max_)) - z.begin());
}

template <class T>
double RowPass<T>::log_sum(const RowReader<T>& row) const {
  SumOf<T> total;
  for (const double weight : block_weight()) total.add(weight);
  if (!(total.value() < 2)) {
    total.add(-1);
    return std::log1p(total.value());
  }
  // One category holds most of the mass. Beside its 1 the last digits of the rest are lost, so the
  // rest is summed by itself: its block again without it, and the other blocks.
  const std::size_t top = argmax(row);
  const std::size_t block = top / kBlock;
  T buffer[kBlock];
  const auto z = row.block(block, buffer);
  if (z.data() != buffer) std::copy(z.begin(), z.end(), buffer);
  buffer[top % kBlock] = kMinusInfinity<T>;
  const T second = *std::max_element(buffer, buffer + z.size());
  SumOf<T> rest;
  if (second != kMinusInfinity<T>) {
    double scale[kLanes] = {static_cast<double>(second)};
    kernels::of<double>().exp_accurate(scale, kLanes, max_, scale);
    rest.add(kernels::of<T>().exp_accurate(buffer, z.size(), second, buffer).high * scale[0]);
  }
  for (std::size_t b = 0; b < blocks_; ++b) {
    if (b != block) rest.add(block_weight_[b]);
  }
  return std::log1p(rest.value());
}

template class RowReader<float>;
template class RowReader<double>;
template class RowPass<float>;
template class RowPass<double>;

}  // namespace partita
