// SPDX-License-Identifier: Apache-2.0
// The losses of a generative adversarial network whose generator looks for the border of the data,
// and two estimates of the entropy of its samples.
//
//   Tensor d = openset::discriminator_loss(discriminate(x), discriminate(fake.detach()));
//   Tensor g = openset::generator_loss(discriminate(fake), GeneratorLoss::non_saturating) -
//              openset::nearest_neighbor_entropy(fake);
#pragma once

#include "partita/learn/openset/confident_classifier_options.hpp"
#include "partita/learn/tensor.hpp"

namespace partita::openset {

/// alpha and gamma of GeneratorLoss::fence.
inline constexpr double kFenceLevel = 0.5;
inline constexpr double kFenceWeight = 0.1;

/// -E log D(x) - w E log(1 - D(G(z))) from the discriminator's logits: the loss that it minimizes.
/// Its minimum is at D = p / (p + w p_G).
/// @param loss the generator's: w is kFenceWeight for fence, else 1.
Tensor discriminator_loss(const Tensor& real_logits, const Tensor& fake_logits,
                          GeneratorLoss loss = GeneratorLoss::non_saturating);

/// The generator's loss, from the discriminator's logits for its samples.
Tensor generator_loss(const Tensor& fake_logits, GeneratorLoss loss);

/// An estimate of the entropy in nats of the density that n samples come from, from the distance of
/// each to its nearest neighbor among the others:
///   H = (d / n) sum_i log min_{j != i} |x_i - x_j| + log(n - 1) + log V_d + 0.5772...,
/// V_d the volume of the unit ball (Kozachenko, Leonenko 1987, "Sample estimate of the entropy of a
/// random vector"). Differentiable; distances below 1e-6 count as that, with no gradient.
/// @param samples [n, ...], n >= 2, in d dimensions when flattened.
/// @throws InvalidArgument for fewer samples.
Tensor nearest_neighbor_entropy(const Tensor& samples);

/// The mean of the squared cosine between two samples,
///   1 / (n (n - 1)) sum_{i != j} (x_i x_j / (|x_i| |x_j|))^2
/// (Zhao, Mathieu, LeCun 2017, "Energy-based generative adversarial networks"), whose negative
/// stands for the entropy where dimensions are many. In the plane it falls as soon as the samples
/// lie in several directions, however few they are.
/// @param samples [n, ...], n >= 2. @throws InvalidArgument for fewer.
Tensor pull_away_term(const Tensor& samples);

/// H(P_G) by either estimate.
Tensor entropy(const Tensor& samples, Entropy estimate);

}  // namespace partita::openset
