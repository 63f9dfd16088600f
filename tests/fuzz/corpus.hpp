// SPDX-License-Identifier: Apache-2.0
// Where a fuzz target begins: with valid files, since random bytes never get past the first check.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "partita/io/file.hpp"

namespace partita::testing {

/// Writes the seeds to `directory` and, unless the command line names a corpus, adds it there. Call
/// it from LLVMFuzzerInitialize.
inline void use_corpus(int& argc, char**& argv, const std::string& directory,
                       const std::vector<std::string>& seeds) {
  for (int i = 1; i < argc; ++i) {
    if (argv[i][0] != '-') return;
  }
  std::filesystem::create_directories(directory);
  for (std::size_t i = 0; i < seeds.size(); ++i) {
    write_file(std::filesystem::path(directory) / ("seed" + std::to_string(i)), seeds[i]);
  }
  static std::string name = directory;
  static std::vector<char*> arguments(argv, argv + argc);
  arguments.push_back(name.data());
  arguments.push_back(nullptr);
  argv = arguments.data();
  ++argc;
}

}  // namespace partita::testing
