// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/vae/vae_training.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <torch/optim/adam.h>

#include <algorithm>
#include <cmath>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/relaxed_one_hot_categorical.hpp"
#include "partita/learn/estimators/elbo.hpp"
#include "partita/learn/training/batches.hpp"

namespace partita::vae {
namespace {

using estimators::Estimator;
using training::Losses;
using training::Part;

/// The children of the stream of a training.
enum Purpose : std::uint64_t { kOrder, kBits, kSamples, kHoldOut, kHeldOutBits, kHeldOutSamples };

Tensor grays(const Tensor& images) { return images.to(at::kFloat) / 255; }

/// One-hot codes relaxed by the Concrete distribution, as the logarithms of their vectors.
distributions::DistributionPtr relaxed(const distributions::Distribution& codes,
                                       double temperature) {
  const auto& independent = dynamic_cast<const distributions::Independent&>(codes);
  const auto& one_hot =
      dynamic_cast<const distributions::OneHotCategorical&>(independent.base_dist());
  return std::make_shared<distributions::Independent>(
      distributions::ExpRelaxedCategorical(temperature, distributions::Logits(one_hot.logits()),
                                           false),
      1, false);
}

/// What the estimator learns, as a module.
class EstimatorParameters : public torch::nn::Module {
 public:
  explicit EstimatorParameters(const std::vector<Tensor>& parameters) {
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      register_parameter(fmt::format("parameter{}", i), parameters[i]);
    }
  }
};

std::shared_ptr<torch::optim::Adam> adam(const std::vector<Tensor>& parameters,
                                         const TrainingOptions& options) {
  return std::make_shared<torch::optim::Adam>(
      parameters, torch::optim::AdamOptions(options.learning_rate)
                      .betas(std::make_tuple(options.beta1, options.beta2))
                      .eps(options.epsilon));
}

void check(const TrainingOptions& options) {
  check_at_least("importance_samples", options.importance_samples, 1);
  check_in("epochs", options.epochs, "(0, inf)");
  check_at_least("batch", options.batch, 1);
  check_in("learning_rate", options.learning_rate, "(0, inf)");
  check_in("beta1", options.beta1, "[0, 1)");
  check_in("beta2", options.beta2, "[0, 1)");
  check_in("epsilon", options.epsilon, "(0, inf)");
  check_in("clip_norm", options.clip_norm, "(0, inf]");
  check_in("held_out", options.held_out, "[0, 1)");
  if (options.relaxation) check_in("temperature", options.relaxation->temperature, "(0, inf)");
  if (options.patience > 0 && options.held_out == 0) {
    throw InvalidArgument("patience", "early stopping needs held-out images");
  }
}

class Trainer {
 public:
  Trainer(std::shared_ptr<Vae> vae, const Tensor& images, Estimator& estimator,
          const Stream& stream, const TrainingOptions& options)
      : vae_(std::move(vae)), estimator_(estimator), stream_(stream), options_(options) {
    if (images.dim() != 2 || images.size(1) != vae_->options().inputs ||
        images.scalar_type() != at::kByte) {
      throw InvalidArgument(
          "images", fmt::format("expected uint8 [N, {}], got {} {}", vae_->options().inputs,
                                c10::toString(images.scalar_type()), to_string(images.sizes())));
    }
    if (options.relaxation &&
        (options.objective != Objective::iwae || vae_->options().latent != Latent::categorical)) {
      throw InvalidArgument("relaxation",
                            "applies only to the objective iwae with categorical codes");
    }
    facts_ = facts_of(images);
    split(images);
    batches_.emplace(train_.size(0), options.batch, stream_.child(kOrder));
    share_ = Share::of(options.batch, *options.group);
    vae_->to(options.device);
    prior_ = vae_->prior();
    parts_.push_back(
        {"vae", vae_, adam(vae_->parameters(), options), options.clip_norm, options.group});
    if (const std::vector<Tensor> own = estimator.parameters(); !own.empty()) {
      parts_.push_back({.name = "estimator",
                        .module = std::make_shared<EstimatorParameters>(own),
                        .optimizer = adam(own, options),
                        .group = options.group});
    }
  }

  TrainingResult run(const training::RunFiles& files, const Progress& progress) {
    const double per_epoch =
        static_cast<double>(train_.size(0)) / static_cast<double>(options_.batch);
    training::LoopOptions loop{
        .steps = std::max<std::uint64_t>(
            1, static_cast<std::uint64_t>(std::ceil(options_.epochs * per_epoch))),
        .log_every = options_.log_every,
        .files = files};
    loop.files.run.add(facts_);
    training::Evaluate evaluate;
    if (held_out_.defined()) {
      loop.evaluate_every = std::max<std::uint64_t>(1, static_cast<std::uint64_t>(per_epoch));
      loop.patience = options_.patience;
      evaluate = [this] { return on_held_out(); };
    }
    return {training::train(
                parts_, loop, [this](std::uint64_t n) { return step(n); }, evaluate, progress),
            train_.size(0)};
  }

 private:
  /// All that the weights depend on but the number of epochs: more of them continue the same run.
  training::RunFacts facts_of(const Tensor& images) const {
    const VaeOptions& v = vae_->options();
    training::RunFacts facts;
    return facts.add("images", training::digest(images))
        .add("latent", static_cast<int>(v.latent))
        .add("latent dim", v.latent_dim)
        .add("categories", v.categories)
        .add("decoder", static_cast<int>(v.decoder))
        .add("hidden", fmt::format("{}", fmt::join(v.hidden, "-")))
        .add("objective", static_cast<int>(options_.objective))
        .add("samples", options_.importance_samples)
        .add("relaxation", options_.relaxation ? options_.relaxation->temperature : 0)
        .add("straight through", options_.relaxation && options_.relaxation->straight_through)
        .add("binarization", static_cast<int>(options_.binarization))
        .add("batch", options_.batch)
        .add("learning rate", options_.learning_rate)
        .add("schedule", static_cast<int>(options_.schedule))
        .add("beta1", options_.beta1)
        .add("beta2", options_.beta2)
        .add("epsilon", options_.epsilon)
        .add("clip norm", options_.clip_norm)
        .add("held out", options_.held_out)
        .add("patience", options_.patience)
        .add("stream", stream_);
  }

  /// Divides the images, each by a coin of its own. Bits that never change are made at once.
  void split(const Tensor& images) {
    std::vector<std::int64_t> train;
    std::vector<std::int64_t> held_out;
    const Stream coins = stream_.child(kHoldOut);
    for (std::int64_t i = 0; i < images.size(0); ++i) {
      const bool out = coins.uniform(static_cast<std::uint64_t>(i)) < options_.held_out;
      (out ? held_out : train).push_back(i);
    }
    if (train.empty()) throw InvalidArgument("images", "none left to train on");
    const Decoder decoder = vae_->options().decoder;
    train_ = held_out.empty() ? images : images.index_select(0, at::tensor(train, at::kLong));
    bits_drawn_ = decoder == Decoder::bernoulli && options_.binarization == Binarization::dynamic;
    if (decoder == Decoder::bernoulli && !bits_drawn_) {
      train_ = evaluation_images(train_, decoder, stream_.child(kBits)).mul_(255).to(at::kByte);
    }
    train_ = train_.to(options_.device);
    if (!held_out.empty()) {
      held_out_ = evaluation_images(images.index_select(0, at::tensor(held_out, at::kLong)),
                                    decoder, stream_.child(kHeldOutBits));
    }
  }

  Losses step(std::uint64_t n) {
    const double epochs = static_cast<double>(n) * static_cast<double>(options_.batch) /
                          static_cast<double>(train_.size(0));
    const double rate = options_.learning_rate * schedule_factor(options_.schedule, epochs);
    for (const Part& part : parts_) {
      static_cast<torch::optim::AdamOptions&>(part.optimizer->param_groups().front().options())
          .lr(rate);
    }
    const Tensor rows = share_.of(batches_->at(n));
    Tensor x = grays(train_.index_select(0, rows.to(train_.device())));
    if (bits_drawn_) x = binarize(x, Random(stream_.child(kBits).child(n)).of(share_));
    // Draws are [samples, images, ...].
    const Random random = Random(stream_.child(kSamples).child(n)).of(share_, 1);
    auto [descended, losses] =
        options_.objective == Objective::iwae ? iwae(x, random) : elbo(x, random);
    descended = descended * share_.weight();
    for (auto& [name, loss] : losses) loss = loss * share_.weight();
    // The estimator's own first: what leads to its parameters is freed, and leads nowhere else.
    if (parts_.size() > 1) training::descend(parts_[1], descended);
    training::descend(parts_[0], descended);
    return losses;
  }

  struct Descent {
    Tensor descended;  ///< has the gradient of the loss; its value may be meaningless
    Losses losses;
  };

  Descent elbo(const Tensor& x, const Random& random) {
    const auto bound = estimators::elbo(
        *vae_->posterior(x), *prior_,
        [&](const Tensor& z) { return vae_->likelihood(z)->log_prob(x); }, estimator_, random);
    const Tensor kl = bound.divergence.detach().mean();
    const Tensor reconstruction = -bound.value.mean() - kl;
    switch (options_.objective) {
      case Objective::without_regularizer:
        return {-(bound.surrogate + bound.divergence).mean(),
                named(reconstruction, reconstruction, kl)};
      case Objective::without_reconstruction:
        return {bound.divergence.mean(), named(kl, reconstruction, kl)};
      default:
        return {-bound.surrogate.mean(), named(reconstruction + kl, reconstruction, kl)};
    }
  }

  /// What is decoded for relaxed codes, of which log_z are the logarithms.
  static Tensor decoded(const Tensor& log_z, bool straight_through) {
    const Tensor z = log_z.exp();
    if (!straight_through) return z;
    return one_hot(z.detach().argmax(-1), z.size(-1), z.options()) + (z - z.detach());
  }

  Descent iwae(const Tensor& x, const Random& random) {
    const auto& relaxation = options_.relaxation;
    const auto codes = vae_->posterior(x, options_.importance_samples);
    const auto posterior = relaxation ? relaxed(*codes, relaxation->temperature) : codes;
    const auto prior = relaxation ? relaxed(*prior_, relaxation->temperature) : prior_;
    Tensor reconstruction;
    const auto bound = estimators::importance_weighted(
        *posterior, *prior,
        [&](const Tensor& z) {
          const Tensor log_likelihood =
              vae_->likelihood(relaxation ? decoded(z, relaxation->straight_through) : z)
                  ->log_prob(x);
          reconstruction = -log_likelihood.detach().mean();
          return log_likelihood;
        },
        estimator_, random);
    const Tensor kl = [&] {
      const at::NoGradGuard no_grad;
      return distributions::kl_divergence(*codes, *prior_).mean();  // whatever was trained
    }();
    return {-bound.surrogate.mean(), named(-bound.value.mean(), reconstruction, kl)};
  }

  static Losses named(const Tensor& loss, const Tensor& reconstruction, const Tensor& kl) {
    return {{"loss", loss}, {"reconstruction", reconstruction}, {"kl", kl}};
  }

  training::Values on_held_out() {
    const Bounds seen =
        evaluate(*vae_, held_out_, stream_.child(kHeldOutSamples), {.samples = 1, .batch = 500});
    const auto reconstruction = -seen.reconstruction.mean().item<double>();
    const auto kl = seen.divergence.mean().item<double>();
    double loss = reconstruction + kl;
    if (options_.objective == Objective::without_regularizer) loss = reconstruction;
    if (options_.objective == Objective::without_reconstruction) loss = kl;
    return {
        {"held_out_loss", loss}, {"held_out_reconstruction", reconstruction}, {"held_out_kl", kl}};
  }

  const std::shared_ptr<Vae> vae_;
  Estimator& estimator_;
  const Stream stream_;
  const TrainingOptions& options_;
  distributions::DistributionPtr prior_;
  training::RunFacts facts_;
  Tensor train_;             // uint8, on the device
  bool bits_drawn_ = false;  // new bits in every step
  Tensor held_out_;          // undefined if there are none
  std::optional<training::Batches> batches_;
  Share share_;
  std::vector<Part> parts_;
};

}  // namespace

TrainingResult train(const std::shared_ptr<Vae>& vae, const Tensor& images, Estimator& estimator,
                     const Stream& stream, const TrainingOptions& options,
                     const training::RunFiles& files, const Progress& progress) {
  check(options);
  return Trainer(vae, images, estimator, stream, options).run(files, progress);
}

double schedule_factor(Schedule schedule, double epochs) {
  if (schedule == Schedule::constant) return 1;
  constexpr int kStages = 8;
  int stage = 0;
  for (double end = 1, length = 1; stage < kStages - 1 && epochs >= end; ++stage) {
    length *= 3;
    end += length;
  }
  return std::pow(10, -stage / 7.0);
}

Tensor evaluation_images(const Tensor& images, Decoder decoder, const Stream& stream) {
  if (decoder == Decoder::gaussian) return grays(images);
  constexpr std::int64_t kAtOnce = 4096;  // images whose intermediate results exist at a time
  const Random random(stream);
  std::vector<Tensor> bits;
  for (const Tensor& some : images.split(kAtOnce)) bits.push_back(binarize(grays(some), random));
  return at::cat(bits);
}

}  // namespace partita::vae
