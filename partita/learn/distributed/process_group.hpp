// SPDX-License-Identifier: Apache-2.0
// The group of processes that this one was started in, on c10d with Gloo, which libtorch brings:
// messages over TCP between processes of one machine or many.
//
//   const auto group = partita::process_group();          // as the environment says, or alone
//   const partita::SplitColumns columns(250'000, *group);
//
// The environment is that of torchrun and `partita launch` (RANK, WORLD_SIZE, MASTER_ADDR,
// MASTER_PORT), of mpirun (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE) or of Slurm's srun
// (SLURM_PROCID, SLURM_STEP_NUM_TASKS); the last two need MASTER_ADDR and MASTER_PORT beside them:
// a machine that all reach, and a free port there.
//
// A rank that dies ends the others' pending calls with an Error that names it, within seconds.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "partita/base/group.hpp"

namespace partita {

/// Which process of how many this is, and where they meet.
struct ProcessRank {
  int rank = 0;
  int size = 1;
  std::string address;
  std::uint16_t port = 0;
};

/// What the environment says; nothing if it speaks of no group.
/// @throws InvalidArgument naming the variable that is missing or out of range.
std::optional<ProcessRank> process_rank();

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
