// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/run_facts.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/version.h>
#include <zlib.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/version.hpp"
#include "partita/io/archive.hpp"
#include "partita/learn/training/internal/checkpoint.hpp"

namespace partita::training {
namespace {

uLong crc_of(uLong crc, const void* bytes, std::size_t size) {
  return ::crc32_z(crc, static_cast<const Bytef*>(bytes), size);
}

std::optional<std::string> value_of(std::span<const RunFacts::Fact> facts,
                                    const std::string& name) {
  const auto found = std::find_if(facts.begin(), facts.end(),
                                  [&](const auto& fact) { return fact.first == name; });
  return found == facts.end() ? std::nullopt : std::optional(found->second);
}

constexpr const char* kFacts = "facts";  // an archive's kind

std::string packed(const RunFacts& facts) {
  ArchiveWriter out(kFacts, 1);
  write_facts(out, facts);
  return out.bytes();
}

RunFacts unpacked(std::string_view bytes) {
  ArchiveReader in = ArchiveReader::from_bytes("a rank's facts", bytes, kFacts, 1);
  return read_facts(in);
}

}  // namespace

RunFacts& RunFacts::add(std::string name, std::string value) {
  facts_.emplace_back(std::move(name), std::move(value));
  return *this;
}

RunFacts& RunFacts::add(std::string name, double value) {
  return add(std::move(name), fmt::to_string(value));
}

RunFacts& RunFacts::add(std::string name, const Stream& stream) {
  return add(std::move(name),
             fmt::format("{} {:x} {:x}", stream.seed, stream.id, fmt::join(stream.path, " ")));
}

RunFacts& RunFacts::add(const RunFacts& more) {
  facts_.insert(facts_.end(), more.facts_.begin(), more.facts_.end());
  return *this;
}

std::string RunFacts::difference_from(const RunFacts& others, std::string_view sentence) const {
  std::vector<std::string> differences;
  const auto say = [&](const std::string& name, const std::string& other, const std::string& own) {
    differences.push_back(fmt::format(fmt::runtime(sentence), name, other, own));
  };
  for (const auto& [name, value] : facts_) {
    const std::string other = value_of(others.facts_, name).value_or("none");
    if (other != value) say(name, other, value);
  }
  for (const auto& [name, value] : others.facts_) {
    if (!value_of(facts_, name)) say(name, value, "none");
  }
  if (differences.empty() && facts_ != others.facts_) return "its facts have another order";
  return fmt::format("{}", fmt::join(differences, "; "));
}

void check_same_on_all_ranks(const RunFacts& facts, Group& group) {
  if (group.size() == 1) return;
  RunFacts own{{"Partita", version()}, {"libtorch", TORCH_VERSION}};
  const std::vector<std::string> all = all_gather_bytes(packed(own.add(facts)), group);
  for (std::size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    const std::string sentence = "{} is {} on rank 0, {} on rank " + std::to_string(rank);
    throw InvalidArgument("ranks", unpacked(all[rank]).difference_from(unpacked(all[0]), sentence));
  }
}

std::string digest(const Tensor& tensor) {
  const Tensor here = tensor.detach().cpu().contiguous();
  const auto type = static_cast<int>(here.scalar_type());
  uLong crc = crc_of(0, &type, sizeof type);
  crc = crc_of(crc, here.sizes().data(), here.sizes().size() * sizeof(std::int64_t));
  crc = crc_of(crc, here.data_ptr(), here.nbytes());
  return fmt::format("{:08x} ({})", crc, fmt::join(here.sizes(), " x "));
}

std::string digest(std::span<const std::string> lines) {
  uLong crc = 0;
  for (const std::string& line : lines) {
    crc = crc_of(crc, line.data(), line.size());
    crc = crc_of(crc, "\n", 1);
  }
  return fmt::format("{:08x} ({} lines)", crc, lines.size());
}

}  // namespace partita::training
