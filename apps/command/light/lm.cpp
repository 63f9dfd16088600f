// SPDX-License-Identifier: Apache-2.0
// partita lm: language models from a text file.
#include "apps/command/light/lm_evaluate.hpp"
#include "apps/command/light/lm_train.hpp"
#include "apps/command/subcommands.hpp"

namespace partita::app {

void add_lm(CLI::App& app) {
  auto* command = app.add_subcommand("lm", "Language models");
  command->require_subcommand(1);
  add_lm_train(*command);
  add_lm_evaluate(*command);
}

}  // namespace partita::app
