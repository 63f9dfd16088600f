// SPDX-License-Identifier: Apache-2.0
// Any text is either a threshold of `partita detect` or a DataError; what is accepted is written as
// it was read.
#include "apps/command/light/detect_threshold.hpp"

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  may_refuse([&] {
    const std::string path = file_of("threshold.json", text_of(data, size));
    const std::string json = app::to_json(app::read_threshold(path)).dump();
    require(app::to_json(app::read_threshold(file_of("again.json", json))).dump() == json);
  });
  return 0;
}
