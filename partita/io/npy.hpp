// SPDX-License-Identifier: Apache-2.0
// NumPy's .npy files: rows of logits in, matrices out.
//
//   partita::NpyFile file("logits.npy");                  // mapped, not copied
//   auto sample = partita::gumbel_top_k(file.rows(), 10, partita::Stream{.seed = 1});
//   const std::span<const std::int64_t> drawn(sample.indices);
//   partita::save_npy("out.npy", drawn, sample.rows, sample.k);
//
// The format is NumPy's own (numpy.lib.format, versions 1.0, 2.0 and 3.0).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <string_view>

#include "partita/base/rows.hpp"
#include "partita/io/array.hpp"
#include "partita/io/file.hpp"

namespace partita {

/// The array of a whole .npy file; `name` is the file's path, for errors. Big-endian numbers and
/// Fortran order are converted, which copies.
/// @throws DataError, with what was found and what was expected: an empty or truncated file, bytes
///         after the data, another file format, elements that are neither floats nor integers nor
///         booleans
ArrayView parse_npy_array(std::string_view name, std::string_view bytes);

/// A .npy file of float16, float32 or float64, with one or two dimensions, mapped into memory.
class NpyFile {
 public:
  /// @throws IoError; DataError (see parse_npy_array and ArrayView::rows)
  explicit NpyFile(const std::filesystem::path& path);

  /// [rows, columns]; one dimension is one column. Valid while this object lives.
  Rows rows() const { return array_.rows(); }

 private:
  MappedFile file_;
  ArrayView array_;
};

/// Writes a [rows, columns] matrix, row after row, as float32, float64 or int64; see write_file.
/// @throws InvalidArgument unless values.size() = rows * columns; IoError
void save_npy(const std::filesystem::path& path, std::span<const float> values, std::size_t rows,
              std::size_t columns);
void save_npy(const std::filesystem::path& path, std::span<const double> values, std::size_t rows,
              std::size_t columns);
void save_npy(const std::filesystem::path& path, std::span<const std::int64_t> values,
              std::size_t rows, std::size_t columns);

/// Writes rows of contiguous floats as float32, without a second copy of them.
/// @throws InvalidArgument for rows of any other kind; IoError
void save_npy(const std::filesystem::path& path, Rows matrix);

}  // namespace partita
