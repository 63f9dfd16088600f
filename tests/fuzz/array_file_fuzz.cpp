// SPDX-License-Identifier: Apache-2.0
// Any bytes in a file of any extension, or of none, are either labels and rows or a DataError; also
// gzipped, and behind the name of an array.
#include "partita/io/array_file.hpp"

#include <cmath>

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  static constexpr const char* kNames[] = {"a.npy",    "a.npz",    "a.safetensors",  "a.csv",
                                           "a",        "a.npy.gz", "a.npz.gz",       "a.csv.gz",
                                           "a.npz:xy", "a.npz:",   "a.safetensors:x"};
  const std::string name = kNames[data[0] % std::size(kNames)];
  const std::string path = file_of(name.substr(0, name.find(':')), text_of(data + 1, size - 1));
  const std::string location = path.substr(0, path.rfind('/') + 1) + name;
  may_refuse([&] {
    const ArrayFile file(location);
    may_refuse([&] { require(!file.integers().empty()); });
    may_refuse([&] { require(file.rows().rows() * file.rows().columns() > 0); });
    may_refuse([&] { require(file.rows(OneDimension::row).columns() > 0); });
  });
  return 0;
}
