// SPDX-License-Identifier: Apache-2.0
// What the environment says. Not installed.
#pragma once

#include <cstdlib>
#include <optional>
#include <string>

namespace partita {

/// A variable's value; nothing if it is not set, or empty.
inline std::optional<std::string> environment(const char* name) {
  const char* const value = std::getenv(name);
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

}  // namespace partita
