// SPDX-License-Identifier: Apache-2.0
// What the files of `partita vae` share.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace partita::app {

/// --data DIR, where "rendered" stands for images that are rendered.
void add_image_data(CLI::App& command, std::string& directory, const std::string& description);

void add_vae_evaluate(CLI::App& vae);
void add_vae_sample(CLI::App& vae);
void add_vae_reconstruct(CLI::App& vae);
void add_vae_traverse(CLI::App& vae);

}  // namespace partita::app
