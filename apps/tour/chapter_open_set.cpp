// SPDX-License-Identifier: Apache-2.0
// B: classifiers that know what they do not know.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "apps/experiments/openset/experiment.hpp"
#include "apps/experiments/openset/report.hpp"
#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "apps/tour/detection.hpp"
#include "apps/tour/largest_difference.hpp"
#include "partita/learn/losses/confidence.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/openset/confident_classifier.hpp"
#include "partita/learn/rows.hpp"
#include "partita/softmax/divergence.hpp"

namespace partita::app {
namespace {

Finding confidence_loss(const TourContext& context) {
  const Random random(context.stream(0));
  const Tensor z = (3 * random.normal({20, 6}, at::kDouble)).set_requires_grad(true);
  losses::kl_from_uniform(z, losses::Reduction::sum).backward();
  const double gradient_error = largest_difference(z.grad(), z.detach().softmax(-1) - 1.0 / 6);

  // The divergence by another part of the library, one row of two classes after the other.
  double worst = 0;
  Series forward{.name = "KL(U‖p)", .mark = Mark::line};
  Series reversed{.name = "KL(p‖U)", .mark = Mark::line};
  const std::array uniform = {0.0, 0.0};
  for (int i = -40; i <= 40; ++i) {
    const std::array row = {i / 4.0, 0.0};
    const double kl = losses::kl_from_uniform(at::tensor(row, at::kDouble)).item<double>();
    worst = std::max(worst, std::abs(kl - kl_divergence(row_of(uniform), row_of(row)).front()));
    forward.x.push_back(row[0]);
    forward.y.push_back(kl);
    reversed.x.push_back(row[0]);
    reversed.y.push_back(kl_divergence(row_of(row), row_of(uniform)).front());
  }

  const Tensor in = random.normal({10, 6}, at::kDouble);
  const Tensor labels = at::arange(10, at::kLong).remainder(6);
  const Tensor terms = losses::cross_entropy(in, labels) + 0.3 * losses::kl_from_uniform(z);
  return {
      {at_most("gradient of KL(U‖p) against p − 1/K", gradient_error, 1e-14),
       at_most("KL(U‖p) against Σ (1/K) log((1/K)/p)", worst, 1e-14),
       at_least("KL(U‖p) at a lead of 10, over KL(p‖U)", forward.y.back() / reversed.y.back(), 6),
       equal("the loss at β = 0.3 less its two terms",
             (losses::confidence_loss(in, labels, z, 0.3) - terms).item<double>(), 0, 1e-14)},
      {{to_svg({.title = "Divergence from and to the uniform distribution",
                .x = {.label = "lead of one of two classes"},
                .y = {.label = "nats"},
                .series = {forward, reversed}}),
        "The surer p is, the harder KL(U‖p) pulls; KL(p‖U) does not, and is not what is meant."}}};
}

/// Weights of each network of a model, end to end: classifier, generator, discriminator.
std::vector<Tensor> weights(const openset::ConfidentClassifier& model) {
  std::vector<Tensor> out;
  for (const training::Part& part : model.parts()) {
    std::vector<Tensor> flat;
    for (const Tensor& p : part.module->parameters()) flat.push_back(p.detach().flatten().clone());
    out.push_back(at::cat(flat));
  }
  return out;
}

/// Adam's first step: a learning rate down the sign of each gradient, its epsilon aside.
void first_step(torch::nn::Sequential& network, const Tensor& loss, double rate) {
  const auto gradients = torch::autograd::grad({loss}, network->parameters());
  const at::NoGradGuard no_grad;
  for (std::size_t i = 0; i < gradients.size(); ++i) {
    network->parameters()[i].sub_(rate * gradients[i] / (gradients[i].abs() + 1e-8));
  }
}

Finding alternating_steps(const TourContext& context) {
  constexpr double kRate = 0.01;
  constexpr double kBeta = 0.7;
  constexpr double kEntropyWeight = 0.4;
  constexpr std::int64_t kExamples = 30;
  const auto network = [&](const std::vector<std::int64_t>& sizes, std::uint64_t id) {
    torch::nn::Sequential made = networks::mlp(sizes);
    networks::initialize(made, context.stream(id));
    made->to(at::kDouble);
    return made;
  };
  const auto three = [&] {
    return std::array{network({2, 16, 3}, 0), network({4, 16, 2}, 1), network({2, 16, 1}, 2)};
  };
  const auto [c, g, d] = three();
  openset::ConfidentClassifier model(
      c, g, d,
      {.beta = kBeta, .entropy_weight = kEntropyWeight, .noise = 4, .learning_rate = kRate});
  const Random random(context.stream(3));
  const Tensor x = random.normal({kExamples, 2}, at::kDouble);
  const Tensor y = at::arange(kExamples, at::kLong).remainder(3);

  // The same three steps, by autograd of the equations as they stand on the slide.
  auto [classifier, generator, discriminator] = three();
  const Random noise(context.stream(4));
  const Tensor z = noise.normal({kExamples, 4}, at::kDouble);
  const Tensor fresh = noise.normal({kExamples, 4}, at::kDouble);
  // From the uniform distribution: Σ ⅓ log(⅓ / p).
  const auto kl = [&judge = classifier](const Tensor& at) {
    return (-std::log(3.0) - judge->forward(at).log_softmax(1).mean(1)).mean();
  };
  first_step(discriminator,
             -discriminator->forward(x).sigmoid().log().mean() -
                 (1 - discriminator->forward(generator->forward(z)).sigmoid()).log().mean(),
             kRate);
  const Tensor fake = generator->forward(z);
  const Tensor apart = (fake.unsqueeze(0) - fake.unsqueeze(1)).square().sum(2);
  const Tensor nearest = (apart + at::eye(kExamples, at::kDouble) * 1e9).amin(1);
  const Tensor spread = nearest.log().mean();  // the entropy in the plane, but for constants
  first_step(generator,
             -discriminator->forward(fake).sigmoid().log().mean() + kBeta * kl(fake) -
                 kEntropyWeight * spread,
             kRate);
  const Tensor log_p = classifier->forward(x).log_softmax(1);
  first_step(classifier,
             -log_p.gather(1, y.unsqueeze(1)).mean() + kBeta * kl(generator->forward(fresh)),
             kRate);

  const Tensor unknown = 4 * random.normal({kExamples, 2}, at::kDouble);
  const auto before = weights(model);
  model.joint_step(x, y, context.stream(4));
  double gradients = 0;
  for (const training::Part& part : model.parts()) {
    for (const Tensor& p : part.module->parameters()) gradients += p.grad().defined() ? 1 : 0;
  }
  const auto joint = weights(model);
  const auto off = [&](std::size_t part, const torch::nn::Sequential& expected) {
    std::vector<Tensor> flat;
    for (const Tensor& p : expected->parameters()) flat.push_back(p.detach().flatten());
    return largest_difference(joint[part], at::cat(flat)) / kRate;
  };
  model.gan_step(x, random);
  const auto by_gan = weights(model);
  model.confidence_step(x, y, unknown);
  const auto by_classifier = weights(model);
  // A wrong sign or weight of a term moves some of a network's weights the other way: by 2.
  return {
      {at_most("D's step less that along its equation's gradient, in learning rates",
               off(2, discriminator), 1e-3),
       at_most("G's step, with β KL(U‖p) and the entropy", off(1, generator), 1e-3),
       at_most("the classifier's step, with β KL(U‖p) and fresh noise", off(0, classifier), 1e-3),
       equal("D's and G's steps move the classifier by", largest_difference(by_gan[0], joint[0]), 0,
             0),
       equal("the classifier's step moves the generator by",
             largest_difference(by_classifier[1], by_gan[1]), 0, 0),
       equal("and the discriminator by", largest_difference(by_classifier[2], by_gan[2]), 0, 0),
       equal("gradients that a joint step leaves behind", gradients, 0, 0)}};
}

Finding border(const TourContext& context) {
  OpensetOptions options;
  options.source = OpensetSource::toy;
  options.loss = OpensetLoss::joint;
  options.entropy_weight = 1;
  options.learning_rate = 1e-3;
  options.steps = context.choose<std::uint64_t>(4000, 1500);
  options.controls = true;
  options.seed = context.options.seed;
  options.threads = context.options.threads;
  const OpensetResult result = run_openset(options);
  const auto variant = [&](const std::string& name) -> const OpensetVariant& {
    return *std::find_if(result.variants.begin(), result.variants.end(),
                         [&](const OpensetVariant& v) { return v.name == name; });
  };
  const auto around = [&](const std::string& name) {
    return variant(name).confidence_around_classes;
  };
  const OpensetVariant& held = variant("classifier held");
  const OpensetVariant& joint = variant("joint, entropy");
  const OpensetVariant& reject = variant("confidence, border, reject");
  // Seeds differ by a deviation of .06 for few points far beyond, of .01 to .03 for the rest (.04
  // for what the held classifier's generator draws in a quick tour): bounds are four of them away
  // or more. After 1,500 steps the plain classifier is at .96 to 1, and at .9 still surer than all.
  Finding finding{
      .checks = {
          at_least("mean confidence around the classes: cross-entropy", around("cross-entropy"),
                   context.choose(0.97, 0.9)),
          at_least("given few points of a square far beyond them, less given their border",
                   around("confidence, far") - around("confidence, border"), 0.05),
          at_most("given their border", around("confidence, border"), context.choose(0.61, 0.75)),
          at_most("given their own outskirts", around("confidence, shell"), 0.85),
          at_most("by joint training with the entropy", around("joint, entropy"),
                  context.choose(0.65, 0.72)),
          at_least("by joint training without, less that",
                   around("joint") - around("joint, entropy"), context.choose(0.1, 0.05)),
          at_most("by the fence with the entropy", around("joint, fence, entropy"),
                  context.choose(0.65, 0.72)),
          at_least("accuracy of joint training with the entropy", joint.accuracy,
                   context.choose(0.99, 0.985)),
          at_least("directions of 32 in which its generator is outside the classes",
                   joint.generated_directions, 28),
          at_least("share of what the generator draws that is outside, classifier held",
                   held.generated_outside, context.choose(0.7, 0.62)),
          at_least("in directions, of 32", held.generated_directions, 16),
          at_least("mean confidence far away, given the border",
                   variant("confidence, border").confidence_far_away, 0.65),
          at_most("the same with a class for none of them", reject.confidence_far_away, 0.55)}};
  for (const OpensetVariant& each : result.variants) {
    finding.figures.push_back(openset_map(result, each));
  }
  finding.figures.front().caption += " White is one half, as unsure as can be.";
  return finding;
}

constexpr Claim kOpenSetClaims[] = {
    {"B1",
     "Off the classes the confidence loss minimizes KL(U‖p), whose gradient is p − 1/K, and not "
     "KL(p‖U).",
     confidence_loss},
    {"B2",
     "Classifier, generator and discriminator take turns, and each step moves only its own "
     "network.",
     alternating_steps},
    {"B3",
     "Examples far from the classes leave a classifier overconfident around them; examples along "
     "their border do not, and a GAN finds that border: against a classifier held fixed, and in "
     "joint training with the entropy of its samples.",
     border},
    {"B4",
     "How well a score detects the unknown is measured exactly, ties and infinities included, and "
     "only the scores' order counts.",
     detection_of_unknown},
};

}  // namespace

Chapter open_set_chapter() { return {"open-set", "B. Open set", kOpenSetClaims}; }

}  // namespace partita::app
