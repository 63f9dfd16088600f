// SPDX-License-Identifier: Apache-2.0
// A value of somebody's JSON, for a message.
#pragma once

#include <string>

namespace partita {

/// "a list", "an object", or the value as JSON, of which a long string's beginning. (A list may be
/// longer than a line, and deeper than the stack.)
template <class Json>
std::string shown(const Json& value) {
  if (value.is_array()) return "a list";
  if (value.is_object()) return "an object";
  constexpr std::size_t kLongest = 60;
  std::string text = value.dump();
  if (text.size() > kLongest) {
    std::size_t end = kLongest;
    while ((static_cast<unsigned char>(text[end]) & 0xC0U) == 0x80U) --end;  // within a character
    text.resize(end);
    text += "...";
  }
  return text;
}

}  // namespace partita
