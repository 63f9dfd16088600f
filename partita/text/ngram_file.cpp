// SPDX-License-Identifier: Apache-2.0
// The file of an n-gram model: an archive (io/archive.hpp) of kind "ngram" with the units, the
// order and the arrays of NgramTable in their order.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/text/internal/ngram_table.hpp"
#include "partita/text/ngram.hpp"

namespace partita {
namespace {

constexpr std::string_view kKind = "ngram";
constexpr std::uint32_t kVersion = 2;  // 1 held characters, without units

ArchiveWriter write(const TextUnits& units, const NgramTable& table) {
  ArchiveWriter out(kKind, kVersion);
  units.write(out);
  out.u32(table.order);
  out.array(table.symbol);
  out.array(table.child_begin);
  out.array(table.entry_begin);
  out.array(table.token);
  out.array(table.count);
  return out;
}

/// Begins of parts of an array of `size`: from `first` up, each part of `least` elements or more.
bool divides(const std::vector<std::uint32_t>& begins, std::size_t first, std::size_t size,
             std::uint32_t least) {
  if (begins.front() != first || begins.back() != size) return false;
  return std::adjacent_find(begins.begin(), begins.end(), [&](std::uint32_t a, std::uint32_t b) {
           return b < a || b - a < least;
         }) == begins.end();
}

bool ascends(std::span<const std::uint32_t> values) {
  return std::adjacent_find(values.begin(), values.end(), std::greater_equal<>()) == values.end();
}

/// What NgramTable's functions rely on. The checksum finds damage; this finds files that were made
/// wrong. Returns what is wrong, or nothing.
std::string_view fault(const NgramTable& t) {
  if (t.order < 1 || t.order > kMaxNgramOrder) return "impossible order";
  const std::size_t nodes = t.nodes();
  if (nodes == 0 || t.child_begin.size() != nodes + 1 || t.entry_begin.size() != nodes + 1 ||
      t.token.size() != t.count.size()) {
    return "arrays of different lengths";
  }
  if (!divides(t.child_begin, 1, nodes, 0) || !divides(t.entry_begin, 0, t.token.size(), 1)) {
    return "impossible ranges of children or counts";
  }
  if (std::any_of(t.count.begin(), t.count.end(), [](std::uint32_t c) { return c == 0; })) {
    return "a count of 0";
  }
  const auto entries = [&](std::size_t n) {
    return std::span(t.token).subspan(t.entry_begin[n], t.entry_begin[n + 1] - t.entry_begin[n]);
  };
  for (std::size_t n = 0; n < nodes; ++n) {
    if (!ascends(entries(n)) || entries(n).back() >= t.vocabulary) {
      return "tokens out of order or range";
    }
    const auto children =
        std::span(t.symbol).subspan(t.child_begin[n], t.child_begin[n + 1] - t.child_begin[n]);
    if (children.empty()) continue;
    if (t.child_begin[n] <= n) return "a context that is its own";
    if (!ascends(children) || children.back() > t.begin()) return "contexts out of order or range";
    for (std::size_t child = t.child_begin[n]; child < t.child_begin[n + 1]; ++child) {
      if (!std::includes(entries(n).begin(), entries(n).end(), entries(child).begin(),
                         entries(child).end())) {
        return "a context was followed by what its end was not";
      }
    }
  }
  return {};
}

/// @param name stands for the file in errors
NgramModel read(ArchiveReader in, const std::string& name) {
  if (in.version() < kVersion) {
    throw DataError(name, fmt::format("version {} of n-gram models, expected {}: train it again",
                                      in.version(), kVersion));
  }
  TextUnits units = TextUnits::read(in);
  auto table = std::make_shared<NgramTable>();
  table->vocabulary = static_cast<std::uint32_t>(units.size());
  table->end = static_cast<std::uint32_t>(units.end_token());
  table->order = in.u32();
  table->symbol = in.array<std::uint32_t>();
  table->child_begin = in.array<std::uint32_t>();
  table->entry_begin = in.array<std::uint32_t>();
  table->token = in.array<std::uint32_t>();
  table->count = in.array<std::uint32_t>();
  in.finish();
  if (const std::string_view why = fault(*table); !why.empty()) in.damaged(why);
  table->finish();
  return {std::move(units), std::move(table)};
}

}  // namespace

NgramModel NgramModel::load(const std::filesystem::path& path) {
  return read(ArchiveReader::open(path, kKind, kVersion), path.string());
}

NgramModel NgramModel::parse(std::string_view bytes, std::string_view name) {
  const std::string file(name);
  return read(ArchiveReader::from_bytes(file, bytes, kKind, kVersion), file);
}

void NgramModel::save(const std::filesystem::path& path) const {
  write(units_, *table_).save(path);
}

std::string NgramModel::serialize() const { return write(units_, *table_).bytes(); }

}  // namespace partita
