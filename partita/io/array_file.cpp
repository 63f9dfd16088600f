#include "partita/io/array_file.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <cmath>
#include <filesystem>
#include <optional>
#include <string_view>
#include <utility>
#include <variant>

#include "partita/base/error.hpp"
#include "partita/io/csv.hpp"
#include "partita/io/npy.hpp"
#include "partita/io/npz.hpp"
#include "partita/io/safetensors.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

struct Location {
  std::string path;
  std::string array;  // empty: not named
};

Location parse_location(const std::string& text) {
  const std::size_t colon = text.rfind(':');
  if (colon == std::string::npos || fs::exists(text)) return {text, ""};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

/// The array asked for, or the only one there is.
std::string chosen(const Location& location, const std::vector<std::string>& names) {
  if (!location.array.empty()) return location.array;
  if (names.empty()) throw DataError(location.path, "holds no arrays");
  if (names.size() > 1) {
    throw DataError(location.path,
                    fmt::format("holds several arrays ({}): name one, as {}:{}",
                                fmt::join(names, ", "), location.path, names.front()));
  }
  return names.front();
}

/// An array without names in it.
const std::string& whole(const Location& location) {
  if (!location.array.empty()) {
    throw DataError(location.path,
                    fmt::format("holds a single array, and none named {}", location.array));
  }
  return location.path;
}

std::vector<std::int64_t> integers_of(const std::string& name, const CsvTable& table) {
  if (table.columns != 1) {
    throw DataError(name, fmt::format("{} numbers per line, expected one integer", table.columns));
  }
  std::vector<std::int64_t> out;
  constexpr double kExact = 0x1p53;
  for (const double value : table.values) {
    if (std::floor(value) != value || !(std::abs(value) <= kExact)) {
      throw DataError(name,
                      fmt::format("element {}: expected an integer, got {:g}", out.size(), value));
    }
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

}  // namespace

struct ArrayFile::Contents {
  std::string name;
  std::variant<MappedFile, NpzFile, SafetensorsFile, CsvTable> file;
  ArrayView array;      // unless it is a CsvTable
  std::string aligned;  // a copy, if the elements are misaligned
};

ArrayFile::ArrayFile(const std::string& location) {
  const Location at = parse_location(location);
  const std::string ending = fs::path(at.path).extension().string();
  const auto make = [&](auto file) {
    contents_ = std::make_unique<Contents>(Contents{location, std::move(file), {}, {}});
  };
  if (ending == ".npy") {
    make(MappedFile(whole(at)));
    contents_->array = parse_npy_array(location, std::get<MappedFile>(contents_->file).bytes());
  } else if (ending == ".npz") {
    make(NpzFile(at.path));
    auto& file = std::get<NpzFile>(contents_->file);
    const std::string array = chosen(at, file.names());
    contents_->array = parse_npy_array(fmt::format("{}:{}", at.path, array), file.member(array));
  } else if (ending == ".safetensors") {
    make(SafetensorsFile(at.path));
    const auto& file = std::get<SafetensorsFile>(contents_->file);
    contents_->array = file.tensor(chosen(at, file.names()));
  } else if (ending == ".csv") {
    make(read_csv(whole(at)));
    return;
  } else {
    throw DataError(at.path, "unknown format: expected .npy, .npz, .safetensors or .csv");
  }
  ArrayView& array = contents_->array;
  if (reinterpret_cast<std::uintptr_t>(array.bytes.data()) % size_of(array.type) != 0) {
    contents_->aligned = array.bytes;
    array.bytes = contents_->aligned;
  }
}

ArrayFile::~ArrayFile() = default;
ArrayFile::ArrayFile(ArrayFile&&) noexcept = default;
ArrayFile& ArrayFile::operator=(ArrayFile&&) noexcept = default;

Rows ArrayFile::rows() const {
  if (const auto* table = std::get_if<CsvTable>(&contents_->file)) {
    return {table->values.data(), table->rows, table->columns};
  }
  const MatrixShape shape = contents_->array.matrix_shape();
  return {contents_->array.bytes.data(), shape.dtype, shape.rows, shape.columns,
          static_cast<std::ptrdiff_t>(shape.columns)};
}

std::vector<std::int64_t> ArrayFile::integers() const {
  if (const auto* table = std::get_if<CsvTable>(&contents_->file)) {
    return integers_of(contents_->name, *table);
  }
  return contents_->array.integers();
}

const std::string& ArrayFile::name() const { return contents_->name; }

}  // namespace partita
