// One array from a file of any format that Partita reads: rows of logits, or labels. The file's
// extension selects the format; where a file may hold several arrays, a name after a colon selects
// one.
//
//   partita::ArrayFile logits("outputs.npz:predictions");   // or logits.npy, x.safetensors:logits
//   partita::ArrayFile labels("labels.csv");
//   auto lse = partita::log_sum_exp(logits.rows());         // a view: mapped where it can be
//   std::vector<std::int64_t> y = labels.integers();
//
//   .npy           NumPy's format
//   .npz           several .npy arrays, stored or compressed
//   .safetensors   named tensors
//   .csv           lines of numbers, with or without a header line
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "partita/base/rows.hpp"

namespace partita {

class ArrayFile {
 public:
  /// @param location "PATH" or "PATH:ARRAY". The name may be omitted if the file holds a single
  ///        array. If a file with the whole name exists, the colon is part of it.
  /// @throws IoError; DataError for another extension, a damaged file, or a missing array (naming
  ///         those present)
  explicit ArrayFile(const std::string& location);
  ~ArrayFile();
  ArrayFile(ArrayFile&&) noexcept;
  ArrayFile& operator=(ArrayFile&&) noexcept;

  /// [rows, columns] of floating-point numbers; one dimension is one row. Valid while this object
  /// lives.
  /// @throws DataError if the array is not that
  Rows rows() const;

  /// Integers of shape [n] or [n, 1] (in a .csv, one number per line).
  /// @throws DataError naming the element if the array is not that
  std::vector<std::int64_t> integers() const;

  /// Path and array as given, for messages.
  const std::string& name() const;

 private:
  struct Contents;
  std::unique_ptr<Contents> contents_;
};

}  // namespace partita
