// SPDX-License-Identifier: Apache-2.0
#include "partita/io/npz.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>

#include "partita/base/error.hpp"

// Offsets and signatures are those of the zip format (PKWARE, APPNOTE.TXT 6.3.10, section 4.3).

namespace partita {
namespace {

constexpr std::uint32_t kLocalHeader = 0x04034b50;
constexpr std::uint32_t kDirectoryEntry = 0x02014b50;
constexpr std::uint32_t kDirectoryEnd = 0x06054b50;
constexpr std::uint32_t kDirectoryEnd64 = 0x06064b50;
constexpr std::uint32_t kDirectoryLocator64 = 0x07064b50;
constexpr std::size_t kEndSize = 22;
constexpr std::size_t kLongestComment = 0xFFFF;
constexpr std::uint32_t kElsewhere = 0xFFFFFFFF;  // marks a size that is in the zip64 fields
constexpr std::uint32_t kStored = 0;
constexpr std::uint32_t kDeflated = 8;

/// Little-endian numbers at offsets of the archive; a DataError where there are none.
class Reader {
 public:
  Reader(const std::string& name, std::string_view bytes) : name_(name), bytes_(bytes) {}

  template <class T>
  T get(std::uint64_t at) const {
    T value;
    std::memcpy(&value, range(at, sizeof(T)).data(), sizeof(T));
    return value;
  }
  std::string_view range(std::uint64_t at, std::uint64_t size) const {
    if (at > bytes_.size() || size > bytes_.size() - at) {
      throw DataError(name_, fmt::format("damaged or cut short: something at byte {} lies beyond "
                                         "the file's {} bytes",
                                         at, bytes_.size()));
    }
    return bytes_.substr(at, size);
  }

 private:
  const std::string& name_;
  std::string_view bytes_;
};

struct Directory {
  std::uint64_t entries;
  std::uint64_t offset;
};

/// Searches from the file's end, where only a comment may follow it.
Directory find_directory(const std::string& name, std::string_view bytes) {
  if (bytes.empty()) throw DataError(name, "the file is empty, expected a .npz archive");
  if (!bytes.substr(0, 2).starts_with(std::string_view("PK").substr(0, bytes.size()))) {
    throw DataError(name, "not a .npz file (wrong first bytes)");
  }
  const Reader read(name, bytes);
  std::optional<std::uint64_t> end;
  const std::size_t farthest = std::min(bytes.size(), kEndSize + kLongestComment);
  for (std::size_t back = kEndSize; back <= farthest && !end; ++back) {
    if (read.get<std::uint32_t>(bytes.size() - back) == kDirectoryEnd) end = bytes.size() - back;
  }
  if (!end) throw DataError(name, "cut short: the directory at the end of the archive is missing");
  Directory found{read.get<std::uint16_t>(*end + 10), read.get<std::uint32_t>(*end + 16)};
  constexpr std::uint64_t kLocatorSize = 20;
  if (*end >= kLocatorSize && read.get<std::uint32_t>(*end - kLocatorSize) == kDirectoryLocator64) {
    const auto at = read.get<std::uint64_t>(*end - kLocatorSize + 8);
    if (read.get<std::uint32_t>(at) != kDirectoryEnd64) {
      throw DataError(name, fmt::format("damaged: no zip64 directory at byte {}", at));
    }
    found = {read.get<std::uint64_t>(at + 32), read.get<std::uint64_t>(at + 48)};
  }
  return found;
}

/// Inflates a raw deflate stream into `size` bytes; false if it is anything else.
bool inflate_into(std::string_view packed, std::string& out) {
  z_stream stream{};
  constexpr int kRaw = -MAX_WBITS;
  if (::inflateInit2(&stream, kRaw) != Z_OK) throw std::bad_alloc();
  constexpr std::size_t kMost = 1U << 30U;  // zlib counts in 32 bits
  std::size_t taken = 0;
  std::size_t made = 0;
  int status = Z_OK;
  while (status == Z_OK) {
    stream.next_in =
        const_cast<Bytef*>(reinterpret_cast<const Bytef*>(packed.data() + taken));  // not written
    stream.avail_in = static_cast<uInt>(std::min(kMost, packed.size() - taken));
    stream.next_out = reinterpret_cast<Bytef*>(out.data() + made);
    stream.avail_out = static_cast<uInt>(std::min(kMost, out.size() - made));
    const auto in_before = stream.avail_in;
    const auto out_before = stream.avail_out;
    status = ::inflate(&stream, Z_NO_FLUSH);
    taken += in_before - stream.avail_in;
    made += out_before - stream.avail_out;
  }
  ::inflateEnd(&stream);
  return status == Z_STREAM_END && taken == packed.size() && made == out.size();
}

}  // namespace

NpzFile::NpzFile(const std::filesystem::path& path) : NpzFile(input_name(path), MappedFile(path)) {}

NpzFile::NpzFile(std::string name, MappedFile file)
    : name_(std::move(name)), file_(std::move(file)) {
  read_directory();
}

void NpzFile::read_directory() {
  const Directory directory = find_directory(name_, file_.bytes());
  const Reader read(name_, file_.bytes());
  std::uint64_t at = directory.offset;
  for (std::uint64_t i = 0; i < directory.entries; ++i) {
    if (read.get<std::uint32_t>(at) != kDirectoryEntry) {
      throw DataError(name_, fmt::format("damaged: no directory entry at byte {}", at));
    }
    const auto name_size = read.get<std::uint16_t>(at + 28);
    const auto extra_size = read.get<std::uint16_t>(at + 30);
    Entry entry{.name = std::string(read.range(at + 46, name_size)),
                .method = read.get<std::uint16_t>(at + 10),
                .crc = read.get<std::uint32_t>(at + 16),
                .packed = read.get<std::uint32_t>(at + 20),
                .size = read.get<std::uint32_t>(at + 24),
                .header = read.get<std::uint32_t>(at + 42)};
    // The zip64 field holds, in this order, those of the three that are too large for 32 bits.
    const Reader extra(name_, read.range(at + 46 + name_size, extra_size));
    for (std::uint64_t field = 0; field + 4 <= extra_size;) {
      const auto id = extra.get<std::uint16_t>(field);
      std::uint64_t value = field + 4;
      for (std::uint64_t* number : {&entry.size, &entry.packed, &entry.header}) {
        if (id != 1 || *number != kElsewhere) continue;
        *number = extra.get<std::uint64_t>(value);
        value += 8;
      }
      field += 4ULL + extra.get<std::uint16_t>(field + 2);
    }
    at += 46ULL + name_size + extra_size + read.get<std::uint16_t>(at + 32);
    constexpr std::string_view kEnding = ".npy";
    if (!entry.name.ends_with(kEnding)) continue;
    entry.name.resize(entry.name.size() - kEnding.size());
    entries_.push_back(std::move(entry));
  }
}

std::vector<std::string> NpzFile::names() const {
  std::vector<std::string> out;
  for (const Entry& entry : entries_) out.push_back(entry.name);
  return out;
}

std::string_view NpzFile::packed_bytes(const Entry& entry) const {
  const Reader read(name_, file_.bytes());
  if (read.get<std::uint32_t>(entry.header) != kLocalHeader) {
    throw DataError(name_, fmt::format("damaged: no member at byte {}", entry.header));
  }
  const std::uint64_t data = entry.header + 30 + read.get<std::uint16_t>(entry.header + 26) +
                             read.get<std::uint16_t>(entry.header + 28);
  return read.range(data, entry.packed);
}

std::string_view NpzFile::member(std::string_view name) {
  const auto entry = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const Entry& e) { return e.name == name; });
  if (entry == entries_.end()) {
    throw DataError(name_, fmt::format("no array {}, expected {}", name, fmt::join(names(), ", ")));
  }
  const std::string full_name = fmt::format("{}:{}", name_, name);
  if (const auto done = inflated_.find(name); done != inflated_.end()) return done->second;
  std::string_view bytes = packed_bytes(*entry);
  if (entry->method == kDeflated) {
    // Deflate turns a byte into at most 1032: a damaged size must not ask for all memory.
    constexpr std::uint64_t kMostExpansion = 1100;
    if (entry->size / kMostExpansion > entry->packed)
      throw DataError(full_name, "damaged: impossible size");
    std::string out(static_cast<std::size_t>(entry->size), '\0');
    if (!inflate_into(bytes, out)) throw DataError(full_name, "damaged: cannot be inflated");
    bytes = inflated_.emplace(name, std::move(out)).first->second;
  } else if (entry->method != kStored || entry->size != entry->packed) {
    throw DataError(full_name, fmt::format("compression method {}, expected stored or deflated",
                                           entry->method));
  }
  if (::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()) != entry->crc) {
    throw DataError(full_name, "damaged: wrong checksum");
  }
  return bytes;
}

}  // namespace partita
