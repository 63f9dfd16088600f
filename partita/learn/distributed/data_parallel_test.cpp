// SPDX-License-Identifier: Apache-2.0
// Every model that the loop trains, on several ranks: their losses are those of one. The ranks are
// threads; process_group_test.cpp and tests/command have processes.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>

#include <cmath>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/base/thread_group.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/unordered_set.hpp"
#include "partita/learn/language/text_training.hpp"
#include "partita/learn/losses/adaptive_softmax.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/networks.hpp"
#include "partita/learn/openset/confident_classifier.hpp"
#include "partita/learn/seqgan/seqgan.hpp"
#include "partita/learn/seqgan/test_support.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/learn/vae/vae_training.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryDirectory;

/// Trains on one rank of a group.
using Train = std::function<training::LoopResult(Group& group)>;

training::LoopResult on(int ranks, const Train& train) {
  std::vector<training::LoopResult> results(static_cast<std::size_t>(ranks));
  run_threads(
      ranks, [&](Group& group) { results[static_cast<std::size_t>(group.rank())] = train(group); });
  for (const auto& result : results) {  // every rank knows the whole
    EXPECT_EQ(result.steps, results[0].steps);
    EXPECT_EQ(result.history.back().values, results[0].history.back().values);
  }
  return results[0];
}

/// That the values of all log entries are those of one rank's, to 1e-6 of them.
void expect_same(const training::LoopResult& one, const training::LoopResult& several) {
  ASSERT_EQ(one.history.size(), several.history.size());
  for (std::size_t i = 0; i < one.history.size(); ++i) {
    ASSERT_EQ(one.history[i].values.size(), several.history[i].values.size());
    for (std::size_t j = 0; j < one.history[i].values.size(); ++j) {
      const auto& [name, value] = one.history[i].values[j];
      EXPECT_NEAR(several.history[i].values[j].second, value, 1e-6 * std::fabs(value) + 1e-9)
          << name << " after " << one.history[i].step;
    }
  }
}

void expect_ranks_do_not_matter(const Train& train) {
  const training::LoopResult one = on(1, train);
  for (const int ranks : {2, 4}) {
    SCOPED_TRACE(ranks);
    expect_same(one, on(ranks, train));
  }
}

std::vector<std::string> lines() {
  std::vector<std::string> all;
  for (std::uint64_t i = 0; i < 60; ++i) {
    Draws draws({.seed = 3, .id = i});
    std::string line;
    do line += static_cast<char>('a' + static_cast<int>(5 * draws.uniform()));
    while (draws.uniform() > 0.1);
    all.push_back(line);
  }
  return all;
}

Train language_model(const language::NetworkOptions& network,
                     const std::shared_ptr<losses::OutputLoss>& loss) {
  return [=](Group& group) {
    language::TextModel model = language::TextModel::make(
        TextUnits::learn(UnitKind::character, lines()), network, Stream{.seed = 1});
    return language::train(model, lines(), *loss, {.seed = 2},
                           {.epochs = 2, .batch = 6, .length = 8, .held_out = 0.2, .group = &group})
        .loop;
  };
}

TEST(DataParallel, LanguageModels) {
  const language::LstmOptions lstm{.dim = 8, .dropout = 0.2};
  expect_ranks_do_not_matter(language_model(lstm, std::make_shared<losses::FullSoftmaxLoss>()));
  expect_ranks_do_not_matter(language_model(
      language::TransformerOptions{.dim = 8, .layers = 1, .heads = 2, .dropout = 0.2},
      std::make_shared<losses::FullSoftmaxLoss>()));
  const auto noise =
      losses::NoiseDistribution::unigram(std::vector<std::uint64_t>{9, 4, 3, 5, 2, 4});
  for (const bool shared : {false, true}) {
    expect_ranks_do_not_matter(
        language_model(lstm, std::make_shared<losses::NceLoss>(
                                 noise, losses::NceOptions{.noise = 6, .shared_noise = shared})));
  }
  // A rank may meet none of the rare outputs.
  language::LstmOptions adaptive = lstm;
  adaptive.cutoffs = {2, 4};
  expect_ranks_do_not_matter(
      language_model(adaptive, std::make_shared<losses::AdaptiveSoftmaxLoss>()));
}

Train auto_encoder(const vae::VaeOptions& model,
                   const std::function<std::shared_ptr<estimators::Estimator>()>& estimator,
                   const vae::TrainingOptions& with = {}) {
  return [=](Group& group) {
    vae::TrainingOptions options = with;
    const Tensor images =
        (Random(Stream{.seed = 4}).uniform({50, 12}, at::kFloat) * 255).to(at::kByte);
    const auto vae = std::make_shared<vae::Vae>(model, Stream{.seed = 5});
    const auto own = estimator();
    options.epochs = 3;
    options.batch = 10;
    options.log_every = 5;
    options.held_out = 0.1;
    options.group = &group;
    return vae::train(vae, images, *own, {.seed = 6}, options).loop;
  };
}

TEST(DataParallel, AutoEncoders) {
  const vae::VaeOptions gaussian{.inputs = 12, .hidden = {8}, .latent_dim = 3};
  const vae::VaeOptions categorical{.inputs = 12,
                                    .hidden = {8},
                                    .latent = vae::Latent::categorical,
                                    .latent_dim = 2,
                                    .categories = 3};
  const auto pathwise = [] { return std::make_shared<estimators::Pathwise>(); };
  const vae::TrainingOptions iwae{.objective = vae::Objective::iwae, .importance_samples = 3};
  expect_ranks_do_not_matter(auto_encoder(gaussian, pathwise));
  expect_ranks_do_not_matter(auto_encoder(gaussian, pathwise, iwae));
  // Which learns parameters of its own.
  expect_ranks_do_not_matter(auto_encoder(categorical, [] {
    return std::make_shared<estimators::Rebar>(estimators::RebarOptions{.samples = 2});
  }));
  expect_ranks_do_not_matter(auto_encoder(
      categorical,
      [] {
        return std::make_shared<estimators::ScoreFunction>(estimators::ScoreFunctionOptions{
            .samples = 2, .baseline = estimators::baselines::LeaveOneOut{}});
      },
      iwae));
  expect_ranks_do_not_matter(auto_encoder(categorical, [] {
    return std::make_shared<estimators::UnorderedSet>(
        estimators::UnorderedSetOptions{.samples = 3});
  }));
}

openset::ConfidentClassifier classifier(const openset::ConfidentClassifierOptions& options) {
  std::vector<torch::nn::Sequential> all = {networks::mlp({2, 8, 3}), networks::mlp({4, 8, 2}),
                                            networks::mlp({2, 8, 1})};
  for (std::uint64_t i = 0; i < all.size(); ++i) {
    networks::initialize(all[i], Stream{.seed = 7, .id = i});
  }
  return {all[0], all[1], all[2], options};
}

TEST(DataParallel, ClassifiersOfTheUnknown) {
  const Tensor x = Random(Stream{.seed = 8}).normal({40, 2}, at::kFloat);
  const Tensor y = at::arange(40, at::kLong).remainder(3);
  const Tensor unknown = 3 * Random(Stream{.seed = 9}).normal({14, 2}, at::kFloat);
  enum Step { kCrossEntropy, kConfidence, kJoint };
  for (const Step which : {kCrossEntropy, kConfidence, kJoint}) {
    expect_ranks_do_not_matter([&](Group& group) {
      auto model = classifier({.noise = 4, .learning_rate = 1e-2, .group = &group});
      training::Batches batches(x.size(0), 10, {.seed = 10});
      return training::train(model.parts(), {.steps = 20, .log_every = 5},
                             [&](std::uint64_t n) -> training::Losses {
                               const Tensor rows = batches.at(n);
                               const Tensor some = x.index_select(0, rows);
                               const Tensor classes = y.index_select(0, rows);
                               if (which == kCrossEntropy)
                                 return model.cross_entropy_step(some, classes);
                               if (which == kConfidence)
                                 return model.confidence_step(some, classes, unknown);
                               return model.joint_step(some, classes, Stream{.seed = 11, .id = n});
                             });
    });
  }
}

TEST(DataParallel, WhatNeedsWholeBatchesIsRefused) {
  const auto refusal = [](const std::function<void(Group&)>& body) {
    return message_of<InvalidArgument>([&] { run_threads(2, body); });
  };
  EXPECT_THAT(refusal([](Group& group) { classifier({.entropy_weight = 1, .group = &group}); }),
              HasSubstr("entropy_weight: the entropy is that of a whole batch"));
  EXPECT_THAT(refusal([](Group& group) {
                auto model = classifier({.group = &group});
                model.shell_step(at::zeros({4, 2}), at::zeros({4}, at::kLong), Stream{});
              }),
              HasSubstr("shell: draws from the features of a whole batch"));
  EXPECT_THAT(refusal([](Group& group) {
                torch::nn::Sequential network(torch::nn::Linear(2, 3), torch::nn::BatchNorm1d(3));
                openset::ConfidentClassifier(network, {.group = &group});
              }),
              HasSubstr("the classifier has batch normalization"));
  EXPECT_EQ(refusal([](Group& group) { Share::of(1, group); }),
            "batch: expected 2 or more (one row for each process), got 1");
}

TEST(DataParallel, SequenceGans) {
  using namespace seqgan;           // NOLINT(google-build-using-namespace)
  using namespace seqgan::testing;  // NOLINT(google-build-using-namespace)
  const Tensor real = sample(*tiny(3), 60, kLength, {.seed = 14});
  for (const double teacher : {1.0, 0.5}) {
    expect_ranks_do_not_matter([&](Group& group) {
      return train_maximum_likelihood(
          tiny(1), real, real, {.seed = 12},
          {.epochs = 3, .batch = 10, .final_teacher = teacher, .group = &group});
    });
  }
  for (const bool mixed : {false, true}) {
    expect_ranks_do_not_matter([&](Group& group) {
      SeqGan gan(tiny(1), tiny(2),
                 std::make_shared<SequenceDiscriminator>(small_discriminator(),
                                                         Random(Stream{.seed = 13})),
                 real, {.seed = 15},
                 {.batch = 10,
                  .rollouts = 2,
                  .d_steps = 2,
                  .d_epochs = 1,
                  .negatives = 30,
                  .discriminator_learning_rate = 1e-2,
                  .mixed_batches = mixed,
                  .group = &group});
      return gan.train({.steps = 4, .log_every = 1});
    });
  }
}

/// A regression, with what a test wants to know and to disturb.
struct Regression {
  Group& group;
  torch::nn::Linear network{3, 1};
  std::vector<training::Part> parts = {};
  Tensor inputs = Random(Stream{.seed = 16}).normal({50, 3}, at::kFloat);
  training::Batches batches{50, 8, {.seed = 17}};
  std::uint64_t fails_at = 1000;

  explicit Regression(Group& of, double weight = 1) : group(of) {
    const at::NoGradGuard no_grad;
    for (Tensor& each : network->parameters()) each.fill_(weight);
    parts = {{.name = "network",
              .module = network.ptr(),
              .optimizer = std::make_shared<torch::optim::Adam>(network->parameters(), 1e-2),
              .clip_norm = 0.5,
              .group = &group}};
  }

  training::LoopResult train(const training::LoopOptions& options) {
    const Share share = Share::of(8, group);
    return training::train(parts, options, [&, share](std::uint64_t n) -> training::Losses {
      if (n == fails_at) throw Error("killed");
      const Tensor x = inputs.index_select(0, share.of(batches.at(n)));
      const Tensor loss = share.weight() * (network->forward(x) - x.sin()).square().mean();
      training::descend(parts[0], loss);
      return {{"loss", loss}};
    });
  }
};

TEST(DataParallel, AnyNumberOfRanksResumes) {
  const TemporaryDirectory folder;
  const auto options = [&](const std::string& name) {
    return training::LoopOptions{.steps = 40,
                                 .log_every = 3,
                                 .files = {.checkpoint = folder / (name + ".checkpoint"),
                                           .checkpoint_seconds = 0,
                                           .log = folder / (name + ".log")}};
  };
  const auto whole = on(1, [&](Group& group) { return Regression(group).train(options("whole")); });
  struct Part {
    int ranks;
    std::uint64_t until;
  };
  for (const Part part : {Part{4, 10}, Part{2, 25}}) {
    EXPECT_EQ(message_of<Error>([&] {
                on(part.ranks, [&](Group& group) {
                  Regression killed(group);
                  killed.fails_at = part.until;
                  return killed.train(options("killed"));
                });
              }),
              "killed");
  }
  std::uint64_t first = 0;
  const auto resumed = on(3, [&](Group& group) {
    Regression last(group);
    if (group.rank() == 0) return last.train(options("killed"));
    training::LoopOptions elsewhere = options("killed");  // a machine that does not see the file
    elsewhere.files.checkpoint = folder / "none";
    elsewhere.files.log = folder / "none.log";
    const auto result = last.train(elsewhere);
    first = result.history.front().step;
    return result;
  });
  EXPECT_EQ(first, 3U);  // what was before the resume is known there, too
  expect_same(whole, resumed);
  EXPECT_FALSE(std::filesystem::exists(folder / "none"));
  EXPECT_FALSE(std::filesystem::exists(folder / "none.log"));
}

TEST(DataParallel, RanksThatDifferAreRefused) {
  const auto refusal = [](const std::function<training::LoopResult(Group&, Regression&)>& train) {
    return message_of<InvalidArgument>([&] {
      run_threads(3, [&](Group& group) {
        Regression model(group, group.rank() == 2 ? 0.5 : 1);
        train(group, model);
      });
    });
  };
  EXPECT_THAT(refusal([](Group&, Regression& model) { return model.train({.steps = 2}); }),
              HasSubstr("ranks: initial weights of network is "));
  EXPECT_THAT(
      refusal([](Group& group, Regression& model) {
        training::LoopOptions options{.steps = 2 + static_cast<std::uint64_t>(group.rank() == 1)};
        options.files.run.add("seed", 7 + group.rank());
        return model.train(options);
      }),
      HasSubstr("ranks: seed is 7 on rank 0, 8 on rank 1; steps is 2 on rank 0, 3 on rank 1"));
}

}  // namespace
}  // namespace partita
