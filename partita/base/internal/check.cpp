// SPDX-License-Identifier: Apache-2.0
#include "partita/base/internal/check.hpp"

#include <fmt/format.h>

#include "partita/base/error.hpp"

namespace partita {

void refuse(std::string_view argument, Integer got, std::string_view range, Integer first,
            Integer second, std::string_view what) {
  const std::string numbers = fmt::format(fmt::runtime(range), first.text(), second.text());
  const std::string counted = what.empty() ? "" : fmt::format(" ({})", what);
  throw InvalidArgument(argument,
                        fmt::format("expected {}{}, got {}", numbers, counted, got.text()));
}

void refuse(std::string_view argument, double got, RealInterval range) {
  throw InvalidArgument(argument,
                        fmt::format("expected a number in {}, got {}", range.text(), got));
}

}  // namespace partita
