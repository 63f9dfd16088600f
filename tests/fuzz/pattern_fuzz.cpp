// SPDX-License-Identifier: Apache-2.0
// Any expression is either a pattern or an InvalidArgument; a text that it matches as a whole is
// UTF-8, and all beginnings of it, cut in characters as well, may still become it.
#include "apps/command/light/pattern.hpp"

#include "partita/io/text.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  Input input(data, size);
  const std::string text(input.text(32));
  const std::string expression(input.rest());
  try {
    const app::Pattern pattern("--matching", expression);
    if (!pattern.allows(text, true)) return 0;
    require(!find_invalid_utf8(text));
    for (std::size_t length = 0; length <= text.size(); ++length) {
      require(pattern.allows(std::string_view(text).substr(0, length), false));
    }
  } catch (const Error&) {  // of as many lines as the expression has
  }
  return 0;
}
