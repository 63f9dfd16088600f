// SPDX-License-Identifier: Apache-2.0
// gnuplot as a child process.
#pragma once

#include <string>
#include <string_view>

namespace partita {

/// Runs `gnuplot` (found in PATH, no shell) on a script and returns what it prints.
/// @throws IoError if it is not installed, or with its first complaint if it fails
std::string run_gnuplot(std::string_view script);

}  // namespace partita
