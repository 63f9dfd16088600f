// SPDX-License-Identifier: Apache-2.0
// Color images with classes: CIFAR's binary files, or arrays in a .npz (SVHN's, say).
//
//   partita::LabeledImages train = partita::load_color_images("cifar-10-batches-bin", "train");
//   train.image(0);       // 3 x 32 x 32 bytes: all of red, then green, then blue
//   train.labels[0];      // 0 to 9
//
// A directory holds the splits "train" and "test" in one of these forms:
//
//   data_batch_1.bin to data_batch_5.bin, test_batch.bin   CIFAR-10 (Krizhevsky 2009)
//   train.bin, test.bin                                    CIFAR-100; the fine labels are read
//   train.npz, test.npz                                    images, unsigned bytes [N, rows,
//   columns,
//                                                          3]; labels, integers [N], 0 to 255
//
// A record of CIFAR-10 is a byte for the class and 3072 for the image (32 x 32), one of CIFAR-100
// has a byte for the coarse class before it (https://www.cs.toronto.edu/~kriz/cifar.html).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string_view>

#include "partita/io/idx.hpp"

namespace partita {

/// Reads the contents of one of CIFAR's binary files; `name` is its path, for errors.
/// @param label_bytes of a record, the last of which is the class: 1 for CIFAR-10, 2 for CIFAR-100.
/// @throws DataError if the file is empty or ends within a record
LabeledImages parse_cifar(std::string_view name, std::string_view bytes, std::size_t label_bytes);

/// @param split "train" or "test"
/// @throws IoError if the directory has none of the forms, or a file of one is missing
/// @throws DataError if a file is damaged
LabeledImages load_color_images(const std::filesystem::path& directory, std::string_view split);

/// Whether a directory holds a split in one of the forms (by its first file).
bool has_color_images(const std::filesystem::path& directory, std::string_view split);

}  // namespace partita
