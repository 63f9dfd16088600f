// A trained auto-encoder in a file, with the size of its images; and what is read off it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "partita/io/idx.hpp"
#include "partita/learn/vae/vae.hpp"

namespace partita::app {

struct VaeModel {
  std::int64_t rows = 0;  // of an image
  std::int64_t columns = 0;
  std::shared_ptr<models::Vae> vae = nullptr;
};

/// @throws IoError
void save_vae_model(const std::filesystem::path& path, const VaeModel& model);
/// @throws IoError, DataError
VaeModel load_vae_model(const std::filesystem::path& path);

/// uint8 [N, rows * columns], of the first `most` images.
Tensor image_rows(const LabeledImages& images, std::size_t most);

/// Posterior means, [N, numbers of z]: of one-hot vectors their probabilities.
Tensor codes(models::Vae& vae, const Tensor& x);

/// Mean pictures [N, pixels] of z [N, event].
Tensor decode(models::Vae& vae, const Tensor& z);

/// Pictures of what changes along a latent variable, one row for each.
struct Traversal {
  std::size_t across = 0;           // pictures in a row
  std::vector<double> images = {};  // mean pictures, row by row
  std::string caption = {};
};

/// Of two numbers the whole plane, by quantiles of the prior. Of more numbers each of the
/// `variables` that carry most information about x (by KL), from -3 to 3 around the code of the
/// first example; of one-hot vectors each of its categories.
Traversal traverse(models::Vae& vae, const Tensor& x, std::int64_t variables);

}  // namespace partita::app
