// SPDX-License-Identifier: Apache-2.0
// The processes that a command was started in, by `partita launch`, torchrun, mpirun or srun.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <memory>
#include <string>

#include "partita/base/group.hpp"
#include "partita/base/internal/check.hpp"

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

/// Which rows of a file that all processes read are this one's: consecutive ones.
struct OwnRows {
  std::size_t first;
  std::size_t count;
};

/// @throws InvalidArgument if there are fewer rows than processes
inline OwnRows own_rows(std::size_t rows, const Group& group) {
  const auto size = static_cast<std::size_t>(group.size());
  const auto rank = static_cast<std::size_t>(group.rank());
  check_at_least("rows", rows, size, "one for each process");
  const std::size_t first = rows * rank / size;
  return {first, rows * (rank + 1) / size - first};
}

}  // namespace partita::app
