// SPDX-License-Identifier: Apache-2.0
// .safetensors files: named tensors after a header in JSON
// (github.com/huggingface/safetensors, README, "Format").
//
//   partita::SafetensorsFile file("outputs.safetensors");
//   partita::ArrayView logits = file.tensor("logits");    // a view of the mapped file
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "partita/io/array.hpp"
#include "partita/io/file.hpp"

namespace partita {

class SafetensorsFile {
 public:
  /// Reads and checks the whole header, as the official reader does: tensors follow each other
  /// without gaps and overlaps, to the end of the file, and no name occurs twice.
  /// @throws IoError; DataError for a file that is cut short or damaged
  explicit SafetensorsFile(const std::filesystem::path& path);
  /// The same of a file that is open; `name` stands for its path in errors.
  SafetensorsFile(std::string name, MappedFile file);

  std::vector<std::string> names() const;

  /// A view, valid while this object lives.
  /// @throws DataError if no tensor has this name, or its elements are of a type that ElementType
  ///         does not know, such as FP8
  ArrayView tensor(std::string_view name) const;

 private:
  struct Tensor {
    std::string name;
    std::string dtype;
    std::vector<std::uint64_t> shape;
    std::string_view bytes;
  };
  std::string name_;
  MappedFile file_;
  std::vector<Tensor> tensors_;
};

}  // namespace partita
