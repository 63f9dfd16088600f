// SPDX-License-Identifier: Apache-2.0
#include "apps/command/processes.hpp"

#include "apps/command/terminal.hpp"
#include "partita/base/version.hpp"
#include "partita/learn/distributed/process_group.hpp"

namespace partita::app {

std::shared_ptr<Group> command_group() {
  std::shared_ptr<Group> group = process_group();
  check_same(*group, "version", version());
  check_same(*group, "command line", command_line());
  if (group->rank() > 0) be_silent();
  return group;
}

}  // namespace partita::app
