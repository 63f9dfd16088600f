// SPDX-License-Identifier: Apache-2.0
// IDX, the format of MNIST and of its successors: arrays of bytes, gzipped or not.
//
//   partita::LabeledImages train = partita::load_labeled_images("mnist", "train");
//   std::span<const std::uint8_t> first = train.image(0);     // rows * columns pixels, 0 to 255
//   int label = train.labels[0];
//
//   partita::IdxArray any = partita::load_idx("images-idx3-ubyte.gz");   // any.shape, any.bytes
//
// The format (http://yann.lecun.com/exdb/mnist): two zero bytes, the element type (8: unsigned
// bytes), the number of dimensions, each dimension as a big-endian 32-bit number, the elements in
// row-major order.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace partita {

/// An array of unsigned bytes.
struct IdxArray {
  std::vector<std::size_t> shape;   ///< 1 to 8 dimensions, each at least 1
  std::vector<std::uint8_t> bytes;  ///< in row-major order
};

/// Reads the contents of an uncompressed IDX file; `name` is its path, for errors.
/// @throws DataError, with the offset: empty, cut short, bytes after the data, another format,
///         elements that are not unsigned bytes, a dimension of 0
IdxArray parse_idx(std::string_view name, std::string_view bytes);

/// The same from a file, which may be gzipped.
/// @throws IoError, DataError
IdxArray load_idx(const std::filesystem::path& path);

/// Writes an uncompressed IDX file; see write_file.
/// @throws InvalidArgument unless bytes.size() is the product of a shape that parse_idx can read
/// @throws IoError
void save_idx(const std::filesystem::path& path, const IdxArray& array);

/// Images of one size, each with a class.
struct LabeledImages {
  std::size_t rows = 0;
  std::size_t columns = 0;
  std::size_t channels = 1;               ///< 1, gray; or 3, red, green and blue
  std::vector<std::uint8_t> pixels = {};  ///< [size(), channels, rows, columns]
  std::vector<std::uint8_t> labels = {};

  std::size_t size() const { return labels.size(); }
  std::span<const std::uint8_t> image(std::size_t i) const {
    const std::size_t image = channels * rows * columns;
    return std::span(pixels).subspan(i * image, image);
  }
};

/// Reads `SPLIT-images-idx3-ubyte` and `SPLIT-labels-idx1-ubyte` in a directory, or the same names
/// with .gz appended; some copies have a dot before idx, which is accepted too. MNIST's splits are
/// "train" and "t10k".
/// @throws IoError if a file is missing (naming the directory and the file)
/// @throws DataError if a file is damaged, or images and labels differ in number
LabeledImages load_labeled_images(const std::filesystem::path& directory, std::string_view split);

/// Whether a directory holds the images of a split.
bool has_labeled_images(const std::filesystem::path& directory, std::string_view split);

}  // namespace partita
