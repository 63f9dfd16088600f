// SPDX-License-Identifier: Apache-2.0
// A run of a command with a fault in it (see shim.c).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "command.hpp"

namespace partita::testing {

enum class FaultKind : std::uint8_t {
  signal_at_call,  ///< SIGKILL, SIGTERM or SIGINT before a call that changes files
  signal_at_time,
  fail,          ///< one call fails with an error
  full,          ///< the disk is full after some bytes
  short_writes,  ///< writes take a part of their bytes, or are interrupted
  revoke,        ///< the folder of outputs is gone
};
inline constexpr int kFaultKinds = 6;

struct Fault {
  FaultKind kind;
  std::uint64_t at = 0;     ///< the call, from 1; the byte; microseconds; or a seed
  int what = 0;             ///< the signal, or the error
  std::string folder = {};  ///< to revoke

  /// As in the variable PARTITA_FAULT; for messages.
  std::string text() const;
};

struct Faulted {
  Outcome outcome;
  std::uint64_t calls = 0;  ///< that changed files
  std::uint64_t bytes = 0;  ///< written to files
  bool fired = false;       ///< whether the fault came before the end; unknown of signal_at_time
};

/// Runs partita with these arguments.
Faulted run_with(const Fault& fault, const std::vector<std::string>& arguments);

/// Runs it without a fault, and counts.
Faulted run_counted(const std::vector<std::string>& arguments);

}  // namespace partita::testing
