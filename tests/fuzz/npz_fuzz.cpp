// SPDX-License-Identifier: Apache-2.0
// Any bytes are either a .npz file or a DataError: as they come, and as the members of an archive
// whose structure is right but for a few bytes.
#include "partita/io/npz.hpp"

#include <string>

#include "partita/io/npy.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

void use(std::string_view bytes) {
  const std::string path = file_of("fuzz.npz", bytes);
  may_refuse([&] {
    NpzFile file(path);
    for (const std::string& name : file.names()) {
      may_refuse([&] { (void)parse_npy_array(name, file.member(name)); });
    }
  });
}

template <class T>
void put(std::string& out, T value) {
  out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// One member's header: in its place, or in the directory.
void put_header(std::string& out, bool directory, std::uint16_t method, std::uint32_t crc,
                std::uint32_t size, std::string_view name, std::uint32_t at) {
  put<std::uint32_t>(out, directory ? 0x02014b50 : 0x04034b50);
  if (directory) put<std::uint16_t>(out, 20);
  for (const std::uint16_t field : {std::uint16_t{20}, std::uint16_t{0}, method}) put(out, field);
  put<std::uint32_t>(out, 0);  // date
  put(out, crc);
  put(out, size);
  put(out, size);
  put(out, static_cast<std::uint16_t>(name.size()));
  put<std::uint16_t>(out, 0);
  if (directory) {
    out.append(10, '\0');
    put(out, at);
  }
  out += name;
}

std::string archive(Input& input) {
  std::string out;
  std::string directory;
  const std::size_t members = 1 + input.below(3);
  for (std::size_t i = 0; i < members; ++i) {
    const std::string name = std::string(input.text(9)) + (input.flag() ? ".npy" : "");
    const std::string_view bytes = input.text();
    const auto crc = static_cast<std::uint32_t>(
        ::crc32_z(0, reinterpret_cast<const Bytef*>(bytes.data()), bytes.size()));
    const std::uint16_t method = input.flag() ? 8 : 0;
    const auto at = static_cast<std::uint32_t>(out.size());
    const auto size = static_cast<std::uint32_t>(bytes.size());
    put_header(out, false, method, crc, size, name, at);
    out += bytes;
    put_header(directory, true, method, crc, size, name, at);
  }
  const auto at = static_cast<std::uint32_t>(out.size());
  out += directory;
  put<std::uint32_t>(out, 0x06054b50);
  put<std::uint32_t>(out, 0);
  put(out, static_cast<std::uint16_t>(members));
  put(out, static_cast<std::uint16_t>(members));
  put(out, static_cast<std::uint32_t>(directory.size()));
  put(out, at);
  put<std::uint16_t>(out, 0);
  for (std::size_t wrong = input.below(4); wrong > 0; --wrong) {
    out[input.below(out.size())] = input.bits<char>();
  }
  return out;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  use(text_of(data, size));
  Input input(data, size);
  use(archive(input));
  return 0;
}
