// SPDX-License-Identifier: Apache-2.0
// The subcommands of `partita calibrate`.
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_calibrate_evaluate(CLI::App& app);
void add_calibrate_compare(CLI::App& app);
void add_calibrate_sets(CLI::App& app);
void add_calibrate_samples(CLI::App& app);

}  // namespace partita::app
