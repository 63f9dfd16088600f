// SPDX-License-Identifier: Apache-2.0
// The bytes of .npy files and of zip archives, made by hand.
#pragma once

#include <gtest/gtest.h>
#include <zlib.h>

#include <cstdint>
#include <string>
#include <vector>

namespace partita::testing {

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

template <class... T>
std::string bytes_of(T... values) {
  std::string out;
  (put(out, values), ...);
  return out;
}

/// A .npy file of any element type.
inline std::string npy(const std::string& descr, const std::string& shape,
                       const std::string& data) {
  std::string header =
      "{'descr': '" + descr + "', 'fortran_order': False, 'shape': " + shape + ", }";
  while ((10 + header.size() + 1) % 64 != 0) header += ' ';
  header += '\n';
  std::string out = "\x93NUMPY";
  out += {'\x01', '\0', static_cast<char>(header.size()), '\0'};
  return out + header + data;
}

inline std::string deflated(const std::string& bytes) {
  z_stream stream{};
  ::deflateInit2(&stream, 9, Z_DEFLATED, -MAX_WBITS, 8, Z_DEFAULT_STRATEGY);
  std::string out(bytes.size() + 100, '\0');
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(bytes.data()));
  stream.avail_in = static_cast<uInt>(bytes.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  EXPECT_EQ(::deflate(&stream, Z_FINISH), Z_STREAM_END);
  out.resize(stream.total_out);
  ::deflateEnd(&stream);
  return out;
}

struct ZipMember {
  std::string name;
  std::string bytes;
  bool compressed = false;
};

/// A zip archive, with sizes and offsets in zip64 fields if asked, as numpy.savez forces them.
inline std::string zip(const std::vector<ZipMember>& members, bool zip64 = false) {
  std::string out;
  std::string directory;
  for (const auto& [name, bytes, compressed] : members) {
    const std::string packed = compressed ? deflated(bytes) : bytes;
    const auto crc = static_cast<std::uint32_t>(
        ::crc32(0, reinterpret_cast<const Bytef*>(bytes.data()), static_cast<uInt>(bytes.size())));
    const auto size32 = static_cast<std::uint32_t>(zip64 ? 0xFFFFFFFF : bytes.size());
    const auto packed32 = static_cast<std::uint32_t>(zip64 ? 0xFFFFFFFF : packed.size());
    const std::uint64_t at = out.size();
    const std::string extra =
        zip64 ? bytes_of<std::uint16_t, std::uint16_t, std::uint64_t, std::uint64_t>(
                    1, 16, bytes.size(), packed.size())
              : "";
    const auto common =
        bytes_of<std::uint16_t, std::uint16_t, std::uint16_t, std::uint32_t, std::uint32_t,
                 std::uint32_t, std::uint32_t, std::uint16_t, std::uint16_t>(
            45, 0, compressed ? 8 : 0, 0, crc, packed32, size32,
            static_cast<std::uint16_t>(name.size()), static_cast<std::uint16_t>(extra.size()));
    out += bytes_of<std::uint32_t>(0x04034b50) + common + name + extra + packed;
    directory +=
        bytes_of<std::uint32_t, std::uint16_t>(0x02014b50, 45) + common +
        bytes_of<std::uint16_t, std::uint16_t, std::uint16_t, std::uint32_t, std::uint32_t>(
            0, 0, 0, 0, static_cast<std::uint32_t>(at)) +
        name + extra;
  }
  const std::uint64_t start = out.size();
  const auto count = static_cast<std::uint16_t>(members.size());
  out += directory;
  if (zip64) {
    const std::uint64_t end = out.size();
    out += bytes_of<std::uint32_t, std::uint64_t, std::uint16_t, std::uint16_t, std::uint32_t,
                    std::uint32_t, std::uint64_t, std::uint64_t, std::uint64_t, std::uint64_t>(
        0x06064b50, 44, 45, 45, 0, 0, count, count, directory.size(), start);
    out +=
        bytes_of<std::uint32_t, std::uint32_t, std::uint64_t, std::uint32_t>(0x07064b50, 0, end, 1);
  }
  return out + bytes_of<std::uint32_t, std::uint16_t, std::uint16_t, std::uint16_t, std::uint16_t,
                        std::uint32_t, std::uint32_t, std::uint16_t>(
                   0x06054b50, 0, 0, zip64 ? 0xFFFF : count, zip64 ? 0xFFFF : count,
                   static_cast<std::uint32_t>(directory.size()),
                   static_cast<std::uint32_t>(zip64 ? 0xFFFFFFFF : start), 0);
}

}  // namespace partita::testing
