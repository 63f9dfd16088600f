// SPDX-License-Identifier: Apache-2.0
// The processes that a command was started in, by `partita launch`, torchrun, mpirun or srun.
#pragma once

#include <memory>

#include "partita/base/group.hpp"

namespace partita::app {

/// As the environment says; a group of one if it speaks of none. From here on only rank 0 speaks
/// (terminal.hpp), and it alone is to write files. partita, which knows no way to reach other
/// processes, becomes partita-learn here (see subcommands.hpp).
/// @throws Error if the processes do not meet; InvalidArgument if they do not have the same command
///         line and version.
std::shared_ptr<Group> command_group();

}  // namespace partita::app
