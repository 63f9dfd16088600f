// SPDX-License-Identifier: Apache-2.0
// What `partita-learn` can do.
#include "apps/command/subcommands.hpp"

namespace partita::app {

void add_commands(CLI::App& app) {
  add_light_commands(app);
  add_learn_commands(app);
}

}  // namespace partita::app
