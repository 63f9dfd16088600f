// SPDX-License-Identifier: Apache-2.0
// Rows: a view of a matrix whose rows are logits (or probabilities, or any other row of numbers).
// It owns nothing and is passed by value. Element type and strides are known at run time, so every
// function of the library takes any of the four formats, contiguous or not, through one signature.
//
//   std::vector<float> z = ...;                                // 64 rows of 50,257
//   auto lse = partita::log_sum_exp({z.data(), 64, 50257});
//
//   partita::Rows one_row{std::span(z).first(50257)};          // a single row
//   partita::Rows every_other{z.data(), 32, 50257, 2 * 50257}; // row stride, in elements
//   partita::Rows transposed{z.data(), 50257, 64, 1, 50257};   // row stride, column stride
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

#include "partita/base/float16.hpp"

namespace partita {

enum class DType : std::uint8_t { f32, f64, bf16, f16 };

template <class T>
concept Element = std::same_as<T, float> || std::same_as<T, double> || std::same_as<T, bfloat16> ||
    std::same_as<T, float16>;

template <Element T>
inline constexpr DType dtype_of = std::same_as<T, float>      ? DType::f32
                                  : std::same_as<T, double>   ? DType::f64
                                  : std::same_as<T, bfloat16> ? DType::bf16
                                                              : DType::f16;

constexpr std::size_t element_size(DType dtype) {
  return dtype == DType::f64 ? 8 : dtype == DType::f32 ? 4 : 2;
}

/// f(T{}) with the T whose dtype_of is `dtype`:
///   visit(rows.dtype(), [&]<Element T>(T) { read(rows.row_data<T>(0)); });
template <class F>
constexpr decltype(auto) visit(DType dtype, F&& f) {
  switch (dtype) {
    case DType::f64:
      return f(double{});
    case DType::bf16:
      return f(bfloat16{});
    case DType::f16:
      return f(float16{});
    case DType::f32:
      break;
  }
  return f(float{});
}

/// A read-only (`Rows`) or writable (`MutableRows`) view of [rows, columns] elements.
/// Strides are in elements, may be zero or negative, and are not checked against any allocation.
template <class Void>
class BasicRows {
  using Byte = std::conditional_t<std::is_const_v<Void>, const std::byte, std::byte>;
  template <class T>
  using Pointer = std::conditional_t<std::is_const_v<Void>, const T*, T*>;

 public:
  /// Contiguous: row stride = columns.
  template <class T>
  requires Element<std::remove_const_t<T>> && std::convertible_to<T*, Void*> BasicRows(
      T* data, std::size_t rows, std::size_t columns)
      : BasicRows(data, rows, columns, static_cast<std::ptrdiff_t>(columns)) {}

  template <class T>
  requires Element<std::remove_const_t<T>> && std::convertible_to<T*, Void*> BasicRows(
      T* data, std::size_t rows, std::size_t columns, std::ptrdiff_t row_stride,
      std::ptrdiff_t column_stride = 1)
      : BasicRows(data, dtype_of<std::remove_const_t<T>>, rows, columns, row_stride,
                  column_stride) {}

  /// One row.
  template <class T>
  requires Element<std::remove_const_t<T>> && std::convertible_to<T*, Void*>
  explicit BasicRows(std::span<T> row) : BasicRows(row.data(), 1, row.size()) {}

  /// From an element type known only at run time (a file, a tensor).
  BasicRows(Void* data, DType dtype, std::size_t rows, std::size_t columns,
            std::ptrdiff_t row_stride, std::ptrdiff_t column_stride = 1)
      : data_(data),
        rows_(rows),
        columns_(columns),
        row_stride_(row_stride),
        column_stride_(column_stride),
        dtype_(dtype) {}

  /// A writable view can also be read.
  template <class Other>
  requires(std::is_const_v<Void> && !std::is_const_v<Other>)
      BasicRows(const BasicRows<Other>& other)  // NOLINT(google-explicit-constructor)
      : BasicRows(other.data(), other.dtype(), other.rows(), other.columns(), other.row_stride(),
                  other.column_stride()) {}

  Void* data() const { return data_; }
  std::size_t rows() const { return rows_; }
  std::size_t columns() const { return columns_; }
  std::ptrdiff_t row_stride() const { return row_stride_; }
  std::ptrdiff_t column_stride() const { return column_stride_; }
  DType dtype() const { return dtype_; }

  /// Address of the first element of `row`; T must be the view's element type.
  template <Element T>
  Pointer<T> row_data(std::size_t row) const {
    return static_cast<Pointer<T>>(data_) + static_cast<std::ptrdiff_t>(row) * row_stride_;
  }

  /// The rows [first, first + count) of this view.
  BasicRows slice(std::size_t first, std::size_t count) const {
    const auto offset = static_cast<std::ptrdiff_t>(first) * row_stride_ *
                        static_cast<std::ptrdiff_t>(element_size(dtype_));
    return {
        static_cast<Byte*>(data_) + offset, dtype_, count, columns_, row_stride_, column_stride_};
  }

 private:
  Void* data_;
  std::size_t rows_;
  std::size_t columns_;
  std::ptrdiff_t row_stride_;
  std::ptrdiff_t column_stride_;
  DType dtype_;
};

using Rows = BasicRows<const void>;
using MutableRows = BasicRows<void>;

}  // namespace partita
