// SPDX-License-Identifier: Apache-2.0
// Whole numbers from somebody's JSON, whose own conversions round 1.5 and wrap what does not fit.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <limits>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "apps/command/terminal.hpp"
#include "apps/report/shown.hpp"
#include "partita/base/error.hpp"

namespace partita::app {

/// @throws InvalidArgument of this name if the value is another, or does not fit into T
template <class T>
T whole_number(const Json& value, const std::string& name = "") {
  if (value.is_number_unsigned()) {
    const auto number = value.get<std::uint64_t>();
    if (std::in_range<T>(number)) return static_cast<T>(number);
  } else if (value.is_number_integer()) {
    const auto number = value.get<std::int64_t>();
    if (std::in_range<T>(number)) return static_cast<T>(number);
  }
  std::string fitting;
  if (value.is_number()) {
    constexpr std::int64_t kLeast = std::numeric_limits<T>::min();
    fitting = std::is_unsigned_v<T>
                  ? " of 0 or more"
                  : fmt::format(" of {}..{}", kLeast, std::numeric_limits<T>::max());
  }
  throw InvalidArgument(name,
                        fmt::format("expected a whole number{}, got {}", fitting, shown(value)));
}

/// A whole number where T is of them, else by JSON's own conversion.
template <class T>
T json_value(const Json& value, const std::string& name = "") {
  if constexpr (std::is_integral_v<T> && !std::is_same_v<T, bool>) {
    return whole_number<T>(value, name);
  } else {
    return value.get<T>();
  }
}

/// The whole numbers of a list.
template <class T>
std::vector<T> whole_numbers(const Json& list, const std::string& name = "") {
  if (!list.is_array()) {
    throw InvalidArgument(name, fmt::format("expected a list, got {}", shown(list)));
  }
  std::vector<T> out;
  for (const Json& value : list) out.push_back(whole_number<T>(value, name));
  return out;
}

}  // namespace partita::app
