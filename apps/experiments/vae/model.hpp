// What is read off a trained auto-encoder: codes, pictures, what its latent variables mean.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partita/io/idx.hpp"
#include "partita/learn/vae/vae.hpp"

namespace partita::app {

/// uint8 [N, rows * columns], of the first `most` images.
Tensor image_rows(const LabeledImages& images, std::size_t most);

/// Posterior means, [N, numbers of z]: of one-hot vectors their probabilities.
Tensor codes(vae::Vae& vae, const Tensor& x);

/// Mean pictures [N, pixels] of z [N, event].
Tensor decode(vae::Vae& vae, const Tensor& z);

/// Pictures of what changes along a latent variable, one row for each.
struct Traversal {
  std::size_t across = 0;           // pictures in a row
  std::vector<double> images = {};  // mean pictures, row by row
  std::string caption = {};
};

/// Of two numbers the whole plane, by quantiles of the prior. Of more numbers each of the
/// `variables` that carry most information about x (by KL), from -3 to 3 around the code of the
/// first example; of one-hot vectors each of its categories.
Traversal traverse(vae::Vae& vae, const Tensor& x, std::int64_t variables);

}  // namespace partita::app
