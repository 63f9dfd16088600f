// SPDX-License-Identifier: Apache-2.0
// How a ConfidentClassifier is trained. Plain data: this header needs no libtorch.
#pragma once

#include <cstdint>

#include "partita/base/group.hpp"

namespace partita::openset {

/// What a generator minimizes to make its samples pass for real, with D(x) =
/// sigmoid(discriminator(x)).
enum class GeneratorLoss : std::uint8_t {
  saturating,      ///< E log(1 - D(G(z))), the two-player game of Goodfellow et al. (2014)
  non_saturating,  ///< -E log D(G(z)): the same fixed point, but with a gradient while D still wins
  /// -E[alpha log D(G(z)) + (1 - alpha) log(1 - D(G(z)))] with alpha = 1/2: samples go where D is
  /// undecided. D weighs them by gamma = 0.1, so that this is where they are ten times as dense as
  /// the data: around it, not in it. Ngo et al. (2019), "Fence GAN: towards better anomaly
  /// detection" (arXiv 1904.01209).
  fence,
};

/// The estimate of the entropy of a generator's samples.
enum class Entropy : std::uint8_t {
  nearest_neighbor,  ///< nearest_neighbor_entropy()
  pull_away,         ///< -pull_away_term(), which sees only the samples' angles from the origin
};

struct ConfidentClassifierOptions {
  double beta = 1;  ///< weight of the term on the unknown, >= 0
  /// Whether the classifier has one output more than there are classes, the last, for "none of
  /// them": -log p(none | x) then takes the place of KL(U || p) on the unknown. Vernekar et al.
  /// (2019), "Analysis of confident-classifiers for out-of-distribution detection" (arXiv
  /// 1904.12220).
  bool reject = false;
  GeneratorLoss generator_loss = GeneratorLoss::non_saturating;  // as in the authors' code
  /// Weight of -H(P_G) in the generator's loss, >= 0. Without it joint training leaves the
  /// generator among the known examples; 1 is right for nearest_neighbor in the plane, and 1/d its
  /// scale in d dimensions.
  double entropy_weight = 0;
  Entropy entropy = Entropy::nearest_neighbor;
  double shell = 0.01;       ///< share of draws that shell_step() keeps, in (0, 1]
  std::int64_t noise = 100;  ///< columns of the generator's input, standard normal
  double learning_rate = 2e-4;
  double beta1 = 0.9;      ///< the classifier's, of Adam, as in the authors' code; beta2 is 0.999
  double gan_beta1 = 0.5;  ///< the generator's and the discriminator's
  double clip_norm = 0;    ///< largest gradient norm of each network; 0: not clipped
  Group* group = &Group::alone();  ///< processes that train together: training/loop.hpp
};

}  // namespace partita::openset
