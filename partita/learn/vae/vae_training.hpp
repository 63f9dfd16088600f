// SPDX-License-Identifier: Apache-2.0
// Training a variational auto-encoder on images.
//
//   Tensor images = ...;                                    // uint8 [N, inputs], 0 to 255
//   estimators::Pathwise estimator;
//   auto result = vae::train(vae, images, estimator, {.seed = 2}, {.epochs = 20});
//   result.loop.history;                                    // loss, reconstruction, kl
//
// A Bernoulli decoder sees bits: each image is binarized, a pixel being 1 with a probability equal
// to its gray value; a Gaussian one sees grays in [0, 1]. Losses are in nats per image:
// reconstruction is -E_q[log p(x | z)], kl is KL(q(z | x) || p(z)), and loss is what is descended.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>

#include "partita/learn/estimators/estimator.hpp"
#include "partita/learn/training/loop.hpp"
#include "partita/learn/vae/vae.hpp"

namespace partita::vae {

enum class Objective : std::uint8_t {
  elbo,
  iwae,                    ///< the importance-weighted bound of importance_samples
  without_regularizer,     ///< the ELBO less its KL term: an auto-encoder of noisy codes
  without_reconstruction,  ///< the KL term alone
};

enum class Binarization : std::uint8_t {
  dynamic,  ///< new bits in every step (Burda et al. 2016)
  fixed,    ///< the same bits in every epoch
};

enum class Schedule : std::uint8_t {
  constant,
  /// 3^i epochs at 10^(-i / 7) of the learning rate, i = 0 ... 7, 3280 epochs in all (Burda et al.
  /// 2016).
  iwae,
};

/// The bound of codes relaxed by the Concrete distribution, with posterior and prior of one
/// temperature, so that all of it is differentiable in the samples (Maddison, Mnih, Teh 2017).
struct Relaxation {
  double temperature = 0.5;  ///< > 0
  /// Decode the one-hot vectors that the relaxed ones are nearest to, and let the decoder's
  /// derivative go on through the relaxed ones (Jang, Gu, Poole 2017): a biased gradient, of a
  /// bound of the evidence of the model with one-hot codes. Otherwise the relaxed ones are decoded:
  /// the gradient is the bound's, which is that of the relaxed model.
  bool straight_through = false;
};

struct TrainingOptions {
  Objective objective = Objective::elbo;
  std::int64_t importance_samples = 1;  ///< k of iwae
  /// For iwae with categorical codes and the estimator Pathwise.
  std::optional<Relaxation> relaxation = std::nullopt;
  Binarization binarization = Binarization::dynamic;
  double epochs = 20;
  std::int64_t batch = 64;
  double learning_rate = 1e-3;
  Schedule schedule = Schedule::constant;
  double beta1 = 0.9;  // Adam's
  double beta2 = 0.999;
  double epsilon = 1e-8;
  double clip_norm = std::numeric_limits<double>::infinity();
  double held_out = 0;            ///< share of images used only for evaluation, in [0, 1)
  std::uint64_t patience = 0;     ///< epochs without a better held-out bound; 0: all epochs
  std::uint64_t log_every = 100;  ///< steps that a log entry averages
  at::Device device = at::kCPU;
  Group* group = &Group::alone();  ///< processes that train together: training/loop.hpp
};

struct TrainingResult {
  training::LoopResult loop;
  std::int64_t images = 0;  ///< number of training images
};

/// Trains the model in place, along with the estimator's own parameters. Held-out images are
/// evaluated after every epoch: held_out_loss, held_out_reconstruction and held_out_kl, from
/// one sample each.
/// @param images uint8 [N, inputs]
/// @param estimator for E_q[log p(x | z)], or for the importance-weighted bound: then one that does
///        not relax samples; Pathwise with options.relaxation. With a group, one that looks at each
///        image by itself, as all do but those with a MovingAverage, which averages a rank's own.
/// @param stream the source of held-out images, order, bits and samples
/// @throws InvalidArgument if an option is out of its range, or no image is left to train on
TrainingResult train(const std::shared_ptr<Vae>& vae, const Tensor& images,
                     estimators::Estimator& estimator, const Stream& stream,
                     const TrainingOptions& options, const training::RunFiles& files = {},
                     const Progress& progress = {});

/// The learning rate after this many epochs, as a share of the initial one.
double schedule_factor(Schedule schedule, double epochs);

/// Images as a model sees them in an evaluation, float [N, inputs]: grays in [0, 1], and for a
/// Bernoulli decoder binarized once, by the stream.
Tensor evaluation_images(const Tensor& images, Decoder decoder, const Stream& stream);

}  // namespace partita::vae
