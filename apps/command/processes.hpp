// SPDX-License-Identifier: Apache-2.0
// The processes that a command was started in, by `partita launch`, torchrun, mpirun or srun.
#pragma once

#include <initializer_list>
#include <memory>
#include <string>

#include "partita/base/group.hpp"

namespace partita::app {

/// As the environment says; a group of one if it speaks of none. From here on only rank 0 speaks
/// (terminal.hpp), and it alone is to write files. partita, which knows no way to reach other
/// processes, becomes partita-learn here (see subcommands.hpp).
/// @throws Error if the processes do not meet; InvalidArgument if they do not have the same command
///         line and version.
std::shared_ptr<Group> command_group();

/// The same; ranks other than 0 forget the paths of what they would write.
inline std::shared_ptr<Group> command_group(std::initializer_list<std::string*> written) {
  auto group = command_group();
  if (group->rank() > 0) {
    for (std::string* path : written) path->clear();
  }
  return group;
}

}  // namespace partita::app
