// SPDX-License-Identifier: Apache-2.0
// Any bytes are either a .npy file or a DataError; what is accepted lies inside the file.
#include "partita/io/npy.hpp"

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  may_refuse([&] {
    const ArrayView array = parse_npy_array("fuzz.npy", text_of(data, size));
    require(array.bytes.size() <= size);
    may_refuse([&] { require(!array.integers().empty()); });
    const Rows rows = array.rows();
    require(rows.rows() > 0 && rows.columns() > 0);
    require(rows.rows() * rows.columns() * element_size(rows.dtype()) == array.bytes.size());
  });
  return 0;
}
