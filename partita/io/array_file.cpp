// SPDX-License-Identifier: Apache-2.0
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
  std::error_code ignored;
  if (text == "-" || fs::exists(text, ignored)) return {text, ""};
  for (std::size_t colon = text.find(':'); colon != std::string::npos;
       colon = text.find(':', colon + 1)) {
    std::string path = text.substr(0, colon);
    if (path == "-" || fs::exists(path, ignored)) return {std::move(path), text.substr(colon + 1)};
  }
  return {text.substr(0, text.find(':')), ""};  // there is none: for the message
}

enum class Format : std::uint8_t { npy, npz, safetensors, csv };

std::optional<Format> format_of(const std::string& path, std::string_view bytes) {
  fs::path name(path);
  if (name.extension() == ".gz") name.replace_extension();
  const std::string extension = name.extension().string();
  if (extension == ".npy") return Format::npy;
  if (extension == ".npz") return Format::npz;
  if (extension == ".safetensors") return Format::safetensors;
  if (extension == ".csv") return Format::csv;
  if (!extension.empty()) return std::nullopt;
  constexpr std::size_t kHeader = 8;  // where JSON begins in .safetensors
  if (bytes.starts_with("\x93NUMPY")) return Format::npy;
  if (bytes.starts_with("PK")) return Format::npz;
  if (bytes.size() > kHeader && bytes[kHeader] == '{') return Format::safetensors;
  return Format::csv;
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

/// For a file of a single array, without a name.
void check_unnamed(const Location& location) {
  if (location.array.empty()) return;
  throw DataError(location.path,
                  fmt::format("holds a single array, and none named {}", location.array));
}

std::vector<std::int64_t> integers_of(const std::string& name, const CsvTable& table) {
  if (table.columns != 1) {
    throw DataError(name, fmt::format("{} numbers per line, expected one integer", table.columns));
  }
  std::vector<std::int64_t> out;
  constexpr double kExact = 0x1p53;
  for (const double value : table.values) {
    if (std::floor(value) != value || !(std::abs(value) <= kExact)) {
      throw DataError(name, fmt::format("line {}: expected an integer, got {:g}",
                                        table.line[out.size()], value));
    }
    out.push_back(static_cast<std::int64_t>(value));
  }
  return out;
}

}  // namespace

struct ArrayFile::Contents {
  std::string name;
  std::variant<MappedFile, NpzFile, SafetensorsFile, CsvTable> file;
  ArrayView array;  // unless it is a CsvTable
};

ArrayFile::ArrayFile(const std::string& location) {
  const Location at = parse_location(location);
  const std::string name = input_name(at.path);
  MappedFile mapped(at.path);
  const auto make = [&](auto file) {
    contents_ = std::make_unique<Contents>(Contents{location, std::move(file), {}});
  };
  const auto format = format_of(at.path, mapped.bytes());
  if (!format) throw DataError(name, "unknown format: expected .npy, .npz, .safetensors or .csv");
  switch (*format) {
    case Format::npy:
      check_unnamed(at);
      make(std::move(mapped));
      contents_->array = parse_npy_array(name, std::get<MappedFile>(contents_->file).bytes());
      break;
    case Format::npz: {
      make(NpzFile(name, std::move(mapped)));
      auto& file = std::get<NpzFile>(contents_->file);
      const std::string array = chosen(at, file.names());
      contents_->array = parse_npy_array(fmt::format("{}:{}", name, array), file.member(array));
      break;
    }
    case Format::safetensors: {
      make(SafetensorsFile(name, std::move(mapped)));
      const auto& file = std::get<SafetensorsFile>(contents_->file);
      contents_->array = file.tensor(chosen(at, file.names()));
      break;
    }
    case Format::csv:
      check_unnamed(at);
      make(parse_csv(name, mapped.bytes()));
  }
}

ArrayFile::~ArrayFile() = default;
ArrayFile::ArrayFile(ArrayFile&&) noexcept = default;
ArrayFile& ArrayFile::operator=(ArrayFile&&) noexcept = default;

Rows ArrayFile::rows(OneDimension one) const {
  if (const auto* table = std::get_if<CsvTable>(&contents_->file)) {
    return {table->values.data(), table->rows, table->columns};
  }
  return contents_->array.rows(one);
}

std::vector<std::int64_t> ArrayFile::integers() const {
  if (const auto* table = std::get_if<CsvTable>(&contents_->file)) {
    return integers_of(contents_->name, *table);
  }
  return contents_->array.integers();
}

const std::string& ArrayFile::name() const { return contents_->name; }

std::string array_path(const std::string& location) { return parse_location(location).path; }

void check_array_output(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension != ".npy" && extension != ".csv" && !is_stream(path)) {
    throw InvalidArgument(
        "path", fmt::format("expected an extension of .npy or .csv, got {}", path.string()));
  }
  check_writable(path);
}

}  // namespace partita
