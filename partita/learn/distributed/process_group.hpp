// SPDX-License-Identifier: Apache-2.0
// The group of processes that this one was started in, on c10d with Gloo, which libtorch brings:
// messages over TCP between processes of one machine or many.
//
//   const auto group = partita::process_group();          // as the environment says, or alone
//   const partita::SplitColumns columns(250'000, *group);
//
// A rank that dies ends the others' pending calls with an Error that names it, within seconds.
#pragma once

#include <chrono>
#include <memory>

#include "partita/base/group.hpp"
#include "partita/base/process_rank.hpp"

namespace partita {

struct ProcessGroupOptions {
  std::chrono::seconds start_timeout{60};  ///< for all ranks to come
  std::chrono::seconds timeout{600};       ///< of a message
};

/// Meets the others. They must all call it.
/// @throws Error naming the ranks that have not come in time, two processes that claim one rank, or
///         a different number of processes on another rank.
std::shared_ptr<Group> process_group(const ProcessRank& self,
                                     const ProcessGroupOptions& options = {});

/// As the environment says; a group of one if it speaks of none.
std::shared_ptr<Group> process_group(const ProcessGroupOptions& options = {});

}  // namespace partita
