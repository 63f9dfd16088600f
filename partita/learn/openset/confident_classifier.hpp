// SPDX-License-Identifier: Apache-2.0
// A classifier that is unsure about inputs from none of its classes: Lee, Lee, Lee, Shin (2018),
// "Training confidence-calibrated classifiers for detecting out-of-distribution samples" (arXiv
// 1711.09325). Three ways to train it, one step each: by cross-entropy; by the confidence loss with
// examples of the unknown, given or drawn from the outskirts of the known; or jointly with a GAN
// whose generator finds such examples along the border of the known ones.
//
//   openset::ConfidentClassifier model(
//       networks::small_vgg(shape, 5), networks::dcgan_generator(shape),
//       networks::dcgan_discriminator(shape), {.beta = 1, .entropy_weight = 1.0 / 784});
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

#include "partita/learn/openset/confident_classifier_options.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/share.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::openset {

/// Logits of K classes from those of K classes and a last one for "none of them", whose probability
/// is shared out: softmax gives p_k + p_none / K, and log-sum-exp -log p_none. So a rejected input
/// is an unsure one, to every score of logits.
/// @param logits [..., K + 1] @return [..., K]
Tensor without_reject(const Tensor& logits);

class ConfidentClassifier {
 public:
  /// For cross_entropy_step and confidence_step.
  /// @param classifier examples [N, ...] to logits [N, K], or [N, K + 1] with a reject class.
  explicit ConfidentClassifier(torch::nn::Sequential classifier,
                               const ConfidentClassifierOptions& options = {});
  /// @param generator [N, noise] to examples. @param discriminator examples to logits [N, 1].
  /// @throws InvalidArgument with a group, if a network has batch normalization or the samples'
  ///         entropy a weight: both look at a whole batch. (So does the constructor above.)
  ConfidentClassifier(torch::nn::Sequential classifier, torch::nn::Sequential generator,
                      torch::nn::Sequential discriminator,
                      const ConfidentClassifierOptions& options = {});

  /// "classifier", and with a GAN "generator" and "discriminator": what training::train() saves.
  std::span<const training::Part> parts() const { return parts_; }

  // One step on examples x [N, ...] with known classes y, int64 [N]. With a group they are those of
  // the whole batch, of which each rank computes its share.

  /// Minimizes E[-log p(y | x)]. Losses: cross_entropy.
  training::Losses cross_entropy_step(const Tensor& x, const Tensor& y);

  /// Minimizes the confidence loss with given examples of the unknown. Losses: cross_entropy, kl
  /// (or reject).
  training::Losses confidence_step(const Tensor& x, const Tensor& y, const Tensor& unknown);

  /// The same with as many draws from the outskirts of this batch's features, which are the inputs
  /// of the classifier's last layer: shell(). (The paper keeps a queue of features of each class,
  /// and adds a loss on the energy.)
  /// @throws InvalidArgument with a group: it draws from the features of a whole batch.
  training::Losses shell_step(const Tensor& x, const Tensor& y, const Random& random);

  /// Minimizes the GAN's losses against a fixed classifier (equation 3):
  ///   discriminator: -log D(x) - w log(1 - D(G(z))), see discriminator_loss()
  ///   generator:     its GeneratorLoss + beta KL(U || p(. | G(z))) - entropy_weight H(P_G)
  /// Losses: discriminator, generator, and entropy if it has a weight.
  /// @throws InvalidArgument if the model has no GAN.
  training::Losses gan_step(const Tensor& x, const Random& random);

  /// Minimizes the joint confidence loss (equation 4), over the three networks in turn, each given
  /// the others: gan_step(), then
  ///   classifier:    -log p(y | x) + beta KL(U || p(. | G(z'))), with fresh z'
  /// Losses: those of confidence_step() and gan_step().
  /// @throws InvalidArgument if the model has no GAN.
  training::Losses joint_step(const Tensor& x, const Tensor& y, const Random& random);

  /// Multiplies the learning rates that the options gave by a factor. What a schedule asks for is a
  /// function of the step, so that a resumed run follows it too.
  void scale_learning_rate(double factor);

  /// Logits [N, K] of examples, without a gradient; with a reject class, without_reject().
  Tensor logits(const Tensor& x);

  /// Samples of the generator, without a gradient. @throws InvalidArgument if there is none.
  Tensor generate(std::int64_t count, const Random& random);

 private:
  void check_gan() const;
  Share share_of(const Tensor& batch) const { return Share::of(batch.size(0), *options_.group); }
  Tensor samples(const Share& share, const Random& random);
  Tensor unsure(const Tensor& logits) const;
  training::Losses confidence(const Tensor& logits, const Tensor& y, double known_weight,
                              double unknown_weight);

  torch::nn::Sequential classifier_;
  torch::nn::Sequential generator_{nullptr};
  torch::nn::Sequential discriminator_{nullptr};
  ConfidentClassifierOptions options_;
  std::vector<training::Part> parts_;
};

}  // namespace partita::openset
