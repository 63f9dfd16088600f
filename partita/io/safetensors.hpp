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
  /// Reads and checks the whole header. @throws IoError; DataError for a cut or damaged file, an
  /// unknown element type, or offsets that do not fit the shape and the file
  explicit SafetensorsFile(const std::filesystem::path& path);

  std::vector<std::string> names() const;

  /// A view, valid while this object lives. @throws DataError if no tensor has this name
  const ArrayView& tensor(std::string_view name) const;

 private:
  struct Tensor {
    std::string name;
    ArrayView array;
  };
  std::string name_;
  MappedFile file_;
  std::vector<Tensor> tensors_;
};

}  // namespace partita
