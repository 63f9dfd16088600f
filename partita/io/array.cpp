// SPDX-License-Identifier: Apache-2.0
#include "partita/io/array.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <cstdint>
#include <cstring>
#include <limits>
#include <optional>
#include <utility>

#include "partita/base/error.hpp"

namespace partita {
namespace {

struct ElementFacts {
  std::string_view name;
  std::size_t size;
};

/// In the order of ElementType.
constexpr std::array<ElementFacts, 13> kFacts = {{{"bool", 1},
                                                  {"int8", 1},
                                                  {"int16", 2},
                                                  {"int32", 4},
                                                  {"int64", 8},
                                                  {"uint8", 1},
                                                  {"uint16", 2},
                                                  {"uint32", 4},
                                                  {"uint64", 8},
                                                  {"float16", 2},
                                                  {"bfloat16", 2},
                                                  {"float32", 4},
                                                  {"float64", 8}}};

const ElementFacts& facts_of(ElementType type) { return kFacts.at(static_cast<std::size_t>(type)); }

std::string shape_text(const std::vector<std::uint64_t>& shape) {
  if (shape.size() > 8) return "of an array";
  return fmt::format("({}{})", fmt::join(shape, ", "), shape.size() == 1 ? "," : "");
}

/// Bytes of the array, unless that is more than a file can hold.
std::optional<std::uint64_t> bytes_of(const std::vector<std::uint64_t>& shape, std::uint64_t size) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  std::uint64_t bytes = size;
  for (const std::uint64_t n : shape) {
    if (n != 0 && bytes > kMost / n) return std::nullopt;
    bytes *= n;
  }
  return bytes;
}

std::optional<DType> dtype_of_element(ElementType type) {
  switch (type) {
    case ElementType::f16:
      return DType::f16;
    case ElementType::bf16:
      return DType::bf16;
    case ElementType::f32:
      return DType::f32;
    case ElementType::f64:
      return DType::f64;
    default:
      return std::nullopt;
  }
}

template <class T>
std::vector<std::int64_t> integers_from(const ArrayView& array) {
  std::vector<std::int64_t> out(array.bytes.size() / sizeof(T));
  for (std::size_t i = 0; i < out.size(); ++i) {
    T value;
    std::memcpy(&value, array.bytes.data() + i * sizeof(T), sizeof(T));
    if (std::cmp_greater(value, std::numeric_limits<std::int64_t>::max())) {
      throw DataError(array.name, fmt::format("element {}: {} is 2^63 or more", i, value));
    }
    out[i] = static_cast<std::int64_t>(value);  // NOLINT(bugprone-signed-char-misuse): no character
  }
  return out;
}

}  // namespace

std::string_view name_of(ElementType type) { return facts_of(type).name; }
std::size_t size_of(ElementType type) { return facts_of(type).size; }

Rows ArrayView::rows(OneDimension one) const {
  const auto dtype = dtype_of_element(type);
  if (!dtype) {
    throw DataError(
        name, fmt::format("elements are {}, expected float16, float32 or float64", name_of(type)));
  }
  if (shape.empty() || shape.size() > 2) {
    throw DataError(name, fmt::format("shape {}: {} dimensions, expected 2 (rows, columns) or 1",
                                      shape_text(shape), shape.size()));
  }
  const bool list = shape.size() == 1;
  const std::uint64_t row_count = list && one == OneDimension::row ? 1 : shape.front();
  const std::uint64_t columns = list && one == OneDimension::column ? 1 : shape.back();
  if (row_count == 0 || columns == 0) {
    throw DataError(name, fmt::format("shape {}: no elements, expected 1 row and 1 column or more",
                                      shape_text(shape)));
  }
  return {bytes.data(), *dtype, static_cast<std::size_t>(row_count),
          static_cast<std::size_t>(columns), static_cast<std::ptrdiff_t>(columns)};
}

std::vector<std::int64_t> ArrayView::integers() const {
  const bool list = shape.size() == 1 || (shape.size() == 2 && shape[1] == 1);
  if (!list || shape[0] == 0) {
    throw DataError(name, fmt::format("shape {}, expected (n,) or (n, 1) integers with n of 1 or "
                                      "more",
                                      shape_text(shape)));
  }
  switch (type) {
    case ElementType::boolean:
    case ElementType::u8:
      return integers_from<std::uint8_t>(*this);
    case ElementType::i8:
      return integers_from<std::int8_t>(*this);
    case ElementType::i16:
      return integers_from<std::int16_t>(*this);
    case ElementType::i32:
      return integers_from<std::int32_t>(*this);
    case ElementType::i64:
      return integers_from<std::int64_t>(*this);
    case ElementType::u16:
      return integers_from<std::uint16_t>(*this);
    case ElementType::u32:
      return integers_from<std::uint32_t>(*this);
    case ElementType::u64:
      return integers_from<std::uint64_t>(*this);
    default:
      throw DataError(name, fmt::format("elements are {}, expected integers", name_of(type)));
  }
}

void check_array(const std::string& name, ElementType type, const std::vector<std::uint64_t>& shape,
                 std::string_view bytes) {
  const auto expected = bytes_of(shape, size_of(type));
  if (!expected) {
    throw DataError(name, fmt::format("shape {}: impossibly large", shape_text(shape)));
  }
  if (bytes.size() < *expected) {
    throw DataError(name, fmt::format("cut short: {} bytes of data, expected {} for shape {}",
                                      bytes.size(), *expected, shape_text(shape)));
  }
  if (bytes.size() > *expected) {
    throw DataError(
        name, fmt::format("{} bytes too many: {} bytes of data, expected {} for shape "
                          "{}",
                          bytes.size() - *expected, bytes.size(), *expected, shape_text(shape)));
  }
}

ArrayView checked_array(std::string name, ElementType type, std::vector<std::uint64_t> shape,
                        std::string_view bytes) {
  check_array(name, type, shape, bytes);
  ArrayView array{std::move(name), type, std::move(shape), bytes};
  if (reinterpret_cast<std::uintptr_t>(bytes.data()) % size_of(type) != 0) {
    array.converted = std::make_shared<const std::string>(bytes);
    array.bytes = *array.converted;
  }
  return array;
}

}  // namespace partita
