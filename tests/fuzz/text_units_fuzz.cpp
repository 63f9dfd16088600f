// SPDX-License-Identifier: Apache-2.0
// Any bytes are either lines of text or a DataError; the lines are what characters and words that
// were learned from them encode.
#include "partita/text/text_units.hpp"

#include <string>

#include "partita/io/text.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = text_of(data, size);
  require(!find_invalid_utf8(repair_utf8(bytes, "\xEF\xBF\xBD")));
  may_refuse([&] { require(encode_utf8(decode_utf8(bytes)) == bytes); });
  const std::string path = file_of("fuzz.txt", bytes);
  may_refuse([&] {
    const TextLines text = read_lines(path);
    require(!text.lines.empty() && text.lines.size() == text.line_number.size());
    for (const UnitKind kind : {UnitKind::character, UnitKind::word}) {
      const TextUnits units = TextUnits::learn(kind, text.lines);
      for (const std::string& line : text.lines) {
        const Sequence tokens = units.encode(line);
        const std::string decoded = units.decode(tokens);
        require(units.encode(decoded) == tokens);
        if (kind == UnitKind::character) require(decoded == line);
      }
    }
  });
  return 0;
}
