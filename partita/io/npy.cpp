// SPDX-License-Identifier: Apache-2.0
#include "partita/io/npy.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"

namespace partita {
namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr std::string_view kAccepted = "floating-point numbers or integers";

/// What the header says, before it is interpreted.
struct Description {
  std::string descr;
  bool fortran_order = false;
  std::vector<std::uint64_t> shape;
};

/// Reads the header: a Python dictionary with three known keys, whose values are a string, a bool,
/// and a tuple of integers. Nothing else of Python's grammar is needed.
class HeaderParser {
 public:
  HeaderParser(std::string_view name, std::string_view text) : name_(name), rest_(text) {}

  Description parse() {
    Description out;
    bool descr = false;
    bool order = false;
    bool shape = false;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !descr) {
        descr = true;
        out.descr = element();
      } else if (key == "fortran_order" && !order) {
        order = true;
        out.fortran_order = boolean();
      } else if (key == "shape" && !shape) {
        shape = true;
        out.shape = tuple();
      } else {
        fail();
      }
      if (!accept(',')) {
        expect('}');
        break;
      }
    }
    skip_space();
    if (!rest_.empty() || !descr || !order || !shape) fail();
    return out;
  }

 private:
  [[noreturn]] void fail() const {
    throw DataError(
        name_, "damaged .npy header, expected {'descr': ..., 'fortran_order': ..., 'shape': ...}");
  }
  void skip_space() {
    const std::size_t n = rest_.find_first_not_of(" \t\n");
    rest_.remove_prefix(n == std::string_view::npos ? rest_.size() : n);
  }
  bool accept(char c) {
    skip_space();
    if (!rest_.starts_with(c)) return false;
    rest_.remove_prefix(1);
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fail();
  }
  bool accept_word(std::string_view word) {
    skip_space();
    if (!rest_.starts_with(word)) return false;
    rest_.remove_prefix(word.size());
    return true;
  }
  bool boolean() {
    if (accept_word("True")) return true;
    if (!accept_word("False")) fail();
    return false;
  }
  std::string quoted() {
    skip_space();
    const char quote = rest_.empty() ? '\0' : rest_.front();
    const std::size_t end =
        quote == '\'' || quote == '"' ? rest_.find(quote, 1) : std::string_view::npos;
    if (end == std::string_view::npos) fail();
    std::string text(rest_.substr(1, end - 1));
    rest_.remove_prefix(end + 1);
    return text;
  }
  /// The element type: a string, or a list, which means a record array.
  std::string element() {
    skip_space();
    if (rest_.starts_with('[')) {
      throw DataError(name_, fmt::format("elements are records, expected {}", kAccepted));
    }
    return quoted();
  }
  std::vector<std::uint64_t> tuple() {
    std::vector<std::uint64_t> values;
    expect('(');
    while (!accept(')')) {
      skip_space();
      std::uint64_t value = 0;
      const auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), value);
      if (error == std::errc::result_out_of_range) {
        throw DataError(name_, "shape: a dimension is 2^64 or more");
      }
      if (error != std::errc{}) fail();
      rest_.remove_prefix(static_cast<std::size_t>(end - rest_.data()));
      accept_word("L");  // Python 2's long integers
      values.push_back(value);
      if (!accept(',')) {
        expect(')');
        break;
      }
    }
    return values;
  }

  std::string_view name_;
  std::string_view rest_;
};

/// "int64" for "<i8".
std::string element_name(std::string_view descr) {
  static const std::map<char, std::string_view> kinds = {
      {'f', "float"}, {'i', "int"}, {'u', "uint"}, {'c', "complex"}};
  const std::size_t sign = descr.find_first_of("<>|=") == 0 ? 1 : 0;
  std::string printable;
  for (const char c : descr.substr(0, 32)) printable += c < ' ' || c > '~' ? '?' : c;
  unsigned bytes = 0;
  const char* const end = descr.data() + descr.size();
  if (descr.size() < sign + 2) return printable;
  const auto parsed = std::from_chars(descr.data() + sign + 1, end, bytes);
  const auto kind = kinds.find(descr[sign]);
  if (descr[sign] == 'b') return fmt::format("bool ({})", printable);
  if (kind == kinds.end() || parsed.ec != std::errc{} || parsed.ptr != end || bytes > 32)
    return printable;
  return fmt::format("{}{} ({})", kind->second, bytes * 8, printable);
}

struct Element {
  ElementType type;
  bool big_endian;
};

Element element_from(std::string_view name, std::string_view descr) {
  static const std::map<std::string_view, ElementType> types = {
      {"b1", ElementType::boolean}, {"i1", ElementType::i8},  {"i2", ElementType::i16},
      {"i4", ElementType::i32},     {"i8", ElementType::i64}, {"u1", ElementType::u8},
      {"u2", ElementType::u16},     {"u4", ElementType::u32}, {"u8", ElementType::u64},
      {"f2", ElementType::f16},     {"f4", ElementType::f32}, {"f8", ElementType::f64}};
  const bool has_order = descr.find_first_of("<>|=") == 0;
  if (const auto found = types.find(descr.substr(has_order ? 1 : 0)); found != types.end()) {
    return {found->second, descr.starts_with('>')};
  }
  throw DataError(name,
                  fmt::format("elements are {}, expected {}", element_name(descr), kAccepted));
}

/// The elements in row-major order, with the bytes of each turned round if they are big-endian.
std::string converted(const ArrayView& array, bool big_endian, bool fortran_order) {
  const std::size_t size = size_of(array.type);
  const std::size_t dimensions = array.shape.size();
  std::vector<std::size_t> stride(dimensions, 1);  // of the file, in elements
  for (std::size_t d = 1; d < dimensions; ++d) {
    const std::size_t at = fortran_order ? d : dimensions - 1 - d;
    const std::size_t inner = fortran_order ? at - 1 : at + 1;
    stride[at] = stride[inner] * static_cast<std::size_t>(array.shape[inner]);
  }
  std::string out(array.bytes.size(), '\0');
  std::vector<std::uint64_t> index(dimensions);
  std::size_t from = 0;
  for (std::size_t to = 0; to < out.size(); to += size) {
    for (std::size_t byte = 0; byte < size; ++byte) {
      out[to + byte] = array.bytes[from * size + (big_endian ? size - 1 - byte : byte)];
    }
    for (std::size_t d = dimensions; d-- > 0;) {  // the next index, the last one fastest
      from += stride[d];
      if (++index[d] < array.shape[d]) break;
      from -= stride[d] * static_cast<std::size_t>(array.shape[d]);
      index[d] = 0;
    }
  }
  return out;
}

/// a * b, unless it is more than a file can hold.
std::optional<std::uint64_t> product(std::uint64_t a, std::uint64_t b) {
  constexpr auto kMost = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
  if (b != 0 && a > kMost / b) return std::nullopt;
  return a * b;
}

/// The text of the header; `end` receives where it ends.
std::string_view header_text(std::string_view name, std::string_view bytes, std::size_t& end) {
  if (bytes.empty()) throw DataError(name, "the file is empty, expected a .npy array");
  const std::string_view start = bytes.substr(0, kMagic.size());
  if (start != kMagic.substr(0, start.size())) {
    throw DataError(name, "not a .npy file (wrong first bytes)");
  }
  const auto cut = [&](std::uint64_t expected) {
    throw DataError(name, fmt::format("cut short in the header: {} bytes, expected {} or more",
                                      bytes.size(), expected));
  };
  if (bytes.size() < 10) cut(10);
  const auto byte = [&](std::size_t i) -> std::uint64_t {
    return static_cast<unsigned char>(bytes[i]);
  };
  const std::uint64_t version = byte(6);
  if (version < 1 || version > 3 || byte(7) != 0) {
    throw DataError(name,
                    fmt::format(".npy version {}.{}, expected 1.0, 2.0 or 3.0", version, byte(7)));
  }
  const std::size_t start_of_text = version == 1 ? 10 : 12;
  if (bytes.size() < start_of_text) cut(start_of_text);
  std::uint64_t length = byte(8) | byte(9) << 8U;
  if (version > 1) length |= byte(10) << 16U | byte(11) << 24U;
  if (bytes.size() - start_of_text < length) cut(start_of_text + length);
  end = start_of_text + static_cast<std::size_t>(length);
  return bytes.substr(start_of_text, static_cast<std::size_t>(length));
}

/// Everything before the data.
std::string file_header(std::string_view descr, std::size_t rows, std::size_t columns) {
  std::string header = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}, {}), }}",
                                   descr, rows, columns);
  constexpr std::size_t kBeforeText = 10;
  constexpr std::size_t kAlignment = 64;  // where data begins, as NumPy does it
  header.append((kAlignment - (kBeforeText + header.size() + 1) % kAlignment) % kAlignment, ' ');
  header += '\n';
  std::string start(kMagic);
  start += {'\x01', '\x00', static_cast<char>(header.size() & 0xFFU),
            static_cast<char>(header.size() >> 8U)};
  return start + header;
}

template <class T>
void save(const std::filesystem::path& path, std::string_view descr, std::span<const T> values,
          std::size_t rows, std::size_t columns) {
  if (product(rows, columns) != values.size()) {
    throw InvalidArgument(
        "values", fmt::format("expected {} x {} of them, got {}", rows, columns, values.size()));
  }
  write_file(path, {file_header(descr, rows, columns),
                    {reinterpret_cast<const char*>(values.data()), values.size_bytes()}});
}

}  // namespace

ArrayView parse_npy_array(std::string_view name, std::string_view bytes) {
  std::size_t data_offset = 0;
  const std::string_view text = header_text(name, bytes, data_offset);
  Description found = HeaderParser(name, text).parse();
  const auto [type, big_endian] = element_from(name, found.descr);
  ArrayView array =
      checked_array(std::string(name), type, std::move(found.shape), bytes.substr(data_offset));
  const auto long_dimensions =
      std::count_if(array.shape.begin(), array.shape.end(), [](std::uint64_t n) { return n != 1; });
  const bool reorder = found.fortran_order && long_dimensions > 1;  // else both are the same
  const bool swap = big_endian && size_of(type) > 1;
  if (reorder || swap) {
    array.converted = std::make_shared<const std::string>(converted(array, swap, reorder));
    array.bytes = *array.converted;
  }
  return array;
}

NpyFile::NpyFile(const std::filesystem::path& path)
    : file_(path), array_(parse_npy_array(input_name(path), file_.bytes())) {
  array_.rows();  // refuses what has none
}

void save_npy(const std::filesystem::path& path, std::span<const float> values, std::size_t rows,
              std::size_t columns) {
  save(path, "<f4", values, rows, columns);
}
void save_npy(const std::filesystem::path& path, std::span<const double> values, std::size_t rows,
              std::size_t columns) {
  save(path, "<f8", values, rows, columns);
}
void save_npy(const std::filesystem::path& path, std::span<const std::int64_t> values,
              std::size_t rows, std::size_t columns) {
  save(path, "<i8", values, rows, columns);
}

void save_npy(const std::filesystem::path& path, Rows matrix) {
  if (matrix.dtype() != DType::f32 || matrix.column_stride() != 1) {
    throw InvalidArgument("matrix", "expected rows of contiguous float");
  }
  write_file(path, [&](const Sink& sink) {
    sink(file_header("<f4", matrix.rows(), matrix.columns()));
    for (std::size_t i = 0; i < matrix.rows(); ++i) {
      const float* const row = matrix.row_data<float>(i);
      sink({reinterpret_cast<const char*>(row), matrix.columns() * sizeof(float)});
    }
  });
}

}  // namespace partita
