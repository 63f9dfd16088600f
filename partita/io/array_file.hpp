// One array out of a file of any format that Partita reads: rows of logits, or labels. The format
// is told by the file's ending, the array by a name after a colon where a file may hold several.
//
//   partita::ArrayFile logits("outputs.npz:predictions");   // or logits.npy, x.safetensors:logits
//   partita::ArrayFile labels("labels.csv");
//   auto lse = partita::log_sum_exp(logits.rows());         // a view: mapped where it can be
//   std::vector<std::int64_t> y = labels.integers();
//
//   .npy           NumPy's format
//   .npz           several of them, stored or compressed
//   .safetensors   named tensors
//   .csv           lines of numbers, with or without a line of names
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

class ArrayFile {
 public:
  /// @param location "PATH" or "PATH:ARRAY". Without a name, a file that holds a single array gives
  ///        that one. Where a file of the whole name exists, a colon is part of its name.
  /// @throws IoError; DataError for another ending, a damaged file, or an array that is not there
  ///         (naming those that are)
  explicit ArrayFile(const std::string& location);
  ~ArrayFile();
  ArrayFile(ArrayFile&&) noexcept;
  ArrayFile& operator=(ArrayFile&&) noexcept;

  /// [rows, columns] of floating-point numbers; one dimension is one row. Good while this lives.
  /// @throws DataError if the array is not that
  Rows rows() const;

  /// Integers of shape [n] or [n, 1] (in a .csv, one number a line).
  /// @throws DataError naming the element if the array is not that
  std::vector<std::int64_t> integers() const;

  /// Path and array as given, for messages.
  const std::string& name() const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace partita
