// SPDX-License-Identifier: Apache-2.0
// Numbers formatted for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace partita::app {

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t value);

/// "1 row", "2,000 rows". @param several the plural; empty: with an s
std::string counted(std::uint64_t count, std::string_view one, std::string_view several = "");

/// How many in a second: "12,345", or "0.31" where there are few.
std::string rounded_rate(double rate);

/// "1.23 ± 0.04", with as many digits as the error deserves.
std::string with_error(double value, double error);

}  // namespace partita::app
