// SPDX-License-Identifier: Apache-2.0
// Any bytes are either word vectors or a DataError, whatever format they are taken for and whatever
// is done about words that are not UTF-8; what is accepted is written and read back as it is.
#include <algorithm>
#include <cmath>
#include <optional>

#include "partita/io/internal/word_vector_format.hpp"
#include "partita/io/text.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

void check(const WordVectors& vectors) {
  require(!vectors.words.empty() && vectors.dim > 0);
  require(vectors.values.size() == vectors.words.size() * vectors.dim);
  for (const std::string& word : vectors.words) {
    require(!word.empty() && !find_invalid_utf8(word));
  }
  for (const float value : vectors.values) require(std::isfinite(value));
  for (const VectorFormat format : {VectorFormat::text, VectorFormat::binary}) {
    std::string written;
    write_word_vectors([&](std::string_view bytes) { written += bytes; }, format,
                       [&](std::size_t i) -> std::string_view { return vectors.words[i]; },
                       vectors.rows());
    const bool plain = std::none_of(
        vectors.words.begin(), vectors.words.end(),
        [](const std::string& word) { return word.find_first_of(" \n") != std::string::npos; });
    if (!plain) continue;  // which save_word_vectors() refuses
    const WordVectors again = parse_word_vectors("again", written, format);
    require(again.words == vectors.words && again.values == vectors.values);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::string_view bytes = text_of(data + 1, size - 1);
  const WordVectorOptions options{.limit = data[0] / 3U % 4U,
                                  .encoding_errors = static_cast<EncodingErrors>(data[0] % 3)};
  const std::optional<VectorFormat> formats[] = {std::nullopt, VectorFormat::text,
                                                 VectorFormat::binary};
  for (const auto format : formats) {
    may_refuse([&] { check(parse_word_vectors("fuzz", bytes, format, options)); });
  }
  return 0;
}
