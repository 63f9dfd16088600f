// SPDX-License-Identifier: Apache-2.0
// What `partita-learn` can do.
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "partita/learn/distributed/process_group.hpp"

namespace partita::app {

std::shared_ptr<Group> command_group() {
  std::shared_ptr<Group> group = process_group();
  check_same(*group, "version", PARTITA_VERSION);
  check_same(*group, "command line", command_line());
  if (group->rank() > 0) be_silent();
  return group;
}

void add_commands(CLI::App& app) {
  add_light_commands(app);
  add_learn_commands(app);
}

}  // namespace partita::app
