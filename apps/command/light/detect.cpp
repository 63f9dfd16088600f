// SPDX-License-Identifier: Apache-2.0
// partita detect: known inputs and unknown ones.
#include "apps/command/light/detect.hpp"

#include "apps/command/subcommands.hpp"

namespace partita::app {

void add_detect(CLI::App& app) {
  auto* command = app.add_subcommand("detect", "Tell inputs like the training data from others");
  command->require_subcommand(1);
  add_detect_evaluate(*command);
  add_detect_compare(*command);
  add_detect_fuse(*command);
  add_detect_threshold(*command);
  add_detect_apply(*command);
}

}  // namespace partita::app
