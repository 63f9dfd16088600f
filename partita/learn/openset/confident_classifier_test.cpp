// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/openset/confident_classifier.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn/modules/linear.h>

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/losses/confidence.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/openset/gan_losses.hpp"
#include "partita/learn/openset/shell.hpp"
#include "partita/learn/training/batches.hpp"

namespace partita::openset {
namespace {

using partita::testing::message_of;
using ::testing::ElementsAre;
using training::Losses;

constexpr std::int64_t kNoise = 4;

torch::nn::Sequential network(const std::vector<std::int64_t>& sizes, std::uint64_t id) {
  torch::nn::Sequential made = networks::mlp(sizes);
  networks::initialize(made, Stream{.seed = 3, .id = id});
  return made;
}

ConfidentClassifier model(ConfidentClassifierOptions options = {}) {
  options.noise = kNoise;
  return {network({2, 16, 3}, 1), network({kNoise, 16, 2}, 2), network({2, 16, 1}, 3), options};
}

Tensor points(std::int64_t n, std::uint64_t id) {
  return Random(Stream{.seed = 4, .id = id}).normal({n, 2}, at::kFloat);
}
Tensor classes(std::int64_t n) { return at::arange(n, at::kLong).remainder(3); }

/// Parameters and gradients of each part, by its name.
std::map<std::string, std::vector<Tensor>> weights(const ConfidentClassifier& of) {
  std::map<std::string, std::vector<Tensor>> out;
  for (const auto& part : of.parts()) {
    for (const Tensor& t : part.module->parameters()) {
      out[part.name].push_back(t.detach().clone());
    }
  }
  return out;
}

std::vector<std::string> names(const Losses& losses) {
  std::vector<std::string> out;
  for (const auto& [name, loss] : losses) out.push_back(name);
  return out;
}

double value(const Losses& losses, const std::string& name) {
  for (const auto& [key, loss] : losses) {
    if (key == name) return loss.item<double>();
  }
  ADD_FAILURE() << "no " << name;
  return NAN;
}

bool same(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  for (std::size_t i = 0; i < a.size(); ++i) {
    if (!at::equal(a[i], b[i])) return false;
  }
  return a.size() == b.size();
}

/// The first step of Adam is the learning rate times the gradient's sign (its epsilon aside), so
/// the step shows which gradient was taken.
std::vector<Tensor> first_step(const std::vector<Tensor>& parameters, const Tensor& loss,
                               double learning_rate) {
  std::vector<Tensor> after;
  const auto gradients = torch::autograd::grad({loss}, parameters);
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const Tensor& g = gradients[i];
    after.push_back(parameters[i].detach() - learning_rate * g / (g.abs() + 1e-8));
  }
  return after;
}

void expect_close(const std::vector<Tensor>& a, const std::vector<Tensor>& b) {
  ASSERT_EQ(a.size(), b.size());
  for (std::size_t i = 0; i < a.size(); ++i) {
    EXPECT_LT((a[i] - b[i]).abs().max().item<double>(), 2e-6) << i;
  }
}

TEST(ConfidentClassifier, StepsOfTheClassifierAlone) {
  const Tensor x = points(6, 1);
  const Tensor y = classes(6);
  const Tensor unknown = points(9, 2) * 3;
  {
    ConfidentClassifier one = model();
    const auto before = weights(one);
    const auto parameters = one.parts()[0].module->parameters();
    auto forward = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(one.parts()[0].module);
    const auto expected =
        first_step(parameters, losses::cross_entropy(forward->forward(x), y), 2e-4);
    EXPECT_THAT(names(one.cross_entropy_step(x, y)), ElementsAre("cross_entropy"));
    expect_close(weights(one)["classifier"], expected);
    EXPECT_TRUE(same(weights(one)["generator"], before.at("generator")));
    EXPECT_TRUE(same(weights(one)["discriminator"], before.at("discriminator")));
  }
  ConfidentClassifier two = model({.beta = 0.7, .learning_rate = 1e-3});
  auto forward = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(two.parts()[0].module);
  const Tensor loss =
      losses::confidence_loss(forward->forward(x), y, forward->forward(unknown), 0.7);
  const auto expected = first_step(two.parts()[0].module->parameters(), loss, 1e-3);
  const Losses told = two.confidence_step(x, y, unknown);
  EXPECT_NEAR(value(told, "cross_entropy") + 0.7 * value(told, "kl"), loss.item<double>(), 1e-6);
  expect_close(weights(two)["classifier"], expected);
}

TEST(ConfidentClassifier, AGanStepHoldsTheClassifier) {
  ConfidentClassifier held = model({.beta = 3});
  const auto before = weights(held);
  const Losses told = held.gan_step(points(6, 1), Stream{.seed = 5});
  EXPECT_THAT(names(told), ElementsAre("discriminator", "generator"));
  const auto after = weights(held);
  for (std::size_t i = 0; i < before.at("classifier").size(); ++i) {
    EXPECT_TRUE(at::equal(before.at("classifier")[i], after.at("classifier")[i]));
  }
  for (const char* moved : {"generator", "discriminator"}) {
    EXPECT_FALSE(at::equal(before.at(moved).front(), after.at(moved).front())) << moved;
  }
}

/// The three steps written out once more, from equation 4 of the paper: each moves its own network
/// by its own loss, given what the others are by then.
TEST(ConfidentClassifier, EachJointStepMovesItsOwnNetwork) {
  for (const auto kind :
       {GeneratorLoss::saturating, GeneratorLoss::non_saturating, GeneratorLoss::fence}) {
    constexpr double kBeta = 0.6;
    constexpr double kEntropyWeight = 0.4;
    const ConfidentClassifierOptions options{
        .beta = kBeta, .generator_loss = kind, .entropy_weight = kEntropyWeight};
    const Tensor x = points(6, 1);
    const Tensor y = classes(6);
    ConfidentClassifier joint = model(options);
    const Losses told = joint.joint_step(x, y, Stream{.seed = 5});
    EXPECT_THAT(names(told),
                ElementsAre("cross_entropy", "kl", "discriminator", "generator", "entropy"));

    ConfidentClassifier reference = model(options);
    const auto net = [&](std::size_t i) {
      return std::dynamic_pointer_cast<torch::nn::SequentialImpl>(reference.parts()[i].module);
    };
    const auto move = [&](std::size_t i, const std::vector<Tensor>& to) {
      const at::NoGradGuard no_grad;
      for (std::size_t p = 0; p < to.size(); ++p) net(i)->parameters()[p].copy_(to[p]);
    };
    const auto classifier = net(0);
    const auto generator = net(1);
    const auto discriminator = net(2);
    const Random random(Stream{.seed = 5});
    const Tensor z = random.normal({6, kNoise}, at::kFloat);
    const Tensor fresh = random.normal({6, kNoise}, at::kFloat);
    EXPECT_FALSE(at::equal(z, fresh));

    const Tensor d_loss =
        -discriminator->forward(x).sigmoid().log().mean() -
        (kind == GeneratorLoss::fence ? 0.1 : 1) *
            (1 - discriminator->forward(generator->forward(z)).sigmoid()).log().mean();
    EXPECT_NEAR(value(told, "discriminator"), d_loss.item<double>(), 1e-5);
    const auto d_after = first_step(discriminator->parameters(), d_loss, 2e-4);
    expect_close(weights(joint)["discriminator"], d_after);
    move(2, d_after);

    const Tensor d_fake = discriminator->forward(generator->forward(z)).sigmoid();
    const Tensor deception = kind == GeneratorLoss::saturating ? (1 - d_fake).log().mean()
                             : kind == GeneratorLoss::non_saturating
                                 ? -d_fake.log().mean()
                                 : -(d_fake.log() + (1 - d_fake).log()).mean() / 2;
    EXPECT_NEAR(value(told, "generator"), deception.item<double>(), 1e-5);
    const auto kl = [&](const Tensor& noise) {
      const Tensor logits = classifier->forward(generator->forward(noise));
      return (logits.logsumexp(-1) - logits.mean(-1) - std::log(3)).mean();
    };
    const Tensor spread = nearest_neighbor_entropy(generator->forward(z));
    EXPECT_NEAR(value(told, "entropy"), spread.item<double>(), 1e-5);
    const auto g_after = first_step(generator->parameters(),
                                    deception + kBeta * kl(z) - kEntropyWeight * spread, 2e-4);
    expect_close(weights(joint)["generator"], g_after);
    move(1, g_after);

    const Tensor right = losses::cross_entropy(classifier->forward(x), y);
    const auto c_after = first_step(classifier->parameters(), right + kBeta * kl(fresh), 2e-4);
    expect_close(weights(joint)["classifier"], c_after);
    for (const auto& part : joint.parts()) {
      for (const Tensor& p : part.module->parameters()) EXPECT_FALSE(p.grad().defined());
    }
  }
}

/// Of three outputs the last is for none of two classes.
TEST(ConfidentClassifier, ARejectClassTakesTheUnknown) {
  const Tensor x = points(6, 1);
  const Tensor y = at::arange(6, at::kLong).remainder(2);
  const Tensor unknown = points(9, 2) * 3;
  ConfidentClassifier rejecting = model({.beta = 0.7, .reject = true});
  auto forward = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(rejecting.parts()[0].module);
  const Tensor loss =
      losses::cross_entropy(forward->forward(x), y) +
      0.7 * losses::cross_entropy(forward->forward(unknown), at::full({9}, 2, at::kLong));
  const auto expected = first_step(rejecting.parts()[0].module->parameters(), loss, 2e-4);
  const Losses told = rejecting.confidence_step(x, y, unknown);
  EXPECT_THAT(names(told), ElementsAre("cross_entropy", "reject"));
  EXPECT_NEAR(value(told, "cross_entropy") + 0.7 * value(told, "reject"), loss.item<double>(),
              1e-6);
  expect_close(weights(rejecting)["classifier"], expected);

  const Tensor all = forward->forward(x).softmax(-1);
  const Tensor two = rejecting.logits(x);
  ASSERT_EQ(two.size(1), 2);
  const Tensor shared = all.narrow(1, 0, 2) + all.narrow(1, 2, 1) / 2;
  EXPECT_LT((two.softmax(-1) - shared).abs().max().item<double>(), 1e-6);
  EXPECT_LT((two.logsumexp(-1) + all.select(1, 2).log()).abs().max().item<double>(), 1e-5);
}

/// With the last layer alone trained on the unknown: its features are given, not learned from.
TEST(ConfidentClassifier, AShellStepDrawsTheUnknownFromFeatures) {
  const Tensor x = points(60, 1);
  const Tensor y = classes(60);
  ConfidentClassifier shells = model({.beta = 0.7, .shell = 0.1});
  auto network = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(shells.parts()[0].module);
  const Tensor features = network->ptr<torch::nn::LinearImpl>(0)->forward(x).relu();
  const auto last = network->ptr<torch::nn::LinearImpl>(2);
  const Tensor unknown = shell(features.detach(), y, 60, Stream{.seed = 5}, 0.1);
  const Tensor loss =
      losses::confidence_loss(last->forward(features), y, last->forward(unknown), 0.7);
  const auto expected = first_step(network->parameters(), loss, 2e-4);
  shells.shell_step(x, y, Stream{.seed = 5});
  expect_close(weights(shells)["classifier"], expected);
}

TEST(ConfidentClassifier, LearningRatesFollowASchedule) {
  ConfidentClassifier slow = model({.learning_rate = 1e-2});
  const Tensor x = points(6, 1);
  auto network = std::dynamic_pointer_cast<torch::nn::SequentialImpl>(slow.parts()[0].module);
  for (const double factor : {0.1, 0.1}) {
    const auto before = weights(slow)["classifier"];
    slow.scale_learning_rate(factor);
    slow.cross_entropy_step(x, classes(6));
    const double moved = (weights(slow)["classifier"][0] - before[0]).abs().max().item<double>();
    EXPECT_NEAR(moved, 1e-3, 1e-4) << "of the options' rate, not of the last one";
  }
}

/// Two classes on a line, examples of the unknown around them.
TEST(ConfidentClassifier, TheConfidenceLossMakesItUnsureOffTheClasses) {
  const Tensor x = at::cat({points(200, 1) * 0.3 - 2, points(200, 2) * 0.3 + 2});
  const Tensor y = at::cat({at::zeros({200}, at::kLong), at::ones({200}, at::kLong)});
  const Tensor angle = points(400, 3);
  const Tensor unknown = 5 * angle / angle.norm(2, -1, /*keepdim=*/true);
  const auto confidence = [&](bool given) {
    ConfidentClassifier trained(network({2, 32, 2}, 9), {.learning_rate = 1e-2});
    for (int step = 0; step < 300; ++step) {
      if (given) {
        trained.confidence_step(x, y, unknown);
      } else {
        trained.cross_entropy_step(x, y);
      }
    }
    const auto sure = [&](const Tensor& at) {
      return std::get<0>(trained.logits(at).softmax(-1).max(-1)).mean().item<double>();
    };
    EXPECT_GT((trained.logits(x).argmax(-1) == y).to(at::kFloat).mean().item<double>(), 0.98);
    return std::pair(sure(x), sure(unknown));
  };
  const auto [plain_in, plain_out] = confidence(false);
  const auto [in, out] = confidence(true);
  EXPECT_GT(plain_in, 0.99);
  EXPECT_GT(plain_out, 0.9);
  EXPECT_GT(in, 0.9);
  EXPECT_LT(out, 0.65);
}

TEST(ConfidentClassifier, RefusesWhatCannotBe) {
  ConfidentClassifier alone(network({2, 4, 3}, 1));
  EXPECT_EQ(alone.parts().size(), 1U);
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { alone.joint_step(points(2, 1), classes(2), Stream{}); }),
      "model: has no generator and discriminator");
  EXPECT_EQ(message_of<InvalidArgument>([] { model({.beta = -1}); }),
            "beta: expected a number in [0, inf), got -1");
  EXPECT_EQ(message_of<InvalidArgument>([] { model({.learning_rate = 0}); }),
            "learning_rate: expected a number in (0, inf), got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { model({.beta1 = 1}); }),
            "beta1: expected a number in [0, 1), got 1");
  EXPECT_EQ(message_of<InvalidArgument>([] { model({.entropy_weight = -1}); }),
            "entropy_weight: expected a number in [0, inf), got -1");
}

}  // namespace
}  // namespace partita::openset
