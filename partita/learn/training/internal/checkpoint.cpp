// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/internal/checkpoint.hpp"

#include <fmt/format.h>
#include <torch/serialize.h>

#include <sstream>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/io/archive.hpp"
#include "partita/learn/training/module_state.hpp"

namespace partita::training {
namespace {

constexpr const char* kKind = "checkpoint";
constexpr std::uint32_t kVersion = 2;  // 1 named a run in a sentence that left out much of it
constexpr const char* kSnapshotKind = "module";

std::string optimizer_state(const torch::optim::Optimizer& optimizer) {
  torch::serialize::OutputArchive archive;
  optimizer.save(archive);
  std::ostringstream bytes;
  archive.save_to(bytes);
  return std::move(bytes).str();
}

void read_optimizer_state(ArchiveReader& in, const Part& part) {
  const std::string stored = in.string();
  if (stored.empty() != (part.optimizer == nullptr)) {
    in.damaged(fmt::format("{}: {} optimizer", part.name, stored.empty() ? "no" : "an unexpected"));
  }
  if (stored.empty()) return;
  try {
    torch::serialize::InputArchive archive;
    archive.load_from(stored.data(), stored.size());
    part.optimizer->load(archive);
  } catch (const c10::Error&) {
    in.damaged(fmt::format("{}: the state is another optimizer's", part.name));
  }
}

void write_values(ArchiveWriter& out, const Values& values) {
  out.u64(values.size());
  for (const auto& [name, value] : values) {
    out.string(name);
    out.f64(value);
  }
}

Values read_values(ArchiveReader& in) {
  Values values;
  for (std::uint64_t left = in.u64(); left > 0; --left) {
    std::string name = in.string();
    values.emplace_back(std::move(name), in.f64());
  }
  return values;
}

}  // namespace

void write_facts(ArchiveWriter& out, const RunFacts& facts) {
  out.u64(facts.all().size());
  for (const auto& [name, value] : facts.all()) {
    out.string(name);
    out.string(value);
  }
}

RunFacts read_facts(ArchiveReader& in) {
  RunFacts facts;
  for (std::uint64_t left = in.u64(); left > 0; --left) {
    std::string name = in.string();
    facts.add(std::move(name), in.string());
  }
  return facts;
}

void save_checkpoint(const std::filesystem::path& path, const RunFacts& run, const LoopState& state,
                     std::span<const Part> parts) {
  ArchiveWriter out(kKind, kVersion);
  write_facts(out, run);
  out.u64(state.steps);
  out.f64(state.seconds);
  out.u8(state.stopped_early ? 1 : 0);
  out.u64(state.summed);
  write_values(out, state.sums);
  out.f64(state.least);
  out.u64(state.since_least);
  out.u64(state.best.size());
  for (const std::string& module : state.best) out.string(module);
  out.u64(state.history.size());
  for (const LogEntry& entry : state.history) {
    out.u64(entry.step);
    out.f64(entry.seconds);
    write_values(out, entry.values);
  }
  out.u64(parts.size());
  for (const Part& part : parts) {
    out.string(part.name);
    write_state(out, *part.module);
    out.string(part.optimizer == nullptr ? std::string() : optimizer_state(*part.optimizer));
  }
  out.save(path);
}

LoopState load_checkpoint(const std::filesystem::path& path, std::string_view bytes,
                          const RunFacts& run, std::span<const Part> parts) {
  ArchiveReader in = ArchiveReader::from_bytes(path.string(), bytes, kKind, kVersion);
  if (in.version() < kVersion) {
    throw DataError(
        path.string(),
        "is of an older version, which did not record all that makes a run: start again "
        "without it");
  }
  if (const std::string how = run.difference_from(read_facts(in)); !how.empty()) {
    throw DataError(path.string(), "is from another run: " + how);
  }
  LoopState state;
  state.steps = in.u64();
  state.seconds = in.f64();
  state.stopped_early = in.u8() != 0;
  state.summed = in.u64();
  state.sums = read_values(in);
  state.least = in.f64();
  state.since_least = in.u64();
  for (std::uint64_t left = in.u64(); left > 0; --left) state.best.push_back(in.string());
  for (std::uint64_t left = in.u64(); left > 0; --left) {
    const std::uint64_t step = in.u64();
    const double seconds = in.f64();
    state.history.push_back({step, seconds, read_values(in)});
  }
  if (const std::uint64_t count = in.u64(); count != parts.size()) {
    in.damaged(fmt::format("{} parts, expected {}", count, parts.size()));
  }
  if (!state.best.empty() && state.best.size() != parts.size()) {
    in.damaged(fmt::format("the best of {} parts, expected {}", state.best.size(), parts.size()));
  }
  for (const Part& part : parts) {
    if (const std::string name = in.string(); name != part.name) {
      in.damaged(fmt::format("part {}, expected {}", name, part.name));
    }
    read_state(in, *part.module);
    read_optimizer_state(in, part);
  }
  in.finish();
  return state;
}

std::vector<std::string> snapshot(std::span<const Part> parts) {
  std::vector<std::string> out;
  for (const Part& part : parts) {
    ArchiveWriter archive(kSnapshotKind, kVersion);
    write_state(archive, *part.module);
    out.push_back(archive.bytes());
  }
  return out;
}

void restore(const std::vector<std::string>& best, std::span<const Part> parts) {
  for (std::size_t i = 0; i < parts.size(); ++i) {
    ArchiveReader archive =
        ArchiveReader::from_bytes(parts[i].name, best[i], kSnapshotKind, kVersion);
    read_state(archive, *parts[i].module);
  }
}

}  // namespace partita::training
