// SPDX-License-Identifier: Apache-2.0
// The container of Partita's own model files: a sequence of numbers, strings and arrays, in a frame
// that tells an intact file from a damaged one.
//
//   partita::ArchiveWriter out("ngram", 1);
//   out.u32(order);
//   out.array<double>(counts);
//   out.save("words.model");
//
//   auto in = partita::ArchiveReader::open("words.model", "ngram", 1);
//   std::uint32_t order = in.u32();
//   std::vector<double> counts = in.array<double>();
//   in.finish();
//
// The frame, all little-endian (array<T> writes the elements as they lie in memory):
//
//   8 bytes   "PARTITA\n"
//   u32       version of the contents, from 1
//   u32, ...  kind: length (at most 64), ASCII bytes
//   u64       length of the payload
//   ...       payload
//   u32       CRC-32 of everything before it
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <vector>

#include "partita/io/file.hpp"

namespace partita {

static_assert(std::endian::native == std::endian::little, "archives are written as memory lies");

/// What an archive's array may hold.
template <class T>
concept ArchiveElement = std::is_arithmetic_v<T> && !std::is_same_v<T, bool>;

/// Collects the payload in memory, then writes frame and payload at once.
class ArchiveWriter {
 public:
  /// @param kind what the archive holds, e.g. "ngram": 1 to 64 ASCII characters
  /// @param version of the contents, from 1; a reader refuses versions newer than it knows
  ArchiveWriter(std::string_view kind, std::uint32_t version);

  void u8(std::uint8_t value) { put(value); }
  void u32(std::uint32_t value) { put(value); }
  void u64(std::uint64_t value) { put(value); }
  void f32(float value) { put(value); }
  void f64(double value) { put(value); }
  /// u64 length, bytes.
  void string(std::string_view value) {
    u64(value.size());
    payload_.append(value);
  }
  /// u64 number of elements, elements.
  template <ArchiveElement T>
  void array(std::span<const T> values) {
    u64(values.size());
    payload_.append(reinterpret_cast<const char*>(values.data()), values.size_bytes());
  }
  template <ArchiveElement T>
  void array(const std::vector<T>& values) {
    array(std::span<const T>(values));
  }

  /// The whole file, as save() writes it.
  std::string bytes() const;

  /// @throws IoError
  void save(const std::filesystem::path& path) const;

 private:
  template <class T>
  void put(T value) {
    payload_.append(reinterpret_cast<const char*>(&value), sizeof value);
  }
  std::string header() const;
  std::uint32_t checksum(std::string_view header) const;

  std::string kind_;
  std::uint32_t version_;
  std::string payload_;
};

/// The kind that these bytes of a file declare; empty if it is not an archive. Nothing is verified.
std::string_view archive_kind(std::string_view bytes);

/// Reads an archive back, in the order in which it was written. The frame (magic, kind, version,
/// lengths, checksum) is verified before anything is returned; every read is checked against what
/// is left, so no damage makes it allocate more than the file holds. All errors are DataErrors.
class ArchiveReader {
 public:
  /// @throws IoError, DataError
  static ArchiveReader open(const std::filesystem::path& path, std::string_view kind,
                            std::uint32_t newest_version);

  /// Reads from memory, which must outlive the reader; `name` stands for the path in errors.
  static ArchiveReader from_bytes(std::string name, std::string_view bytes, std::string_view kind,
                                  std::uint32_t newest_version);

  std::uint32_t version() const { return version_; }

  std::uint8_t u8() { return get<std::uint8_t>(); }
  std::uint32_t u32() { return get<std::uint32_t>(); }
  std::uint64_t u64() { return get<std::uint64_t>(); }
  float f32() { return get<float>(); }
  double f64() { return get<double>(); }
  std::string string() { return std::string(take(u64(), 1)); }

  template <ArchiveElement T>
  std::vector<T> array() {
    const std::uint64_t count = u64();
    const std::string_view bytes = take(count, sizeof(T));
    std::vector<T> values(static_cast<std::size_t>(count));
    if (!bytes.empty()) std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }

  /// Bytes of the payload that have not been read.
  std::size_t remaining() const { return bytes_.size() - position_; }

  /// Call after the last read. @throws DataError if anything is left.
  void finish() const;

  /// For damage that only the caller can see: "words.model: damaged: order 0 (expected 1..32)".
  [[noreturn]] void damaged(std::string_view why) const;

 private:
  ArchiveReader(std::string name, std::optional<MappedFile> file) noexcept;
  void verify(std::string_view bytes, std::string_view kind, std::uint32_t newest_version);
  std::string_view take(std::uint64_t count, std::size_t size);

  template <class T>
  T get() {
    T value;
    std::memcpy(&value, take(1, sizeof value).data(), sizeof value);
    return value;
  }

  std::string name_;
  std::optional<MappedFile> file_;
  std::string_view bytes_;  // the file up to the end of the payload
  std::size_t position_ = 0;
  std::uint32_t version_ = 0;
};

}  // namespace partita
