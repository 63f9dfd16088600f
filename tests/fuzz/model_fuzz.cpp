// SPDX-License-Identifier: Apache-2.0
// Any bytes are either a model file or a DataError; what is accepted can be searched.
#include <zlib.h>

#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include "corpus.hpp"
#include "partita/base/error.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/text/ngram.hpp"

namespace {

/// The bytes with a correct length and checksum: a wrong checksum would hide everything else from
/// the fuzzer.
std::string resealed(std::string bytes) {
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

void use(std::string_view bytes) {
  try {
    const auto model = partita::NgramModel::parse(bytes, "fuzz.model");
    partita::SearchOptions options;
    options.max_length = 6;
    for (const auto& sequence :
         partita::stochastic_beam_search(model, {}, 3, {}, options).sequences) {
      if (std::isnan(sequence.log_prob) || sequence.log_prob > 1e-6) std::abort();
      (void)model.units().decode(sequence.tokens);
    }
  } catch (const partita::DataError& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  using partita::UnitKind;
  const auto model = [](const std::vector<std::string>& lines, int order,
                        UnitKind units = UnitKind::character) {
    return partita::train_ngram(partita::TextUnits::learn(units, lines), lines, {.order = order})
        .serialize();
  };
  partita::testing::use_corpus(
      *argc, *argv, PARTITA_CORPUS,
      {model({"a"}, 1), model({"ab", "ba"}, 2), model({"one", "two", "th\xC3\xA9"}, 3),
       model({"singing", "ringing"}, 6), model({"the old whale", "the sea"}, 3, UnitKind::word)});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  use(bytes);
  use(resealed(bytes));
  return 0;
}
