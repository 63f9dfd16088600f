// What the files of `partita vae` share.
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_vae_evaluate(CLI::App& vae);
void add_vae_sample(CLI::App& vae);
void add_vae_reconstruct(CLI::App& vae);
void add_vae_traverse(CLI::App& vae);

}  // namespace partita::app
