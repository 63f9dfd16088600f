// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/run_facts.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <zlib.h>

#include <algorithm>
#include <optional>

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

std::string RunFacts::difference_from(const RunFacts& saved) const {
  std::vector<std::string> differences;
  for (const auto& [name, value] : facts_) {
    const std::string old = value_of(saved.facts_, name).value_or("none");
    if (old != value) differences.push_back(fmt::format("{} was {}, now {}", name, old, value));
  }
  for (const auto& [name, value] : saved.facts_) {
    if (value_of(facts_, name)) continue;
    differences.push_back(fmt::format("{} was {}, now none", name, value));
  }
  if (differences.empty() && facts_ != saved.facts_) return "its facts have another order";
  return fmt::format("{}", fmt::join(differences, "; "));
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
