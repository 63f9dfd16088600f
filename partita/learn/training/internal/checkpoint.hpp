// SPDX-License-Identifier: Apache-2.0
// The state of a training run in a file. Not installed: loop.hpp saves and resumes.
#pragma once

#include <cstdint>
#include <filesystem>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/io/archive.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::training {

/// What the loop knows besides its parts.
struct LoopState {
  std::uint64_t steps = 0;  // done
  double seconds = 0;
  bool stopped_early = false;
  std::uint64_t summed = 0;  // steps since the last entry, whose losses `sums` adds up
  Values sums = {};
  double least = std::numeric_limits<double>::infinity();  // the best evaluation
  std::uint64_t since_least = 0;                           // evaluations after it
  std::vector<std::string> best = {};  // the parts at that evaluation, as archives
  std::vector<LogEntry> history = {};
};

/// @throws IoError
void save_checkpoint(const std::filesystem::path& path, const RunFacts& run, const LoopState& state,
                     std::span<const Part> parts);

/// Reads it back into the parts. @param bytes of the file, which `path` names in errors
/// @throws DataError
LoopState load_checkpoint(const std::filesystem::path& path, std::string_view bytes,
                          const RunFacts& run, std::span<const Part> parts);

// A run's facts, as they lie in archives.
void write_facts(ArchiveWriter& out, const RunFacts& facts);
RunFacts read_facts(ArchiveReader& in);

/// The modules of the parts in memory, to go back to.
std::vector<std::string> snapshot(std::span<const Part> parts);
void restore(const std::vector<std::string>& best, std::span<const Part> parts);

}  // namespace partita::training
