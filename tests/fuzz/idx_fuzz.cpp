// SPDX-License-Identifier: Apache-2.0
// Any bytes are either an IDX file, gzipped or not, or a DataError.
#include "partita/io/idx.hpp"

#include <functional>
#include <numeric>

#include "partita/io/gzip.hpp"
#include "target.hpp"

using namespace partita;
using namespace partita::testing;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  may_refuse([&] {
    std::string bytes(text_of(data, size));
    if (is_gzip(bytes)) bytes = gunzip("fuzz", bytes);
    const IdxArray array = parse_idx("fuzz", bytes);
    require(array.bytes.size() == std::accumulate(array.shape.begin(), array.shape.end(),
                                                  std::size_t{1}, std::multiplies<>()));
  });
  return 0;
}
