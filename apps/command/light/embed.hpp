// The commands of `partita embed`, each in a file of its own.
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_embed_train(CLI::App& embed);
void add_embed_eval(CLI::App& embed);
void add_embed_nearest(CLI::App& embed);
void add_embed_map(CLI::App& embed);

}  // namespace partita::app
