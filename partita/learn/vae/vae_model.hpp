// SPDX-License-Identifier: Apache-2.0
// A trained auto-encoder in a file, with the size of its images: what `partita vae train` writes.
//
//   vae::VaeModel{.rows = 28, .columns = 28, .vae = trained}.save("digits.model");
//
//   vae::VaeModel model = vae::VaeModel::load("digits.model");
//   auto z = model.vae->prior()->sample({100}, Stream{.seed = 1});
//   Tensor pictures = model.vae->likelihood(z)->mean().view({-1, model.rows, model.columns});
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string_view>

#include "partita/learn/vae/vae.hpp"

namespace partita::vae {

struct VaeModel {
  /// The kind under which its archive is filed.
  static constexpr std::string_view kArchive = "vae";

  std::int64_t rows = 0;     ///< an image's
  std::int64_t columns = 0;  ///< an image's; rows * columns is the number of inputs
  std::shared_ptr<Vae> vae = nullptr;

  /// On the CPU. @throws IoError, DataError
  static VaeModel load(const std::filesystem::path& path);
  /// @throws IoError; InvalidArgument if there is no model, or its inputs are not rows * columns
  void save(const std::filesystem::path& path) const;
};

}  // namespace partita::vae
