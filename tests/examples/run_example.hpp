// SPDX-License-Identifier: Apache-2.0
// Runs an example and returns what it printed.
#pragma once

#include <string>

namespace partita::testing {

/// Standard output of EXAMPLE with at most one argument. @throws std::runtime_error if it fails.
std::string run_example(const std::string& argument = {});

}  // namespace partita::testing
