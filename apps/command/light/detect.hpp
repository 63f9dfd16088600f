// SPDX-License-Identifier: Apache-2.0
// The subcommands of `partita detect`.
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_detect_evaluate(CLI::App& app);
void add_detect_compare(CLI::App& app);
void add_detect_threshold(CLI::App& app);
void add_detect_apply(CLI::App& app);
void add_detect_fuse(CLI::App& app);

}  // namespace partita::app
