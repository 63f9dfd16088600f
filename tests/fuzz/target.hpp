// SPDX-License-Identifier: Apache-2.0
// What the fuzz targets share. A target is LLVMFuzzerTestOneInput(data, size), which libFuzzer
// calls with what it made up (./dev fuzz), and corpus_test with the files of tests/fuzz/corpus.
#pragma once

#include <unistd.h>
#include <zlib.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <string>
#include <string_view>

#include "partita/base/error.hpp"
#include "temporary_directory.hpp"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);

namespace partita::testing {

/// What must hold; says where it does not.
inline void require(bool holds, const char* file = __builtin_FILE(), int line = __builtin_LINE()) {
  if (holds) return;
  std::fprintf(stderr, "%s:%d: this does not hold\n", file, line);
  std::abort();
}

/// Runs f, which may refuse its input with an Error of one line, and with nothing else.
template <class F>
void may_refuse(const F& f) {
  try {
    f();
  } catch (const Error& error) {
    require(std::string_view(error.what()).find('\n') == std::string_view::npos);
  }
}

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

/// Numbers and strings from the bytes of an input; zeros after its end.
class Input {
 public:
  Input(const std::uint8_t* data, std::size_t size) : rest_(text_of(data, size)) {}

  template <class T>
  T bits() {
    T value{};
    const std::string_view bytes = take(sizeof value);
    std::memcpy(&value, bytes.data(), bytes.size());
    return value;
  }
  /// 0 ... limit - 1
  std::size_t below(std::size_t limit) {
    return limit <= 256 ? bits<std::uint8_t>() % limit : bits<std::uint32_t>() % limit;
  }
  bool flag() { return (bits<std::uint8_t>() & 1U) != 0; }
  /// At most so many bytes, of which a first one tells the number.
  std::string_view text(std::size_t most = 255) { return take(below(most + 1)); }
  std::string_view rest() { return take(rest_.size()); }
  bool empty() const { return rest_.empty(); }

 private:
  std::string_view take(std::size_t size) {
    const std::string_view taken = rest_.substr(0, size);
    rest_.remove_prefix(taken.size());
    return taken;
  }
  std::string_view rest_;
};

/// The path of a file that holds these bytes, until the next call.
inline std::string file_of(const std::string& name, std::string_view bytes) {
  static const TemporaryDirectory directory;
  const std::string path = directory / name;
  std::ofstream(path, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  return path;
}

/// An archive (io/archive.hpp) with the length and checksum that its bytes need: wrong ones would
/// hide everything else from the fuzzer.
inline std::string resealed(std::string bytes) {
  constexpr std::size_t kKindLength = 12;
  constexpr std::size_t kKind = 16;
  std::uint32_t kind = 0;
  if (bytes.size() < kKind) return bytes;
  std::memcpy(&kind, bytes.data() + kKindLength, sizeof kind);
  const std::size_t payload_at = kKind + kind + 8ULL;
  if (bytes.size() < payload_at + 4) return bytes;
  const std::uint64_t payload = bytes.size() - payload_at - 4;
  std::memcpy(bytes.data() + payload_at - 8, &payload, sizeof payload);
  const auto crc = static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size() - 4));
  std::memcpy(bytes.data() + bytes.size() - 4, &crc, sizeof crc);
  return bytes;
}

}  // namespace partita::testing
