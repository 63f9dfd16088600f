// SPDX-License-Identifier: Apache-2.0
// One array from a file of any format that Partita reads: rows of logits, or labels. The file's
// extension selects the format; where a file may hold several arrays, a name after a colon selects
// one. What has no extension (standard input, "-", and other pipes) is told by its first bytes.
//
//   partita::ArrayFile logits("outputs.npz:predictions");   // or logits.npy, x.safetensors:logits
//   partita::ArrayFile labels("labels.csv.gz");
//   auto lse = partita::log_sum_exp(logits.rows());         // a view: mapped where it can be
//   std::vector<std::int64_t> y = labels.integers();
//   partita::save_array("lse.csv", std::span<const double>(lse), lse.size(), 1);
//
//   .npy           NumPy's format
//   .npz           several .npy arrays, stored or compressed
//   .safetensors   named tensors
//   .csv           lines of numbers, with or without a header line
//
// Each may be gzipped (.npy.gz).
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/io/array.hpp"
#include "partita/io/csv.hpp"
#include "partita/io/npy.hpp"

namespace partita {

class ArrayFile {
 public:
  /// @param location "PATH" or "PATH:ARRAY". The name may be omitted if the file holds a single
  ///        array. PATH ends before the first colon before which there is the name of a file, so
  ///        that both may hold colons.
  /// @throws IoError; DataError for another extension, a damaged file, or a missing array (naming
  ///         those present)
  explicit ArrayFile(const std::string& location);
  ~ArrayFile();
  ArrayFile(ArrayFile&&) noexcept;
  ArrayFile& operator=(ArrayFile&&) noexcept;

  /// [rows, columns] of floating-point numbers. Valid while this object lives.
  /// @throws DataError if the array is not that
  Rows rows(OneDimension one = OneDimension::column) const;

  /// Integers of shape [n] or [n, 1] (in a .csv, one number per line).
  /// @throws DataError naming the element if the array is not that
  std::vector<std::int64_t> integers() const;

  /// Path and array as given, for messages.
  const std::string& name() const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

/// The path in "PATH" or "PATH:ARRAY".
std::string array_path(const std::string& location);

/// Throws what save_array() would throw for this path, before there is an array.
/// @throws InvalidArgument, IoError
void check_array_output(const std::filesystem::path& path);

/// Writes [rows, columns] as .npy if the path ends so, else as CSV: to a .csv file, standard output
/// ("-") or a device.
/// @param heading of the columns, in CSV; empty: none
/// @throws InvalidArgument for another extension, or unless values.size() = rows * columns; IoError
template <class T>
void save_array(const std::filesystem::path& path, std::span<const T> values, std::size_t rows,
                std::size_t columns, std::string_view heading = "") {
  if (path.extension() == ".npy") return save_npy(path, values, rows, columns);
  check_array_output(path);
  save_csv(path, values, rows, columns, heading);
}

}  // namespace partita
