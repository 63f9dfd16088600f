// SPDX-License-Identifier: Apache-2.0
// Any bytes are either images or a DataError: CIFAR's two records, and a .npz in its directory.
#include "partita/io/color_images.hpp"

#include <filesystem>

#include "target.hpp"

using namespace partita;
using namespace partita::testing;

namespace {

void check(const LabeledImages& images) {
  require(images.size() > 0);
  require(images.pixels.size() == images.size() * images.channels * images.rows * images.columns);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes = text_of(data, size);
  for (const std::size_t label_bytes : {1U, 2U}) {
    may_refuse([&] { check(parse_cifar("fuzz.bin", bytes, label_bytes)); });
  }
  const std::filesystem::path path = file_of("train.npz", bytes);
  may_refuse([&] { check(load_color_images(path.parent_path(), "train")); });
  return 0;
}
