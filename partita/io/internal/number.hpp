// SPDX-License-Identifier: Apache-2.0
// Numbers in text. Not installed.
#pragma once

#include <algorithm>
#include <charconv>
#include <concepts>
#include <cstddef>
#include <limits>
#include <optional>
#include <string_view>
#include <system_error>

namespace partita {

/// Whether a decimal number that is out of range is too large; else it is too small.
inline bool is_too_large(std::string_view text) {
  const std::size_t e = std::min(text.find_first_of("eE"), text.size());
  int exponent = 0;
  if (e < text.size()) {
    const bool plus = text.substr(e + 1).starts_with('+');
    const auto parsed =
        std::from_chars(text.data() + e + 1 + (plus ? 1 : 0), text.data() + text.size(), exponent);
    if (parsed.ec == std::errc::result_out_of_range) return text[e + 1] != '-';
  }
  const std::string_view digits = text.substr(0, e);
  const std::size_t point = std::min(digits.find('.'), digits.size());
  const std::size_t first = std::min(digits.find_first_not_of("-0."), digits.size());
  // 10^exponent times a number with its first digit at 10^(point - first), or so.
  return static_cast<double>(exponent) + static_cast<double>(point) - static_cast<double>(first) >
         0;
}

/// The number that the text is, as Python's float() reads it: inf and nan are numbers, one beyond
/// the range of T is infinite, one that is too small is 0. Nothing if the text is anything else.
template <std::floating_point T>
std::optional<T> parse_number(std::string_view text) {
  if (text.starts_with('+') && !text.starts_with("+-")) text.remove_prefix(1);
  T value = 0;
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (stop != end || error == std::errc::invalid_argument) return std::nullopt;
  if (error == std::errc{}) return value;
  const T size = is_too_large(text) ? std::numeric_limits<T>::infinity() : T(0);
  return text.starts_with('-') ? -size : size;
}

}  // namespace partita
