// SPDX-License-Identifier: Apache-2.0
// Which process of a group this one is, by its environment: that of torchrun and `partita launch`
// (RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT), of mpirun (OMPI_COMM_WORLD_RANK,
// OMPI_COMM_WORLD_SIZE) or of Slurm's srun (SLURM_PROCID, SLURM_STEP_NUM_TASKS); the last two need
// MASTER_ADDR and MASTER_PORT beside them: a machine that all reach, and a free port there.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

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

}  // namespace partita
