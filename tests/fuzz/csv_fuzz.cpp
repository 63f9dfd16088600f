// SPDX-License-Identifier: Apache-2.0
// Any text is either a table of numbers or a DataError.
#include "partita/io/csv.hpp"

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  may_refuse([&] {
    const CsvTable table = parse_csv("fuzz.csv", text_of(data, size));
    require(table.rows > 0 && table.columns > 0);
    require(table.values.size() == table.rows * table.columns);
    require(table.line.size() == table.rows);
    require(table.line.back() <= size + 1);
  });
  return 0;
}
