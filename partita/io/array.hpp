// An array of numbers as a file holds it: element type, shape, bytes. The readers of .npy, .npz and
// .safetensors return it; it becomes rows of logits, or a list of labels.
//
//   partita::ArrayView array = partita::parse_npy_array("labels.npy", bytes);
//   std::vector<std::int64_t> labels = array.integers();
#pragma once

#include <cstddef>
#include <cstdint>
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

/// A matrix of floating-point numbers.
struct MatrixShape {
  DType dtype;
  std::size_t rows;
  std::size_t columns;
};

/// An array in row-major order. The bytes belong to a file that must outlive the view.
struct ArrayView {
  std::string name;  ///< names the file and the array in it, for errors
  ElementType type = ElementType::f32;
  std::vector<std::uint64_t> shape;
  std::string_view bytes;

  /// The shape of an array of floating-point numbers as a matrix; one dimension is one row.
  /// @throws DataError for integers, no elements, or other than one or two dimensions
  MatrixShape matrix_shape() const;

  /// The elements of an array of integers or booleans of shape [n] or [n, 1].
  /// @throws DataError for other elements, another shape, no elements, or values of 2^63 or more
  std::vector<std::int64_t> integers() const;
};

/// Makes a view after checking that the shape needs exactly the bytes there are. @throws DataError
ArrayView checked_array(std::string name, ElementType type, std::vector<std::uint64_t> shape,
                        std::string_view bytes);

}  // namespace partita
