// The subcommands of `partita`. Each adds itself to the command line, in a file of its own.
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_sample(CLI::App& app);
void add_lm(CLI::App& app);
void add_generate(CLI::App& app);
void add_demo(CLI::App& app);
void add_gradients(CLI::App& app);  // built with PARTITA_LEARN

}  // namespace partita::app
