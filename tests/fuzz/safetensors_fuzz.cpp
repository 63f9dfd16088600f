// SPDX-License-Identifier: Apache-2.0
// Any bytes are either a .safetensors file or a DataError: as they come, and behind a right length
// of the header, which is all up to the first NUL.
#include "partita/io/safetensors.hpp"

#include <string>

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

void use(std::string_view bytes) {
  const std::string path = file_of("fuzz.safetensors", bytes);
  may_refuse([&] {
    const SafetensorsFile file(path);
    for (const std::string& name : file.names()) {
      may_refuse([&] {
        const ArrayView tensor = file.tensor(name);
        require(tensor.bytes.size() <= bytes.size());
        may_refuse([&] { (void)tensor.rows(); });
        may_refuse([&] { (void)tensor.integers(); });
      });
    }
  });
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = text_of(data, size);
  use(bytes);
  if (size < 8) return 0;
  const std::string_view rest = bytes.substr(8);
  const std::uint64_t header = std::min(rest.find('\0'), rest.size());
  use(std::string(reinterpret_cast<const char*>(&header), sizeof header).append(rest));
  return 0;
}
