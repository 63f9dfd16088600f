// SPDX-License-Identifier: Apache-2.0
#include "partita/io/internal/word_vector_format.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "partita/random/stream.hpp"

namespace partita {
namespace {

/// Draws of one file, one after the other.
class Draws {
 public:
  explicit Draws(std::uint64_t file) : stream_(Stream{.seed = 16}.child(file)) {}

  std::uint64_t below(std::uint64_t n) {
    return static_cast<std::uint64_t>(stream_.uniform(position_++) * static_cast<double>(n));
  }
  /// Any float but infinities and NaNs, by its bits: bytes of a line end or of digits, too.
  float number() {
    constexpr std::uint32_t kTextBytes[] = {0x0A, 0x0D, 0x20, 0x30, 0x2E, 0x2D, 0x00, 0xFF};
    for (;;) {
      std::uint32_t bits = 0;
      const bool like_text = below(2) == 0;
      for (unsigned byte = 0; byte < 4; ++byte) {
        const auto value =
            like_text ? kTextBytes[below(8)] : static_cast<std::uint32_t>(below(256));
        bits |= value << (8 * byte);
      }
      const auto value = std::bit_cast<float>(bits);
      if (std::isfinite(value)) return value;
    }
  }
  std::string word(std::size_t i) {
    constexpr const char* kPieces[] = {"a",
                                       "1",
                                       "-2.5",
                                       "e",
                                       "nan",
                                       "\xC3\xA9",
                                       "\xE2\x80\xA8",
                                       "\xC2\xA0",
                                       "\t",
                                       "\xEF\xBB\xBF",
                                       "\xF0\x9F\x98\x80",
                                       ":"};
    std::string out;
    for (std::uint64_t n = below(4); n > 0; --n) out += kPieces[below(std::size(kPieces))];
    return out + std::to_string(i);  // no word twice
  }

 private:
  Stream stream_;
  std::uint64_t position_ = 0;
};

std::string written(VectorFormat format, const WordVectors& vectors) {
  std::string out;
  write_word_vectors([&](std::string_view bytes) { out += bytes; }, format,
                     [&](std::size_t i) { return std::string_view(vectors.words[i]); },
                     vectors.rows());
  return out;
}

/// What gensim writes: no line end after a vector.
std::string without_line_ends(const WordVectors& vectors) {
  std::string out = std::to_string(vectors.words.size()) + " " + std::to_string(vectors.dim) + "\n";
  for (std::size_t i = 0; i < vectors.words.size(); ++i) {
    out += vectors.words[i] + " ";
    out.append(reinterpret_cast<const char*>(&vectors.values[i * vectors.dim]),
               vectors.dim * sizeof(float));
  }
  return out;
}

bool same(const WordVectors& a, const WordVectors& b) {
  return a.words == b.words && a.dim == b.dim && a.notes.empty() &&
         a.values.size() == b.values.size() &&
         std::memcmp(a.values.data(), b.values.data(), a.values.size() * sizeof(float)) == 0;
}

// Own vectors were once refused in 5 files of 700, whose first float began with a line end.
TEST(WordVectorFormat, AHundredThousandFilesOfEachFormatRoundTrip) {
  constexpr std::uint64_t kFiles = 100'000;
  for (std::uint64_t file = 0; file < kFiles; ++file) {
    Draws draws(file);
    WordVectors vectors;
    vectors.dim = 1 + draws.below(6);
    const std::uint64_t words = 1 + draws.below(4);
    for (std::uint64_t i = 0; i < words; ++i) {
      vectors.words.push_back(draws.word(i));
      for (std::size_t c = 0; c < vectors.dim; ++c) vectors.values.push_back(draws.number());
    }
    const std::string text = written(VectorFormat::text, vectors);
    ASSERT_TRUE(same(parse_word_vectors("v", text, VectorFormat::text), vectors)) << file;
    ASSERT_TRUE(same(parse_word_vectors("v", text, std::nullopt), vectors)) << file;
    for (const std::string& binary :
         {written(VectorFormat::binary, vectors), without_line_ends(vectors)}) {
      ASSERT_TRUE(same(parse_word_vectors("v", binary, VectorFormat::binary), vectors)) << file;
    }
  }
}

// A name may be wrong, but bytes that can be only one of the two are read as that.
TEST(WordVectorFormat, AWrongNameChangesNothing) {
  for (std::uint64_t file = 0; file < 1000; ++file) {
    Draws draws(file);
    WordVectors vectors;
    vectors.dim = 8;
    for (std::uint64_t i = 0; i < 5; ++i) {
      vectors.words.push_back(draws.word(i));
      for (std::size_t c = 0; c < vectors.dim; ++c) vectors.values.push_back(draws.number());
    }
    const std::string text = written(VectorFormat::text, vectors);
    const std::string binary = written(VectorFormat::binary, vectors);
    ASSERT_TRUE(same(parse_word_vectors("v", text, VectorFormat::binary), vectors)) << file;
    ASSERT_TRUE(same(parse_word_vectors("v", binary, VectorFormat::text), vectors)) << file;
    ASSERT_TRUE(same(parse_word_vectors("v", binary, std::nullopt), vectors)) << file;
  }
}

}  // namespace
}  // namespace partita
