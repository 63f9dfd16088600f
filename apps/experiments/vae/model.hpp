// SPDX-License-Identifier: Apache-2.0
// What a trained auto-encoder shows: codes, pictures, the meaning of its latent variables.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "partita/io/idx.hpp"
#include "partita/learn/vae/vae.hpp"

namespace partita::app {

/// The first `most` images, uint8 [N, rows * columns].
Tensor image_rows(const LabeledImages& images, std::size_t most);

/// Posterior means, [N, numbers of z]: for one-hot vectors, their probabilities.
Tensor codes(vae::Vae& vae, const Tensor& x);

/// The mean pictures [N, pixels] decoded from z [N, event].
Tensor decode(vae::Vae& vae, const Tensor& z);

/// Pictures of the changes along latent variables, one row for each.
struct Traversal {
  std::size_t across = 0;           // pictures in a row
  std::vector<double> images = {};  // mean pictures, row by row
  std::string caption = {};
};

/// For two numbers, the whole plane, by quantiles of the prior. For more, each of the `variables`
/// that carry most information about x (by KL), from -3 to 3 around the code of the first example;
/// for one-hot vectors, each of their categories.
Traversal traverse(vae::Vae& vae, const Tensor& x, std::int64_t variables);

}  // namespace partita::app
