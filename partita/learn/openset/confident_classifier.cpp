// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/confident_classifier.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/confidence.hpp"
#include "partita/learn/openset/gan_losses.hpp"
#include "partita/learn/openset/shell.hpp"

namespace partita::openset {
namespace {

using training::Losses;
using training::Part;

constexpr double kBeta2 = 0.999;

enum Index : std::size_t { kClassifier, kGenerator, kDiscriminator };

/// That no row of a batch has a say in the output of another: ranks see but their own.
void check_rows_apart(const std::string& name, const torch::nn::Sequential& network,
                      const Group& group) {
  if (group.size() == 1) return;
  for (const auto& module : network->modules()) {
    if (module->name().find("BatchNorm") == std::string::npos) continue;
    throw InvalidArgument("group", fmt::format("the {} has batch normalization, which needs whole "
                                               "batches: train it in one process",
                                               name));
  }
}

Part part(std::string name, const torch::nn::Sequential& network, double beta1,
          const ConfidentClassifierOptions& options) {
  auto adam = std::make_shared<torch::optim::Adam>(
      network->parameters(),
      torch::optim::AdamOptions(options.learning_rate).betas(std::make_tuple(beta1, kBeta2)));
  check_rows_apart(name, network, *options.group);
  return {std::move(name), network.ptr(), std::move(adam),
          options.clip_norm > 0 ? options.clip_norm : std::numeric_limits<double>::infinity(),
          options.group};
}

void check(const ConfidentClassifierOptions& options) {
  check_in("beta", options.beta, "[0, inf)");
  check_in("learning_rate", options.learning_rate, "(0, inf)");
  check_in("entropy_weight", options.entropy_weight, "[0, inf)");
  check_in("shell", options.shell, "(0, 1]");
  check_in("beta1", options.beta1, "[0, 1)");
  check_in("gan_beta1", options.gan_beta1, "[0, 1)");
  check_in("clip_norm", options.clip_norm, "[0, inf]");
}

}  // namespace

Tensor without_reject(const Tensor& logits) {
  const std::int64_t classes = logits.size(-1) - 1;
  const Tensor lead = logits.narrow(-1, 0, classes) - logits.narrow(-1, classes, 1);
  return at::logaddexp(lead, at::full({}, -std::log(static_cast<double>(classes)), lead.options()));
}

ConfidentClassifier::ConfidentClassifier(torch::nn::Sequential classifier,
                                         const ConfidentClassifierOptions& options)
    : classifier_(std::move(classifier)), options_(options) {
  check(options);
  parts_ = {part("classifier", classifier_, options.beta1, options)};
}

ConfidentClassifier::ConfidentClassifier(torch::nn::Sequential classifier,
                                         torch::nn::Sequential generator,
                                         torch::nn::Sequential discriminator,
                                         const ConfidentClassifierOptions& options)
    : ConfidentClassifier(std::move(classifier), options) {
  generator_ = std::move(generator);
  discriminator_ = std::move(discriminator);
  parts_.push_back(part("generator", generator_, options.gan_beta1, options));
  parts_.push_back(part("discriminator", discriminator_, options.gan_beta1, options));
  if (options.entropy_weight > 0 && options.group->size() > 1) {
    throw InvalidArgument("entropy_weight",
                          "the entropy is that of a whole batch: train in one process");
  }
}

Losses ConfidentClassifier::cross_entropy_step(const Tensor& x, const Tensor& y) {
  const Share share = share_of(x);
  const Tensor loss =
      share.weight() * losses::cross_entropy(classifier_->forward(share.of(x)), share.of(y));
  training::descend(parts_[kClassifier], loss);
  return {{"cross_entropy", loss}};
}

Losses ConfidentClassifier::confidence_step(const Tensor& x, const Tensor& y,
                                            const Tensor& unknown) {
  const Share known = share_of(x);
  const Share other = share_of(unknown);
  return confidence(classifier_->forward(at::cat({known.of(x), other.of(unknown)})), known.of(y),
                    known.weight(), other.weight());
}

Losses ConfidentClassifier::shell_step(const Tensor& x, const Tensor& y, const Random& random) {
  if (options_.group->size() > 1) {
    throw InvalidArgument("shell",
                          "draws from the features of a whole batch: train in one process");
  }
  Tensor features = x;
  const auto last = classifier_->end() - 1;
  for (auto layer = classifier_->begin(); layer != last; ++layer) {
    features = layer->forward<Tensor>(features);
  }
  const Tensor unknown = shell(features.detach(), y, x.size(0), random, options_.shell);
  return confidence(last->forward<Tensor>(at::cat({features, unknown})), y, 1, 1);
}

Losses ConfidentClassifier::gan_step(const Tensor& x, const Random& random) {
  check_gan();
  const Share share = share_of(x);
  const Tensor fake = samples(share, random);
  const Tensor discriminator =
      share.weight() * discriminator_loss(discriminator_->forward(share.of(x)),
                                          discriminator_->forward(fake.detach()),
                                          options_.generator_loss);
  training::descend(parts_[kDiscriminator], discriminator);

  const Tensor deception =
      share.weight() * generator_loss(discriminator_->forward(fake), options_.generator_loss);
  Losses told = {{"discriminator", discriminator}, {"generator", deception}};
  Tensor loss = deception + options_.beta * unsure(classifier_->forward(fake)) * share.weight();
  if (options_.entropy_weight > 0) {
    const Tensor spread = entropy(fake, options_.entropy);
    loss = loss - options_.entropy_weight * spread;
    told.emplace_back("entropy", spread);
  }
  training::descend(parts_[kGenerator], loss);
  return told;
}

Losses ConfidentClassifier::joint_step(const Tensor& x, const Tensor& y, const Random& random) {
  const Losses gan = gan_step(x, random);
  const Share share = share_of(x);
  const Tensor unknown = [&] {
    const at::NoGradGuard no_grad;
    return samples(share, random);
  }();
  Losses all = confidence(classifier_->forward(at::cat({share.of(x), unknown})), share.of(y),
                          share.weight(), share.weight());
  all.insert(all.end(), gan.begin(), gan.end());
  return all;
}

void ConfidentClassifier::scale_learning_rate(double factor) {
  for (const Part& part : parts_) {
    for (torch::optim::OptimizerParamGroup& group : part.optimizer->param_groups()) {
      group.options().set_lr(factor * options_.learning_rate);
    }
  }
}

Tensor ConfidentClassifier::logits(const Tensor& x) {
  const at::NoGradGuard no_grad;
  const Tensor all = classifier_->forward(x);
  return options_.reject ? without_reject(all) : all;
}

Tensor ConfidentClassifier::generate(std::int64_t count, const Random& random) {
  const at::NoGradGuard no_grad;
  return samples({.first = 0, .size = count, .total = count}, random);
}

Tensor ConfidentClassifier::samples(const Share& share, const Random& random) {
  check_gan();
  const at::TensorOptions like = generator_->parameters().front().options();
  return generator_->forward(
      random.of(share).normal({share.size, options_.noise}, like.requires_grad(false)));
}

/// What asks a classifier to be unsure, from its logits for unknown examples.
Tensor ConfidentClassifier::unsure(const Tensor& logits) const {
  if (!options_.reject) return losses::kl_from_uniform(logits);
  return -logits.log_softmax(-1).select(-1, logits.size(-1) - 1).mean();
}

/// The classifier's step, from its logits for the examples of y, and for unknown ones after them;
/// the weights are those of this rank's shares.
Losses ConfidentClassifier::confidence(const Tensor& logits, const Tensor& y, double known_weight,
                                       double unknown_weight) {
  const Tensor cross_entropy =
      known_weight * losses::cross_entropy(logits.slice(0, 0, y.size(0)), y);
  const Tensor unknown = unknown_weight * unsure(logits.slice(0, y.size(0)));
  training::descend(parts_[kClassifier], cross_entropy + options_.beta * unknown);
  return {{"cross_entropy", cross_entropy}, {options_.reject ? "reject" : "kl", unknown}};
}

void ConfidentClassifier::check_gan() const {
  if (generator_.is_empty()) throw InvalidArgument("model", "has no generator and discriminator");
}

}  // namespace partita::openset
