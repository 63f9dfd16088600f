// SPDX-License-Identifier: Apache-2.0
// Every command that writes files, in a form that takes a second.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace partita::testing {

using Words = std::vector<std::string>;

struct Writer {
  Words command;
  std::vector<std::string> outputs;  ///< names in the folder of outputs
  std::string log = {};              ///< JSON lines, written as the command goes
  bool goes_on = false;              ///< from a checkpoint, when it is started again
};

/// Makes the inputs in a folder, and the commands that read them there and write to `out`.
std::vector<Writer> make_writers(const std::filesystem::path& in, const std::filesystem::path& out);

}  // namespace partita::testing
