// SPDX-License-Identifier: Apache-2.0
// The processes that a command was started in, by `partita launch`, torchrun, mpirun or srun.
#pragma once

#include <memory>

#include "partita/base/group.hpp"

namespace partita::app {

/// As the environment says; a group of one if it speaks of none. partita, which knows no way to
/// reach other processes, becomes partita-learn here (see subcommands.hpp).
std::shared_ptr<Group> command_group();

}  // namespace partita::app
