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
#include "apps/tour/largest_difference.hpp"
#include "partita/detection/detection_metrics.hpp"
#include "partita/detection/knn.hpp"
#include "partita/detection/logit_score.hpp"
#include "partita/detection/mahalanobis.hpp"
#include "partita/learn/losses/confidence.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/openset/confident_classifier.hpp"
#include "partita/learn/openset/odin.hpp"
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
  const auto kl = [&](const Tensor& at) {  // from the uniform distribution: Σ ⅓ log(⅓ / p)
    return (-std::log(3.0) - classifier->forward(at).log_softmax(1).mean(1)).mean();
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
  // or more.
  Finding finding{
      .checks = {
          at_least("mean confidence around the classes: cross-entropy", around("cross-entropy"),
                   0.97),
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

/// Detection accuracy by its definition: the best of all thresholds, both ends included.
double accuracy_by_hand(const std::vector<double>& in, const std::vector<double>& out) {
  std::vector<double> thresholds = in;
  thresholds.insert(thresholds.end(), out.begin(), out.end());
  double best = 0.5;  // below all scores
  for (const double t : thresholds) {
    double wrong_in = 0;
    double wrong_out = 0;
    for (const double s : in) wrong_in += s <= t ? 1 : 0;
    for (const double s : out) wrong_out += s > t ? 1 : 0;
    best = std::max(best, 1 - 0.5 * (wrong_in / static_cast<double>(in.size()) +
                                     wrong_out / static_cast<double>(out.size())));
  }
  return best;
}

double auroc_by_hand(const std::vector<double>& in, const std::vector<double>& out) {
  double won = 0;
  for (const double a : in) {
    for (const double b : out) won += a > b ? 1 : a == b ? 0.5 : 0;
  }
  return won / static_cast<double>(in.size() * out.size());
}

/// Features [n, 4] of classes around their means.
struct Examples {
  Tensor features;
  std::vector<std::int64_t> labels;

  Rows rows() const { return rows_of(features); }
};

Examples examples(const Tensor& means, std::int64_t n, const Random& random) {
  const Tensor label = at::arange(n, at::kLong).remainder(means.size(0));
  return {(means.index_select(0, label) + random.normal({n, 4}, at::kDouble)).contiguous(),
          {label.data_ptr<std::int64_t>(), label.data_ptr<std::int64_t>() + n}};
}

Finding detection(const TourContext& context) {
  // Scores of few values, so that most are tied, and infinite ones at both ends.
  std::vector<double> in;
  std::vector<double> out;
  for (std::uint64_t i = 0; i < 60; ++i) {
    in.push_back(std::round(context.stream(0).normal(i) + 1));
    out.push_back(std::round(context.stream(1).normal(i)));
  }
  in.back() = kInfinity;
  out.back() = -kInfinity;
  const DetectionMetrics metrics = detection_metrics(in, out, Positive::in);
  const auto changed = [](std::vector<double> scores) {
    for (double& s : scores) s = std::atan(s);
    return scores;
  };
  const DetectionMetrics mapped = detection_metrics(changed(in), changed(out), Positive::in);
  const double moved = std::abs(metrics.auroc - mapped.auroc) +
                       std::abs(metrics.aupr_in - mapped.aupr_in) +
                       std::abs(metrics.aupr_out - mapped.aupr_out) +
                       std::abs(metrics.fpr_at_95_tpr - mapped.fpr_at_95_tpr) +
                       std::abs(metrics.detection_accuracy - mapped.detection_accuracy);
  const std::vector<double> tied(10, 0.7);
  Finding finding{
      .checks = {equal("AUROC of tied and infinite scores less the share of pairs in order",
                       metrics.auroc - auroc_by_hand(in, out), 0, 1e-14),
                 equal("detection accuracy less that of every threshold tried",
                       metrics.detection_accuracy - accuracy_by_hand(in, out), 0, 1e-14),
                 equal("detection accuracy of scores all tied",
                       detection_metrics(tied, tied, Positive::in).detection_accuracy, 0.5, 0),
                 equal("largest change of all five under atan of the scores", moved, 0, 0),
                 equal("FPR at 95 % TPR where one of four known scores below the unknown",
                       detection_metrics(std::vector<double>{0, 1, 1, 1},
                                         std::vector<double>{0.5, 0.5}, Positive::in)
                           .fpr_at_95_tpr,
                       1, 0),
                 equal("and with the unknown as positive, the share of known at or below them",
                       detection_metrics(std::vector<double>{0, 1, 1, 1},
                                         std::vector<double>{0.5, 0.5}, Positive::out)
                           .fpr_at_95_tpr,
                       0.25, 0)}};

  const Random random(context.stream(2));
  const std::int64_t n = context.choose<std::int64_t>(6000, 1500);
  const Tensor means = 4 * at::eye(4, at::kDouble).slice(0, 0, 3);
  const Examples training = examples(means, n, random);
  const Examples known = examples(means, n, random);
  const Examples unknown =
      examples(at::tensor({0.0, 0.0, 0.0, 4.0}, at::kDouble).view({1, 4}), n, random);
  const openset::Classifier classify = [&](const Tensor& x) {  // the best linear one
    return (x.mm(means.t()) - means.square().sum(1) / 2).contiguous();
  };
  // An AUROC A of n against n has a deviation of about sqrt(A (1 - A) / (3 n)) (Hanley, McNeil
  // 1982): .0035 for a quick tour's .96, .0015 for .99. Bounds are five of them below what all
  // seeds share.
  const auto auroc = [](const std::vector<double>& a, const std::vector<double>& b) {
    return detection_metrics(a, b, Positive::in).auroc;
  };
  const auto add = [&](const char* name, double measured, double bound) {
    finding.checks.push_back(at_least(std::string("AUROC of ") + name, measured, bound));
  };
  const Tensor z_in = classify(known.features);
  const Tensor z_out = classify(unknown.features);
  const auto of_logits = [&](LogitScore score, double temperature = 1) {
    return auroc(logit_scores(score, rows_of(z_in), temperature),
                 logit_scores(score, rows_of(z_out), temperature));
  };
  add("max-softmax", of_logits(LogitScore::msp), 0.945);
  add("max-logit", of_logits(LogitScore::max_logit), 0.985);
  add("entropy", of_logits(LogitScore::entropy), 0.945);
  add("energy", of_logits(LogitScore::energy), 0.985);
  const openset::OdinOptions odin{.epsilon = 0.3};
  const double by_odin = auroc(to_vector(openset::odin_scores(classify, known.features, odin)),
                               to_vector(openset::odin_scores(classify, unknown.features, odin)));
  add("ODIN", by_odin, 0.955);
  // The step adds epsilon |w - mean w|₁ to a linear classifier's lead: the same to all inputs where
  // classes are alike, as here. What is left is its temperature.
  finding.checks.push_back(equal("less that of max-softmax at ODIN's temperature",
                                 by_odin - of_logits(LogitScore::msp, odin.temperature), 0, 1e-4));
  const Mahalanobis distance = Mahalanobis::fit(training.rows(), training.labels);
  add("Mahalanobis distance", auroc(distance.scores(known.rows()), distance.scores(unknown.rows())),
      0.99);
  add("nearest neighbors",
      auroc(knn_scores(known.rows(), training.rows(), 10),
            knn_scores(unknown.rows(), training.rows(), 10)),
      0.99);
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
     detection},
};

}  // namespace

Chapter open_set_chapter() { return {"open-set", "B. Open set", kOpenSetClaims}; }

}  // namespace partita::app
