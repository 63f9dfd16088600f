// SPDX-License-Identifier: Apache-2.0
// Any bytes are either a .npy file or a DataError; what is accepted lies inside the file.
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "corpus.hpp"
#include "partita/base/error.hpp"
#include "partita/io/npy.hpp"

namespace {

std::string npy(char version, std::string_view dictionary, std::size_t data_bytes) {
  std::string bytes = "\x93NUMPY";
  bytes += {version, '\0', static_cast<char>(dictionary.size()), '\0'};
  if (version > 1) bytes += {'\0', '\0'};
  return bytes.append(dictionary) + std::string(data_bytes, '\0');
}

}  // namespace

extern "C" int LLVMFuzzerInitialize(int* argc, char*** argv) {
  partita::testing::use_corpus(
      *argc, *argv, PARTITA_CORPUS,
      {npy(1, "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }\n", 48),
       npy(2, "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }\n", 16),
       npy(3, "{'descr': '<f2', 'fortran_order': True, 'shape': (1, 4), }\n", 8),
       npy(1, "{'descr': '>i8', 'fortran_order': True, 'shape': (1, 2, 4), }\n", 64),
       npy(1, "{'descr': [('a', '|b1')], 'fortran_order': False, 'shape': (), }\n", 1)});
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  try {
    const partita::ArrayView array = partita::parse_npy_array("fuzz.npy", bytes);
    const partita::Rows rows = array.rows();
    const std::size_t element = partita::element_size(rows.dtype());
    if (rows.rows() == 0 || rows.columns() == 0 || array.bytes.size() > size ||
        rows.rows() * rows.columns() * element != array.bytes.size()) {
      std::abort();
    }
  } catch (const partita::DataError& error) {
    if (std::string_view(error.what()).find('\n') != std::string_view::npos) std::abort();
  }
  return 0;
}
