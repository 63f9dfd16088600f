// SPDX-License-Identifier: Apache-2.0
// Bash completion.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

namespace partita::app {

/// A script that completes commands, options, values of options that take one of a few, and files.
std::string bash_completion(const CLI::App& app);

}  // namespace partita::app
