// A classifier that is unsure about inputs from none of its classes: Lee, Lee, Lee, Shin (2018),
// "Training confidence-calibrated classifiers for detecting out-of-distribution samples" (arXiv
// 1711.09325). Three ways to train it, one step each: by cross-entropy; by the confidence loss with
// given examples of the unknown; or jointly with a GAN whose generator finds such examples along
// the border of the known ones.
//
//   openset::ConfidentClassifier model(
//       networks::small_vgg(shape, 5), networks::dcgan_generator(shape),
//       networks::dcgan_discriminator(shape), {.beta = 1});
//   training::train(model.parts(), options, [&](std::uint64_t step) {
//     const Tensor rows = batches.at(step);
//     return model.joint_step(x.index_select(0, rows), y.index_select(0, rows),
//                             stream.child(step));
//   });
//   Tensor logits = model.logits(images);
#pragma once

#include <torch/nn/modules/container/sequential.h>

#include <cstdint>
#include <span>
#include <vector>

#include "partita/learn/random.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::openset {

/// What a generator minimizes to make its samples pass for real, with D(x) =
/// sigmoid(discriminator(x)).
enum class GeneratorLoss : std::uint8_t {
  saturating,      ///< E log(1 - D(G(z))), the two-player game of Goodfellow et al. (2014)
  non_saturating,  ///< -E log D(G(z)): the same fixed point, but with a gradient while D still wins
};

struct ConfidentClassifierOptions {
  double beta = 1;                                               ///< weight of the KL terms, >= 0
  GeneratorLoss generator_loss = GeneratorLoss::non_saturating;  // as in the authors' code
  std::int64_t noise = 100;  ///< columns of the generator's input, standard normal
  double learning_rate = 2e-4;
  double beta1 = 0.5;    // Adam's, as its beta2 0.999
  double clip_norm = 0;  ///< largest gradient norm of each network; 0: not clipped
};

/// -E log D(x) - E log(1 - D(G(z))) from the discriminator's logits: the loss that it minimizes.
Tensor discriminator_loss(const Tensor& real_logits, const Tensor& fake_logits);

/// The generator's loss, from the discriminator's logits for its samples.
Tensor generator_loss(const Tensor& fake_logits, GeneratorLoss loss);

class ConfidentClassifier {
 public:
  /// For cross_entropy_step and confidence_step.
  /// @param classifier examples [N, ...] to logits [N, K].
  explicit ConfidentClassifier(torch::nn::Sequential classifier,
                               const ConfidentClassifierOptions& options = {});
  /// @param generator [N, noise] to examples. @param discriminator examples to logits [N, 1].
  ConfidentClassifier(torch::nn::Sequential classifier, torch::nn::Sequential generator,
                      torch::nn::Sequential discriminator,
                      const ConfidentClassifierOptions& options = {});

  /// "classifier", and with a GAN "generator" and "discriminator": what training::train() saves.
  std::span<const training::Part> parts() const { return parts_; }

  // One step on examples x [N, ...] with known classes y, int64 [N].

  /// Minimizes E[-log p(y | x)]. Losses: cross_entropy.
  training::Losses cross_entropy_step(const Tensor& x, const Tensor& y);

  /// Minimizes the confidence loss with given examples of the unknown. Losses: cross_entropy, kl.
  training::Losses confidence_step(const Tensor& x, const Tensor& y, const Tensor& unknown);

  /// Minimizes the GAN's losses against a fixed classifier (equation 3):
  ///   discriminator: -log D(x) - log(1 - D(G(z)))
  ///   generator:     its GeneratorLoss + beta KL(U || p(. | G(z)))
  /// Losses: discriminator, generator.
  /// @throws InvalidArgument if the model has no GAN.
  training::Losses gan_step(const Tensor& x, const Random& random);

  /// Minimizes the joint confidence loss (equation 4), over the three networks in turn, each given
  /// the others: gan_step(), then
  ///   classifier:    -log p(y | x) + beta KL(U || p(. | G(z'))), with fresh z'
  /// Losses: cross_entropy, kl, discriminator, generator.
  /// @throws InvalidArgument if the model has no GAN.
  training::Losses joint_step(const Tensor& x, const Tensor& y, const Random& random);

  /// Logits of examples, without a gradient.
  Tensor logits(const Tensor& x);

  /// Samples of the generator, without a gradient. @throws InvalidArgument if there is none.
  Tensor generate(std::int64_t count, const Random& random);

 private:
  void check_gan() const;
  Tensor samples(std::int64_t count, const Random& random);

  torch::nn::Sequential classifier_;
  torch::nn::Sequential generator_{nullptr};
  torch::nn::Sequential discriminator_{nullptr};
  ConfidentClassifierOptions options_;
  std::vector<training::Part> parts_;
};

}  // namespace partita::openset
