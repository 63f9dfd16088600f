// SPDX-License-Identifier: Apache-2.0
#include "partita/io/gzip.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <limits>
#include <new>

#include "partita/base/error.hpp"

namespace partita {
namespace {

constexpr std::size_t kStep = 1U << 20U;
constexpr int kGzipOnly = 16 + MAX_WBITS;  // inflateInit2: window size, plus 16 for gzip's header

class Inflater {
 public:
  Inflater() {
    if (::inflateInit2(&stream_, kGzipOnly) != Z_OK) throw std::bad_alloc();
  }
  ~Inflater() { ::inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  z_stream& stream() { return stream_; }

 private:
  z_stream stream_{};
};

/// How much of `left` fits zlib's counters.
uInt chunk(std::size_t left) {
  return static_cast<uInt>(std::min<std::size_t>(left, std::numeric_limits<uInt>::max()));
}

}  // namespace

bool is_gzip(std::string_view bytes) {
  // A .safetensors file whose header has 559,903 bytes begins likewise; its ninth byte is '{'.
  constexpr std::size_t kFlags = 8;
  return bytes.starts_with("\x1f\x8b\x08") && (bytes.size() <= kFlags || bytes[kFlags] != '{');
}

std::string gunzip(std::string_view name, std::string_view bytes) {
  Inflater inflater;
  z_stream& stream = inflater.stream();
  std::string out;
  std::size_t used = 0;      // how much of `bytes` was read
  std::size_t produced = 0;  // how much of `out` was written
  for (bool ended = false; !ended;) {
    if (out.size() - produced < kStep) out.resize(out.size() + out.size() / 2 + kStep);
    // zlib reads through a pointer to non-const, and writes nothing there.
    stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(bytes.data())) + used;
    stream.avail_in = chunk(bytes.size() - used);
    stream.next_out = reinterpret_cast<Bytef*>(out.data()) + produced;
    stream.avail_out = chunk(out.size() - produced);
    const uInt offered = stream.avail_in;
    const uInt room = stream.avail_out;
    const int status = ::inflate(&stream, Z_NO_FLUSH);
    used += offered - stream.avail_in;
    produced += room - stream.avail_out;
    if (status == Z_STREAM_END) {
      ended = used == bytes.size();
      ::inflateReset(&stream);  // another member may follow
    } else if (status == Z_MEM_ERROR) {
      throw std::bad_alloc();
    } else if (status != Z_OK && status != Z_BUF_ERROR) {
      throw DataError(name, fmt::format("damaged gzip at byte {}: {}", used,
                                        stream.msg != nullptr ? stream.msg : "no valid data"));
    } else if (used == bytes.size() && stream.avail_out > 0) {
      throw DataError(name, fmt::format("cut short: the gzip data end at byte {}", used));
    }
  }
  out.resize(produced);
  return out;
}

}  // namespace partita
