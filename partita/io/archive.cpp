// SPDX-License-Identifier: Apache-2.0
#include "partita/io/archive.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

constexpr std::string_view kMagic = "PARTITA\n";
constexpr std::uint32_t kLongestKind = 64;
constexpr std::size_t kChecksumBytes = 4;

std::uint32_t crc32_of(std::uint32_t crc, std::string_view bytes) {
  return static_cast<std::uint32_t>(
      ::crc32_z(crc, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
}

/// A damaged file's kind may hold anything, but an error message is one printable line.
std::string printable(std::string_view text) {
  std::string out(text);
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c < ' ' || c > '~'; }, '?');
  return out;
}

}  // namespace

ArchiveWriter::ArchiveWriter(std::string_view kind, std::uint32_t version)
    : kind_(kind), version_(version) {
  check_between("kind", kind.size(), 1, kLongestKind, "characters");
  check_at_least("version", version, 1);
}

std::string ArchiveWriter::header() const {
  std::string out(kMagic);
  const auto append = [&](auto value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
  };
  append(version_);
  append(static_cast<std::uint32_t>(kind_.size()));
  out += kind_;
  append(static_cast<std::uint64_t>(payload_.size()));
  return out;
}

std::uint32_t ArchiveWriter::checksum(std::string_view header) const {
  return crc32_of(crc32_of(0, header), payload_);
}

std::string ArchiveWriter::bytes() const {
  std::string out = header();
  const std::uint32_t crc = checksum(out);
  out += payload_;
  out.append(reinterpret_cast<const char*>(&crc), sizeof crc);
  return out;
}

void ArchiveWriter::save(const std::filesystem::path& path) const {
  const std::string head = header();
  const std::uint32_t crc = checksum(head);
  write_file(path, {head, payload_, {reinterpret_cast<const char*>(&crc), sizeof crc}});
}

std::string_view archive_kind(std::string_view bytes) {
  const std::size_t length_at = kMagic.size() + sizeof(std::uint32_t);
  const std::size_t kind_at = length_at + sizeof(std::uint32_t);
  if (bytes.substr(0, kMagic.size()) != kMagic || bytes.size() < kind_at) return {};
  std::uint32_t length = 0;
  std::memcpy(&length, bytes.data() + length_at, sizeof length);
  return length > kLongestKind ? std::string_view() : bytes.substr(kind_at, length);
}

ArchiveReader::ArchiveReader(std::string name, std::optional<MappedFile> file) noexcept
    : name_(std::move(name)), file_(std::move(file)) {}

ArchiveReader ArchiveReader::open(const std::filesystem::path& path, std::string_view kind,
                                  std::uint32_t newest_version) {
  ArchiveReader reader(path.string(), MappedFile(path));
  reader.verify(reader.file_->bytes(), kind, newest_version);
  return reader;
}

ArchiveReader ArchiveReader::from_bytes(std::string name, std::string_view bytes,
                                        std::string_view kind, std::uint32_t newest_version) {
  ArchiveReader reader(std::move(name), std::nullopt);
  reader.verify(bytes, kind, newest_version);
  return reader;
}

void ArchiveReader::verify(std::string_view bytes, std::string_view kind,
                           std::uint32_t newest_version) {
  if (bytes.empty()) throw DataError(name_, "the file is empty");
  const std::string_view start = bytes.substr(0, kMagic.size());
  if (start != kMagic.substr(0, start.size())) {
    throw DataError(name_, fmt::format("not a Partita {} model (wrong first bytes)", kind));
  }
  bytes_ = bytes;
  position_ = kMagic.size();
  const auto need = [&](std::uint64_t expected) {
    if (bytes.size() < expected) {
      throw DataError(
          name_, fmt::format("cut short: {} bytes, expected {} or more", bytes.size(), expected));
    }
  };
  need(kMagic.size() + 8);
  version_ = u32();
  const std::uint32_t kind_length = u32();
  if (kind_length == 0 || kind_length > kLongestKind) damaged("impossible length of the kind");
  need(position_ + kind_length + 8);
  const std::string found(take(kind_length, 1));
  if (found != kind) {
    throw DataError(name_, fmt::format(R"(holds "{}", expected "{}")", printable(found), kind));
  }
  if (version_ == 0) damaged("version 0");
  if (version_ > newest_version) {
    throw DataError(
        name_,
        fmt::format("version {} of {}: this program reads up to version {}; use a newer Partita",
                    version_, kind, newest_version));
  }
  const std::uint64_t payload = u64();
  const std::uint64_t left = bytes.size() - position_;
  if (left < kChecksumBytes || left - kChecksumBytes < payload) {
    throw DataError(name_, fmt::format("cut short: {} bytes of payload and checksum, expected {}",
                                       left, fmt::to_string(payload) + " + 4"));
  }
  if (left - kChecksumBytes > payload) {
    throw DataError(name_,
                    fmt::format("{} bytes too many at the end", left - kChecksumBytes - payload));
  }
  const std::string_view sealed = bytes.substr(0, bytes.size() - kChecksumBytes);
  std::uint32_t stored = 0;
  std::memcpy(&stored, bytes.data() + sealed.size(), sizeof stored);
  const std::uint32_t computed = crc32_of(0, sealed);
  if (stored != computed) {
    damaged(fmt::format("checksum {:08x}, expected {:08x}", computed, stored));
  }
  bytes_ = sealed;
}

std::string_view ArchiveReader::take(std::uint64_t count, std::size_t size) {
  if (count > remaining() / size) {
    damaged(fmt::format("{} elements of {} bytes at byte {}, where {} bytes are left", count, size,
                        position_, remaining()));
  }
  const std::string_view taken = bytes_.substr(position_, static_cast<std::size_t>(count) * size);
  position_ += taken.size();
  return taken;
}

void ArchiveReader::finish() const {
  if (remaining() != 0) damaged(fmt::format("{} bytes of payload were not used", remaining()));
}

void ArchiveReader::damaged(std::string_view why) const {
  throw DataError(name_, fmt::format("damaged: {}", why));
}

}  // namespace partita
