// SPDX-License-Identifier: Apache-2.0
// Regular expressions that a text must match as a whole, and what may still become one that does:
// PCRE2's partial matching.
#pragma once

#include <memory>
#include <string>
#include <string_view>

namespace partita::app {

/// Immutable; copies share the compiled expression.
class Pattern {
 public:
  /// @throws InvalidArgument naming `option`, with PCRE2's message and the place.
  Pattern(const std::string& option, const std::string& expression);

  /// Whether the text matches if it is complete, or else may be the beginning of one that does. A
  /// character that is not complete yet is left out.
  bool allows(std::string_view text, bool complete) const;

 private:
  struct Compiled;
  std::shared_ptr<const Compiled> compiled_;
};

}  // namespace partita::app
