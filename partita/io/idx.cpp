// SPDX-License-Identifier: Apache-2.0
#include "partita/io/idx.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <array>
#include <limits>
#include <optional>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMagicBytes = 4;
constexpr std::size_t kMostDimensions = 8;
constexpr std::uint8_t kUnsignedByte = 0x08;

std::uint8_t byte_at(std::string_view bytes, std::size_t at) {
  return static_cast<std::uint8_t>(bytes[at]);
}

std::size_t big_endian(std::string_view bytes, std::size_t at) {
  std::size_t value = 0;
  for (std::size_t i = 0; i < 4; ++i) value = value << 8U | byte_at(bytes, at + i);
  return value;
}

void need(std::string_view name, std::string_view bytes, std::size_t expected) {
  if (bytes.size() >= expected) return;
  throw DataError(name, fmt::format("cut short: the header ends at byte {}, expected {} bytes",
                                    bytes.size(), expected));
}

std::string_view type_name(std::uint8_t type) {
  switch (type) {
    case 0x09:
      return "signed bytes";
    case 0x0B:
      return "int16";
    case 0x0C:
      return "int32";
    case 0x0D:
      return "float32";
    case 0x0E:
      return "float64";
    default:
      return "none of the format's types";
  }
}

/// How many elements a shape has, if that is a number of bytes that memory can hold.
std::optional<std::size_t> elements(const std::vector<std::size_t>& shape) {
  std::size_t count = 1;
  for (const std::size_t n : shape) {
    if (n != 0 && count > std::numeric_limits<std::ptrdiff_t>::max() / n) return std::nullopt;
    count *= n;
  }
  return count;
}

/// One of the two files of a split: "train-images-idx3-ubyte".
struct Part {
  const char* content;
  const char* format;
};
constexpr Part kImages{"images", "idx3-ubyte"};
constexpr Part kLabels{"labels", "idx1-ubyte"};

/// The part's file, under whichever of its names it has.
std::optional<fs::path> find(const fs::path& directory, std::string_view split, const Part& part) {
  for (const char* separator : {"-", "."}) {
    for (const char* ending : {"", ".gz"}) {
      fs::path path = directory / fmt::format("{}-{}{}{}{}", split, part.content, separator,
                                              part.format, ending);
      std::error_code ignored;
      if (fs::exists(path, ignored)) return path;
    }
  }
  return std::nullopt;
}

fs::path existing(const fs::path& directory, std::string_view split, const Part& part) {
  auto path = find(directory, split, part);
  if (!path) {
    throw IoError(directory.string(), fmt::format("has no {0}-{1}-{2} or {0}-{1}-{2}.gz", split,
                                                  part.content, part.format));
  }
  return *std::move(path);
}

IdxArray load(const fs::path& path, std::size_t dimensions, std::string_view what) {
  IdxArray array = load_idx(path);
  if (array.shape.size() != dimensions) {
    throw DataError(path.string(), fmt::format("{} dimensions at byte 3, expected {} ({})",
                                               array.shape.size(), dimensions, what));
  }
  return array;
}

}  // namespace

IdxArray parse_idx(std::string_view name, std::string_view bytes) {
  if (bytes.empty()) throw DataError(name, "the file is empty, expected an IDX array");
  need(name, bytes, kMagicBytes);
  if (byte_at(bytes, 0) != 0 || byte_at(bytes, 1) != 0) {
    throw DataError(name, "not an IDX file (bytes 0 and 1 are not zero)");
  }
  if (const std::uint8_t type = byte_at(bytes, 2); type != kUnsignedByte) {
    throw DataError(name, fmt::format("element type {:#04x} at byte 2 ({}), expected 0x08, "
                                      "unsigned bytes",
                                      type, type_name(type)));
  }
  const std::size_t dimensions = byte_at(bytes, 3);
  if (dimensions == 0 || dimensions > kMostDimensions) {
    throw DataError(
        name, fmt::format("{} dimensions at byte 3, expected 1..{}", dimensions, kMostDimensions));
  }
  const std::size_t header = kMagicBytes + 4 * dimensions;
  need(name, bytes, header);
  IdxArray array;
  for (std::size_t d = 0; d < dimensions; ++d) {
    const std::size_t offset = kMagicBytes + 4 * d;
    array.shape.push_back(big_endian(bytes, offset));
    if (array.shape.back() == 0) {
      throw DataError(name, fmt::format("dimension {} is 0 at byte {}", d, offset));
    }
  }
  const auto expected = elements(array.shape);
  const std::size_t found = bytes.size() - header;
  if (!expected || found != *expected) {
    const std::string wanted =
        fmt::format("{} for shape ({})", expected ? fmt::to_string(*expected) : "far more",
                    fmt::join(array.shape, ", "));
    if (!expected || found < *expected) {
      throw DataError(name,
                      fmt::format("cut short: the data end at byte {}: {} of them, expected {}",
                                  bytes.size(), found, wanted));
    }
    throw DataError(name, fmt::format("{} bytes too many from byte {} on: {} of data, expected {}",
                                      found - *expected, header + *expected, found, wanted));
  }
  const std::string_view data = bytes.substr(header);
  array.bytes.assign(data.begin(), data.end());
  return array;
}

IdxArray load_idx(const fs::path& path) {
  return parse_idx(input_name(path), MappedFile(path).bytes());
}

void save_idx(const fs::path& path, const IdxArray& array) {
  check_between("shape", array.shape.size(), 1, kMostDimensions, "dimensions");
  std::string header{'\0', '\0', static_cast<char>(kUnsignedByte),
                     static_cast<char>(array.shape.size())};
  for (const std::size_t n : array.shape) {
    check_between("shape", n, 1, std::numeric_limits<std::uint32_t>::max());
    for (unsigned shift = 32; shift > 0; shift -= 8) {
      header += static_cast<char>(n >> (shift - 8) & 0xFFU);
    }
  }
  if (elements(array.shape) != array.bytes.size()) {
    throw InvalidArgument("bytes", fmt::format("{} bytes for shape ({})", array.bytes.size(),
                                               fmt::join(array.shape, ", ")));
  }
  write_file(path,
             {header, {reinterpret_cast<const char*>(array.bytes.data()), array.bytes.size()}});
}

LabeledImages load_labeled_images(const fs::path& directory, std::string_view split) {
  const fs::path image_path = existing(directory, split, kImages);
  const fs::path label_path = existing(directory, split, kLabels);
  IdxArray images = load(image_path, 3, "images, rows, columns");
  IdxArray labels = load(label_path, 1, "labels");
  if (images.shape[0] != labels.shape[0]) {
    throw DataError(label_path.string(),
                    fmt::format("{} labels at byte 4, expected {}, one for each image of {}",
                                labels.shape[0], images.shape[0], image_path.string()));
  }
  return {.rows = images.shape[1],
          .columns = images.shape[2],
          .pixels = std::move(images.bytes),
          .labels = std::move(labels.bytes)};
}

bool has_labeled_images(const fs::path& directory, std::string_view split) {
  return find(directory, split, kImages).has_value();
}

}  // namespace partita
