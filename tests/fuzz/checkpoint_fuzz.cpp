// SPDX-License-Identifier: Apache-2.0
// Any bytes are either the checkpoint of a run or a DataError: as they come, and as a real
// checkpoint with other bytes in some places, with and without the checksums that it then needs.
// What is accepted trains on.
#include "partita/embedding/trainer.hpp"
#include "partita/io/file.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

/// The archive that follows its length, and stands before the weights.
std::string with_checksums(std::string bytes) {
  std::uint64_t length = 0;
  if (bytes.size() < sizeof length) return bytes;
  std::memcpy(&length, bytes.data(), sizeof length);
  if (length > bytes.size() - sizeof length || length < 40) return bytes;
  const std::size_t weights = sizeof length + static_cast<std::size_t>(length);
  const auto crc = static_cast<std::uint32_t>(
      ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()) + weights, bytes.size() - weights));
  std::memcpy(bytes.data() + weights - 8, &crc, sizeof crc);
  return bytes.replace(sizeof length, static_cast<std::size_t>(length),
                       resealed(bytes.substr(sizeof length, static_cast<std::size_t>(length))));
}

const Corpus& corpus() {
  static const Corpus kCorpus(file_of("corpus", "a b c a b a\nc b a\n"), {.min_count = 1});
  return kCorpus;
}

EmbeddingTrainer trainer() {
  return {corpus(), {.seed = 1}, {.dim = 2, .epochs = 2, .alpha = 0.025}};
}

std::string real_checkpoint() {
  const std::string path = file_of("real", "");
  trainer().train({.checkpoint = path, .checkpoint_seconds = 1e-9});
  return read_file(path);
}

void use(std::string_view bytes) {
  const std::string path = file_of("checkpoint", bytes);
  may_refuse([&] {
    EmbeddingTrainer resumed = trainer();
    resumed.resume(path);
    resumed.train({});
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  static const std::string kReal = real_checkpoint();
  use(text_of(data, size));
  std::string edited = kReal;
  Input input(data, size);
  if (input.below(8) == 0) edited.resize(input.below(edited.size()) + 1);
  while (!input.empty()) {
    const std::size_t place = input.below(edited.size());
    edited[place] = input.bits<char>();
  }
  use(edited);
  use(with_checksums(edited));
  return 0;
}
