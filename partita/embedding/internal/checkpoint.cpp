// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/checkpoint.hpp"

#include <fmt/format.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <string>
#include <string_view>

#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/io/file.hpp"

namespace partita {
namespace {

constexpr std::string_view kKind = "embedding";
constexpr std::uint32_t kVersion = 3;

/// What must be the same for a run to continue, by the names of the command's options.
struct Setting {
  std::string_view name;
  double value;
};

std::array<Setting, 12> settings(const Corpus& corpus, const EmbeddingOptions& options) {
  return {{{"the corpus' vocabulary", static_cast<double>(corpus.vocabulary().size())},
           {"the corpus' length", static_cast<double>(corpus.size())},
           {"the corpus' words", static_cast<double>(corpus.checksum())},
           {"model", static_cast<double>(options.model)},
           {"loss", static_cast<double>(options.loss)},
           {"dim", static_cast<double>(options.dim)},
           {"window", static_cast<double>(options.window)},
           {"negative", static_cast<double>(options.negative)},
           {"sample", options.sample},
           {"epochs", static_cast<double>(options.epochs)},
           {"alpha", *options.alpha},
           {"deterministic", options.deterministic ? 1.0 : 0.0}}};
}

/// The stream, likewise.
struct StreamNumber {
  std::string_view name;
  std::uint64_t value;
};

std::array<StreamNumber, 5> numbers(const Stream& stream) {
  return {{{"seed", stream.seed},
           {"stream id", stream.id},
           {"stream path", stream.path[0]},
           {"stream path", stream.path[1]},
           {"stream path", stream.path[2]}}};
}

template <class Value>
void check_same(const std::string& path, std::string_view name, Value found, Value value) {
  if (found == value) return;
  throw DataError(path, fmt::format("the checkpoint is from another run: {} was {}, now {}", name,
                                    found, value));
}

template <class Weights>
auto pieces(Weights& weights) {
  const auto bytes = [](auto&& floats) {
    using Char = std::conditional_t<std::is_const_v<Weights>, const char, char>;
    return std::span<Char>(reinterpret_cast<Char*>(floats.data()), floats.size() * sizeof(float));
  };
  return std::array{bytes(weights.inputs.elements()), bytes(weights.outputs.elements()),
                    bytes(weights.biases)};
}

template <class Pieces>
std::uint32_t checksum(const Pieces& all) {
  uLong crc = 0;
  for (const auto& piece : all) {
    crc = ::crc32_z(crc, reinterpret_cast<const Bytef*>(piece.data()), piece.size());
  }
  return static_cast<std::uint32_t>(crc);
}

}  // namespace

void save_checkpoint(const std::filesystem::path& path, const Corpus& corpus, const Stream& stream,
                     const EmbeddingOptions& options, const EmbeddingWeights& weights,
                     const TrainingPosition& position) {
  const auto all = pieces(weights);
  ArchiveWriter out(kKind, kVersion);
  for (const Setting& setting : settings(corpus, options)) out.f64(setting.value);
  for (const StreamNumber& number : numbers(stream)) out.u64(number.value);
  out.u64(position.next_chunk);
  out.u64(position.chunks);
  out.f64(position.loss.sum);
  out.u64(position.loss.predictions);
  out.u32(checksum(all));
  const std::string archive = out.bytes();
  const std::uint64_t length = archive.size();
  const auto view = [](const auto& piece) { return std::string_view(piece.data(), piece.size()); };
  write_file(path, {{reinterpret_cast<const char*>(&length), sizeof length},
                    archive,
                    view(all[0]),
                    view(all[1]),
                    view(all[2])});
}

TrainingPosition load_checkpoint(const std::filesystem::path& path, const Corpus& corpus,
                                 const Stream& stream, const EmbeddingOptions& options,
                                 EmbeddingWeights& weights) {
  const MappedFile file(path);
  std::string_view rest = file.bytes();
  const auto take = [&](std::uint64_t size) {
    if (size > rest.size()) throw DataError(path.string(), "not a checkpoint, or cut short");
    const std::string_view taken = rest.substr(0, static_cast<std::size_t>(size));
    rest.remove_prefix(taken.size());
    return taken;
  };
  std::uint64_t length = 0;
  std::memcpy(&length, take(sizeof length).data(), sizeof length);
  ArchiveReader in = ArchiveReader::from_bytes(path.string(), take(length), kKind, kVersion);
  for (const Setting& setting : settings(corpus, options)) {
    check_same(path.string(), setting.name, in.f64(), setting.value);
  }
  for (const StreamNumber& number : numbers(stream)) {
    check_same(path.string(), number.name, in.u64(), number.value);
  }
  TrainingPosition position;
  position.next_chunk = in.u64();
  position.chunks = in.u64();
  if (position.chunks == 0 || position.next_chunk > position.chunks) {
    in.damaged(fmt::format("position {} of {}", position.next_chunk, position.chunks));
  }
  position.loss.sum = in.f64();
  position.loss.predictions = in.u64();
  const std::uint32_t expected = in.u32();
  in.finish();
  const auto all = pieces(weights);
  std::array<std::string_view, 3> read;
  std::transform(all.begin(), all.end(), read.begin(),
                 [&](const auto& piece) { return take(piece.size()); });
  if (!rest.empty() || checksum(read) != expected) {
    throw DataError(path.string(), "damaged: the checksum does not match");
  }
  // Only now, so that a refused checkpoint changes nothing.
  for (std::size_t i = 0; i < all.size(); ++i) {
    std::memcpy(all[i].data(), read[i].data(), read[i].size());
  }
  return position;
}

void check_same_on_all_ranks(const Corpus& corpus, const Stream& stream,
                             const EmbeddingOptions& options, const TrainingPosition& position,
                             Group& group) {
  const auto check = [&](std::string_view name, const auto& value) {
    check_same(group, std::string(name).c_str(), fmt::to_string(value));
  };
  for (const Setting& setting : settings(corpus, options)) check(setting.name, setting.value);
  for (const StreamNumber& number : numbers(stream)) check(number.name, number.value);
  if (!options.deterministic) check("threads", options.threads);
  check("position to resume from", fmt::format("{} of {}", position.next_chunk, position.chunks));
}

}  // namespace partita
