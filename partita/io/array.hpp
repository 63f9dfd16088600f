// SPDX-License-Identifier: Apache-2.0
// An array of numbers as a file holds it: element type, shape, bytes. The readers of .npy, .npz and
// .safetensors return it; it becomes rows of logits, or a list of labels.
//
//   partita::ArrayView array = partita::parse_npy_array("labels.npy", bytes);
//   std::vector<std::int64_t> labels = array.integers();
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

/// The type of an array's elements; all little-endian. A boolean is one byte.
enum class ElementType : std::uint8_t {
  boolean,
  i8,
  i16,
  i32,
  i64,
  u8,
  u16,
  u32,
  u64,
  f16,
  bf16,
  f32,
  f64
};

/// "int64", "bfloat16".
std::string_view name_of(ElementType type);
std::size_t size_of(ElementType type);

/// What an array of one dimension is as a matrix: N rows of one number (scores, the probabilities
/// of one class), or one row of N.
enum class OneDimension : std::uint8_t { column, row };

/// An array in row-major order, little-endian, at an address that suits its elements. The bytes
/// belong to a file that must outlive the view, unless the file has them in another order.
struct ArrayView {
  std::string name;  ///< names the file and the array in it, for errors
  ElementType type = ElementType::f32;
  std::vector<std::uint64_t> shape;
  std::string_view bytes;
  std::shared_ptr<const std::string> converted = {};  ///< what `bytes` views then

  /// An array of floating-point numbers with one or two dimensions. Valid as long as its bytes.
  /// @throws DataError for integers, no elements, or another number of dimensions
  Rows rows(OneDimension one = OneDimension::column) const;

  /// The elements of an array of integers or booleans of shape [n] or [n, 1].
  /// @throws DataError for other elements, another shape, no elements, or values of 2^63 or more
  std::vector<std::int64_t> integers() const;
};

/// @throws DataError unless the shape needs exactly the bytes there are
void check_array(const std::string& name, ElementType type, const std::vector<std::uint64_t>& shape,
                 std::string_view bytes);

/// Makes a view after check_array(); copies the bytes if they are misaligned. @throws DataError
ArrayView checked_array(std::string name, ElementType type, std::vector<std::uint64_t> shape,
                        std::string_view bytes);

}  // namespace partita
