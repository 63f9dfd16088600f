#include "partita/softmax/row_pass.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"

namespace partita {

using kernels::kBlock;
using kernels::kLanes;

namespace {

// Largest values of a few blocks first, then their sums: the sums of one block need not wait for
// the end of its own maximum. Four blocks of floats are 8 KiB, well inside the first cache.
constexpr std::size_t kGroup = 4;

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
  for (std::size_t i = 0; i < n; ++i, in += stride)
    out[i] = static_cast<T>(static_cast<Exact>(*in));
}

/// Adds up in double what is good to the digits of T.
template <class T>
using SumOf = std::conditional_t<std::is_same_v<T, double>, CompensatedSum, PlainSum>;

}  // namespace

template <class T>
std::span<const T> RowReader<T>::block(std::size_t b, T (&buffer)[kBlock]) const {
  const std::size_t first = b * kBlock;
  const std::size_t n = std::min(kBlock, columns() - first);
  const std::size_t padded = padded_size(b);
  if (rows_.dtype() == dtype_of<T> && rows_.column_stride() == 1 && n == padded) {
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
  switch (rows_.dtype()) {
    case DType::f32:
      return copy_converted(rows_.row_data<float>(row_) + offset, stride, n, out);
    case DType::f64:
      return copy_converted(rows_.row_data<double>(row_) + offset, stride, n, out);
    case DType::bf16:
      return copy_converted(rows_.row_data<bfloat16>(row_) + offset, stride, n, out);
    case DType::f16:
      return copy_converted(rows_.row_data<float16>(row_) + offset, stride, n, out);
  }
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
      throw InvalidArgument("logits", fmt::format("row {}: {} at column {}", row_,
                                                  std::isnan(value) ? "NaN" : "+inf", column));
    }
  }
}

template <class T>
void RowReader<T>::fail(const char* message) const {
  throw InvalidArgument("logits", fmt::format("row {}: {}", row_, message));
}

template <class T>
void RowPass<T>::resize(const RowReader<T>& row) {
  if (row.columns() == 0) row.fail("no columns");
  blocks_ = row.blocks();
  lanes_.resize(blocks_ * kLanes);
  block_max_.assign(kernels::round_up(blocks_, kLanes), kMinusInfinity<double>);
  block_max_scale_.resize(block_max_.size());
}

template <class T>
void RowPass<T>::find_block_max(const RowReader<T>& row, std::size_t b, std::span<const T> z) {
  T largest{};
  if (!kernels::lane_max(z.data(), z.size(), &lanes_[b * kLanes], largest)) row.check_values();
  block_max_[b] = static_cast<double>(largest);
}

template <class T>
void RowPass<T>::find_max(const RowReader<T>& row) {
  resize(row);
  T buffer[kBlock];
  for (std::size_t b = 0; b < blocks_; ++b) {
    find_block_max(row, b, row.block(b, buffer));
  }
  max_ = *std::max_element(block_max_.begin(), block_max_.end());
}

template <class T>
template <class SumBlock>
void RowPass<T>::sum_blocks(const RowReader<T>& row, const SumBlock& sum_block) {
  resize(row);
  block_weight_.assign(block_max_.size(), 0);
  T buffers[kGroup][kBlock];
  std::span<const T> z[kGroup];
  for (std::size_t group = 0; group < blocks_; group += kGroup) {
    const std::size_t n = std::min(kGroup, blocks_ - group);
    for (std::size_t i = 0; i < n; ++i) {
      z[i] = row.block(group + i, buffers[i]);
      find_block_max(row, group + i, z[i]);
    }
    for (std::size_t i = 0; i < n; ++i) {
      T* lanes = &lanes_[(group + i) * kLanes];
      const auto max = static_cast<T>(block_max_[group + i]);
      if (max == kMinusInfinity<T>) {
        std::fill(lanes, lanes + kLanes, T{0});
      } else {
        block_weight_[group + i] = sum_block(z[i], max, lanes);
      }
    }
  }
  max_ = *std::max_element(block_max_.begin(), block_max_.end());
  if (max_ == kMinusInfinity<double>) return;
  if (blocks_ == 1) {  // short rows are often many
    block_max_scale_[0] = 1;
    return;
  }
  kernels::exp_accurate(block_max_.data(), block_max_.size(), max_, block_max_scale_.data());
  for (std::size_t b = 0; b < blocks_; ++b) block_weight_[b] *= block_max_scale_[b];
}

template <class T>
void RowPass<T>::sum_exp(const RowReader<T>& row) {
  sum_blocks(row, [](std::span<const T> z, T max, T* lanes) {
    return kernels::lane_sum_exp(z.data(), z.size(), max, lanes);
  });
}

template <class T>
void RowPass<T>::sum_exp_accurate(const RowReader<T>& row) {
  T terms[kBlock];
  sum_blocks(row, [&](std::span<const T> z, T max, T*) {
    return kernels::exp_accurate(z.data(), z.size(), max, terms).high;
  });
}

template <class T>
std::size_t RowPass<T>::argmax(const RowReader<T>& row) const {
  const auto block = static_cast<std::size_t>(
      std::find(block_max_.begin(), block_max_.end(), max_) - block_max_.begin());
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
    kernels::exp_accurate(scale, kLanes, max_, scale);
    rest.add(kernels::exp_accurate(buffer, z.size(), second, buffer).high * scale[0]);
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
