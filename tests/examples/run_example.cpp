// SPDX-License-Identifier: Apache-2.0
#include "run_example.hpp"

#include <cstdio>
#include <memory>
#include <stdexcept>

namespace partita::testing {

std::string run_example(const std::string& argument) {
  const std::string arguments = argument.empty() ? "" : " '" + argument + "'";
  std::FILE* const pipe = ::popen(("'" EXAMPLE "'" + arguments).c_str(), "r");
  if (pipe == nullptr) throw std::runtime_error("cannot run " EXAMPLE);
  std::string printed;
  char buffer[4096];
  while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) {
    printed.append(buffer, got);
  }
  if (::pclose(pipe) != 0) throw std::runtime_error(EXAMPLE " failed: " + printed);
  return printed;
}

}  // namespace partita::testing
