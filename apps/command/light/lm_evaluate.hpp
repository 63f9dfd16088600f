// SPDX-License-Identifier: Apache-2.0
// partita lm evaluate.
#pragma once

#include <CLI/CLI.hpp>

namespace partita::app {

void add_lm_evaluate(CLI::App& app);

}  // namespace partita::app
