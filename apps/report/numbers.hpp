// Numbers formatted for people.
#pragma once

#include <cstdint>
#include <string>

namespace partita::app {

/// 1234567 as "1,234,567".
std::string grouped(std::uint64_t value);

/// "1.23 ± 0.04", with as many digits as the error deserves.
std::string with_error(double value, double error);

}  // namespace partita::app
