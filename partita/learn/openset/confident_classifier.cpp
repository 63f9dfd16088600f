#include "partita/learn/openset/confident_classifier.hpp"

#include <ATen/ATen.h>
#include <torch/optim/adam.h>

#include <limits>
#include <memory>
#include <string>
#include <tuple>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/learn/losses/confidence.hpp"

namespace partita::openset {
namespace {

using training::Losses;
using training::Part;

constexpr double kBeta2 = 0.999;

enum Index : std::size_t { kClassifier, kGenerator, kDiscriminator };

Part part(std::string name, const torch::nn::Sequential& network,
          const ConfidentClassifierOptions& options) {
  auto adam = std::make_shared<torch::optim::Adam>(
      network->parameters(), torch::optim::AdamOptions(options.learning_rate)
                                 .betas(std::make_tuple(options.beta1, kBeta2)));
  return {std::move(name), network.ptr(), std::move(adam),
          options.clip_norm > 0 ? options.clip_norm : std::numeric_limits<double>::infinity()};
}

/// -E log D or -E log(1 - D), D = sigmoid(logits).
Tensor minus_log_probability(const Tensor& logits, bool real) {
  return losses::binary_cross_entropy_with_logits(
      logits, real ? at::ones_like(logits) : at::zeros_like(logits));
}

void check(const ConfidentClassifierOptions& options) {
  check_in("beta", options.beta, "[0, inf)");
  check_in("learning_rate", options.learning_rate, "(0, inf)");
  check_in("beta1", options.beta1, "[0, 1)");
  check_in("clip_norm", options.clip_norm, "[0, inf]");
}

}  // namespace

Tensor discriminator_loss(const Tensor& real_logits, const Tensor& fake_logits) {
  return minus_log_probability(real_logits, true) + minus_log_probability(fake_logits, false);
}

Tensor generator_loss(const Tensor& fake_logits, GeneratorLoss loss) {
  return loss == GeneratorLoss::saturating ? -minus_log_probability(fake_logits, false)
                                           : minus_log_probability(fake_logits, true);
}

ConfidentClassifier::ConfidentClassifier(torch::nn::Sequential classifier,
                                         const ConfidentClassifierOptions& options)
    : classifier_(std::move(classifier)), options_(options) {
  check(options);
  parts_ = {part("classifier", classifier_, options)};
}

ConfidentClassifier::ConfidentClassifier(torch::nn::Sequential classifier,
                                         torch::nn::Sequential generator,
                                         torch::nn::Sequential discriminator,
                                         const ConfidentClassifierOptions& options)
    : ConfidentClassifier(std::move(classifier), options) {
  generator_ = std::move(generator);
  discriminator_ = std::move(discriminator);
  parts_.push_back(part("generator", generator_, options));
  parts_.push_back(part("discriminator", discriminator_, options));
}

Losses ConfidentClassifier::cross_entropy_step(const Tensor& x, const Tensor& y) {
  const Tensor loss = losses::cross_entropy(classifier_->forward(x), y);
  training::descend(parts_[kClassifier], loss);
  return {{"cross_entropy", loss}};
}

Losses ConfidentClassifier::confidence_step(const Tensor& x, const Tensor& y,
                                            const Tensor& unknown) {
  const Tensor logits = classifier_->forward(at::cat({x, unknown}));
  const Tensor cross_entropy = losses::cross_entropy(logits.slice(0, 0, x.size(0)), y);
  const Tensor kl = losses::kl_from_uniform(logits.slice(0, x.size(0)));
  training::descend(parts_[kClassifier], cross_entropy + options_.beta * kl);
  return {{"cross_entropy", cross_entropy}, {"kl", kl}};
}

Losses ConfidentClassifier::gan_step(const Tensor& x, const Random& random) {
  check_gan();
  const Tensor fake = samples(x.size(0), random);
  const Tensor discriminator =
      discriminator_loss(discriminator_->forward(x), discriminator_->forward(fake.detach()));
  training::descend(parts_[kDiscriminator], discriminator);

  const Tensor deception = generator_loss(discriminator_->forward(fake), options_.generator_loss);
  const Tensor unsure = losses::kl_from_uniform(classifier_->forward(fake));
  training::descend(parts_[kGenerator], deception + options_.beta * unsure);
  return {{"discriminator", discriminator}, {"generator", deception}};
}

Losses ConfidentClassifier::joint_step(const Tensor& x, const Tensor& y, const Random& random) {
  const Losses gan = gan_step(x, random);
  Losses all = confidence_step(x, y, generate(x.size(0), random));
  all.insert(all.end(), gan.begin(), gan.end());
  return all;
}

Tensor ConfidentClassifier::logits(const Tensor& x) {
  const at::NoGradGuard no_grad;
  return classifier_->forward(x);
}

Tensor ConfidentClassifier::generate(std::int64_t count, const Random& random) {
  const at::NoGradGuard no_grad;
  return samples(count, random);
}

Tensor ConfidentClassifier::samples(std::int64_t count, const Random& random) {
  check_gan();
  const at::TensorOptions like = generator_->parameters().front().options();
  return generator_->forward(random.normal({count, options_.noise}, like.requires_grad(false)));
}

void ConfidentClassifier::check_gan() const {
  if (generator_.is_empty()) throw InvalidArgument("model", "has no generator and discriminator");
}

}  // namespace partita::openset
