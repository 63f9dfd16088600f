// SPDX-License-Identifier: Apache-2.0
#include "apps/report/numbers.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

namespace partita::app {

std::string grouped(std::uint64_t value) {
  std::string out = fmt::to_string(value);
  for (std::size_t i = out.size(); i > 3; i -= 3) out.insert(i - 3, 1, ',');
  return out;
}

std::string counted(std::uint64_t count, std::string_view one, std::string_view several) {
  if (count == 1) return fmt::format("1 {}", one);
  return several.empty() ? fmt::format("{} {}s", grouped(count), one)
                         : fmt::format("{} {}", grouped(count), several);
}

std::string rounded_rate(double rate) {
  constexpr double kMany = 10;
  return rate < kMany ? fmt::format("{:.2g}", rate)
                      : grouped(static_cast<std::uint64_t>(std::llround(rate)));
}

std::string with_error(double value, double error) {
  const int digits =
      error > 0 ? std::clamp(static_cast<int>(std::ceil(-std::log10(error))) + 1, 0, 8) : 4;
  return fmt::format("{:.{}f} ± {:.{}f}", value, digits, error, digits);
}

}  // namespace partita::app
