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

std::string with_error(double value, double error) {
  const int digits =
      error > 0 ? std::clamp(static_cast<int>(std::ceil(-std::log10(error))) + 1, 0, 8) : 4;
  return fmt::format("{:.{}f} ± {:.{}f}", value, digits, error, digits);
}

}  // namespace partita::app
