// SPDX-License-Identifier: Apache-2.0
// partita openset score
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_openset_score(CLI::App& openset);

}  // namespace partita::app
