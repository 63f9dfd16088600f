// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/loop.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/nn/modules/batchnorm.h>
#include <torch/nn/modules/container/sequential.h>
#include <torch/nn/modules/linear.h>
#include <torch/optim/adam.h>
#include <torch/optim/rmsprop.h>
#include <torch/optim/sgd.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/losses/losses.hpp"
#include "partita/learn/random.hpp"
#include "partita/learn/training/batches.hpp"
#include "temporary_directory.hpp"

namespace partita::training {
namespace {

using partita::testing::message_of;
using partita::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::StartsWith;

struct Killed {};

using MakeOptimizer = std::function<std::shared_ptr<torch::optim::Optimizer>(std::vector<Tensor>)>;

std::shared_ptr<torch::optim::Optimizer> adam(std::vector<Tensor> parameters) {
  return std::make_shared<torch::optim::Adam>(std::move(parameters),
                                              torch::optim::AdamOptions(1e-2).amsgrad(true));
}
std::shared_ptr<torch::optim::Optimizer> momentum(std::vector<Tensor> parameters) {
  return std::make_shared<torch::optim::SGD>(std::move(parameters),
                                             torch::optim::SGDOptions(1e-2).momentum(0.9));
}
std::shared_ptr<torch::optim::Optimizer> rmsprop(std::vector<Tensor> parameters) {
  return std::make_shared<torch::optim::RMSprop>(std::move(parameters),
                                                 torch::optim::RMSpropOptions(1e-2).momentum(0.5));
}

/// A little regression with all that a state has: two parts that take turns, buffers (of batch
/// normalization), optimizers, noise and batches.
class Regression {
 public:
  explicit Regression(const MakeOptimizer& optimizer = adam, std::int64_t width = 8) {
    network_ = torch::nn::Sequential(torch::nn::Linear(3, width), torch::nn::BatchNorm1d(width),
                                     torch::nn::Linear(width, 1));
    scale_ = torch::nn::Sequential(torch::nn::Linear(1, 1));
    set_weights(*network_);
    set_weights(*scale_);
    parts_ = {{"network", network_.ptr(), optimizer(network_->parameters()), 1.0},
              {"scale", scale_.ptr(), optimizer(scale_->parameters())}};
  }

  Losses step(std::uint64_t number) {
    if (number == kill_at) throw Killed{};
    const Tensor rows = batches_.at(number);
    const Tensor x = inputs_.index_select(0, rows);
    const Tensor noise =
        Random(Stream{.seed = 7, .id = 1}.child(number)).normal({x.size(0), 1}, at::kFloat);
    const Tensor y = x.sin().sum(-1, /*keepdim=*/true) + 0.1 * noise;
    const auto loss_of = [&] {
      return losses::gaussian_nll(scale_->forward(network_->forward(x)), y);
    };
    const Tensor first = loss_of();
    descend(parts_[0], first);
    const Tensor second = loss_of();
    descend(parts_[1], second);
    return {{"loss", first}, {"after", second}};
  }

  LoopResult train(const LoopOptions& options, const Evaluate& evaluate = {},
                   const Progress& progress = {}) {
    return training::train(
        parts_, options, [this](std::uint64_t number) { return step(number); }, evaluate, progress);
  }

  /// All that was learned, to the bit.
  Tensor state() const {
    std::vector<Tensor> all;
    for (const Part& part : parts_) {
      for (const Tensor& t : part.module->parameters()) all.push_back(t.detach().flatten());
      for (const Tensor& t : part.module->buffers()) all.push_back(t.to(at::kFloat).flatten());
    }
    return at::cat(all).clone();
  }

  std::vector<Part>& parts() { return parts_; }
  std::uint64_t kill_at = std::numeric_limits<std::uint64_t>::max();

 private:
  /// A function of the place, whatever torch's global seed is.
  static void set_weights(torch::nn::Module& module) {
    const at::NoGradGuard no_grad;
    for (Tensor& weight : module.parameters()) {
      weight.copy_(at::arange(weight.numel(), at::kFloat).add(1).sin().view(weight.sizes()));
    }
  }

  torch::nn::Sequential network_{nullptr};
  torch::nn::Sequential scale_{nullptr};
  std::vector<Part> parts_;
  Tensor inputs_ = Random(Stream{.seed = 7}).normal({50, 3}, at::kFloat);
  Batches batches_{50, 8, {.seed = 7, .id = 2}};
};

/// The lines of a log without their times.
std::vector<std::string> lines_of(const std::string& path) {
  std::istringstream in(read_file(path));
  std::vector<std::string> out;
  for (std::string line; std::getline(in, line);) {
    auto json = nlohmann::ordered_json::parse(line);
    json.erase("seconds");
    out.push_back(json.dump());
  }
  return out;
}

TEST(Training, AKilledRunEndsWithTheSameBits) {
  for (const MakeOptimizer& optimizer :
       {MakeOptimizer(adam), MakeOptimizer(momentum), MakeOptimizer(rmsprop)}) {
    const TemporaryDirectory dir;
    LoopOptions options{.steps = 60, .log_every = 7, .files = {.log = dir / "whole.log"}};
    Regression whole(optimizer);
    const LoopResult expected = whole.train(options);

    options.files.checkpoint = dir / "checkpoint";
    options.files.checkpoint_seconds = 0;
    options.files.log = dir / "killed.log";
    for (const std::uint64_t kill_at : {1U, 20U, 21U, 44U}) {
      Regression killed(optimizer);
      killed.kill_at = kill_at;
      EXPECT_THROW(killed.train(options), Killed);
    }
    Regression resumed(optimizer);
    std::uint64_t first = 1000;
    const LoopResult result = training::train(resumed.parts(), options, [&](std::uint64_t number) {
      first = std::min(first, number);
      return resumed.step(number);
    });
    EXPECT_EQ(first, 44U);
    EXPECT_TRUE(at::equal(resumed.state(), whole.state()));
    EXPECT_EQ(lines_of(dir / "killed.log"), lines_of(dir / "whole.log"));
    ASSERT_EQ(result.history.size(), 9U);  // 7, 14, ... 56, 60
    EXPECT_EQ(result.history.back().values, expected.history.back().values);
    EXPECT_EQ(result.steps, 60U);

    // What is done is not done again, and more can be.
    Regression again(optimizer);
    again.kill_at = 60;
    again.train(options);
    EXPECT_TRUE(at::equal(again.state(), whole.state()));
    options.steps = 61;
    EXPECT_THROW(again.train(options), Killed);
  }
}

TEST(Training, StopsEarlyAndGoesBackToTheBest) {
  const TemporaryDirectory dir;
  const std::vector<double> scores = {5, 3, 4, 2, 2, 6, 1};
  LoopOptions options{.steps = 100,
                      .evaluate_every = 5,
                      .patience = 2,
                      .files = {.checkpoint = dir / "checkpoint", .checkpoint_seconds = 0}};
  const auto run = [&](std::uint64_t kill_at, Regression& regression, LoopResult& result) {
    regression.kill_at = kill_at;
    std::vector<Tensor> states;
    try {
      result = regression.train(options, [&]() -> Values {
        states.push_back(regression.state());
        return {{"score", scores.at(states.size() - 1)}};
      });
    } catch (const Killed&) {
    }
    return states;
  };
  LoopResult result{};
  Regression whole;
  const std::vector<Tensor> states = run(1000, whole, result);
  ASSERT_EQ(states.size(), 6U);  // 2 and 6 are not under the best 2
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(result.steps, 30U);
  EXPECT_TRUE(at::equal(whole.state(), states[3]));
  EXPECT_FALSE(at::equal(states[3], states[5]));
  EXPECT_THAT(result.history.back().values.back(), ::testing::Pair("score", 6));

  // Killed after the best: the resumed run still knows it.
  std::filesystem::remove(dir / "checkpoint");
  Regression killed;
  run(23, killed, result);
  Regression resumed;
  std::size_t evaluations = 4;
  result = resumed.train(options, [&]() -> Values {
    return {{"score", scores.at(evaluations++)}};
  });
  EXPECT_TRUE(result.stopped_early);
  EXPECT_EQ(evaluations, 6U);
  EXPECT_TRUE(at::equal(resumed.state(), whole.state()));
}

TEST(Training, EveryDamagedCheckpointIsOneLine) {
  const TemporaryDirectory dir;
  const LoopOptions options{.steps = 3, .files = {.checkpoint = dir / "c", .run = {{"seed", "1"}}}};
  Regression().train(options);
  const std::string whole = read_file(dir / "c");
  const auto refusal = [&](const LoopOptions& asked) {
    return message_of<DataError>([&] { Regression().train(asked); });
  };
  for (std::size_t n = 0; n < whole.size(); n += 397) {
    write_file(dir / "c", whole.substr(0, n));
    EXPECT_THAT(refusal(options), StartsWith(dir / "c"));
    std::string flipped = whole;
    flipped[n] = static_cast<char>(flipped[n] ^ 0x10);
    write_file(dir / "c", flipped);
    EXPECT_THAT(refusal(options), StartsWith(dir / "c"));
  }
  write_file(dir / "c", whole);
  LoopOptions other = options;
  other.files.run = {{"seed", "2"}, {"data", "x"}};
  EXPECT_EQ(refusal(other),
            dir / "c" + ": is from another run: seed was 1, now 2; data was none, now x");
  other = options;
  other.steps = 2;
  EXPECT_EQ(refusal(other), dir / "c" +
                                ": is from another run: it has done 3 steps, more than the "
                                "2 of this run");
  EXPECT_THAT(
      message_of<DataError>([&] { Regression(adam, 9).train(options); }),
      HasSubstr("damaged: 0.weight, Float [8, 3], where 0.weight, Float [9, 3] is expected"));
  EXPECT_THAT(message_of<DataError>([&] { Regression(momentum).train(options); }),
              HasSubstr("network: the state is another optimizer's"));
  Regression named;
  named.parts()[1].name = "other";
  EXPECT_THAT(message_of<DataError>([&] { named.train(options); }),
              HasSubstr("part scale, expected other"));
}

TEST(Training, LogsTheMeansOfTheSteps) {
  const TemporaryDirectory dir;
  const std::vector<Part> parts = {{"nothing", std::make_shared<torch::nn::LinearImpl>(1, 1)}};
  std::vector<std::uint64_t> seen;
  const LoopResult result = train(
      parts, {.steps = 5, .log_every = 2, .evaluate_every = 4, .files = {.log = dir / "log"}},
      [](std::uint64_t step) -> Losses {
        return {{"step", at::full({}, static_cast<double>(step))}, {"one", at::ones({1})}};
      },
      []() -> Values {
        return {{"accuracy", 0.5}};
      },
      [&](const ProgressUpdate& update) {
        EXPECT_EQ(update.total, 5U);
        seen.push_back(update.done);
      });
  EXPECT_THAT(lines_of(dir / "log"),
              ElementsAre(R"({"step":0.5,"one":1.0})", R"({"step":2.5,"one":1.0,"accuracy":0.5})",
                          R"({"step":4.0,"one":1.0,"accuracy":0.5})"));
  EXPECT_EQ(seen.back(), 5U);
  EXPECT_EQ(result.history.size(), 3U);
}

TEST(Training, ALossThatIsNoNumberIsAnError) {
  const std::vector<Part> parts = {{"nothing", std::make_shared<torch::nn::LinearImpl>(1, 1)}};
  const auto step = [](std::uint64_t number) -> Losses {
    return {{"loss", at::full({}, number == 3 ? NAN : 1.0)}};
  };
  EXPECT_EQ(message_of<Error>([&] { train(parts, {.steps = 9, .log_every = 2}, step); }),
            "training: loss is nan in the steps up to 4");
  EXPECT_EQ(message_of<InvalidArgument>([&] { train(parts, {.steps = 0}, step); }),
            "steps: expected 1 or more, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([&] { train(parts, {.patience = 1}, step); }),
            "patience: early stopping needs evaluate and evaluate_every");
}

TEST(Descend, TouchesItsOwnPartAlone) {
  Regression regression;
  auto& parts = regression.parts();
  const auto copy = [](const Part& part) {
    std::vector<Tensor> out;
    for (const Tensor& t : part.module->parameters()) out.push_back(t.detach().clone());
    return out;
  };
  const auto network = copy(parts[0]);
  const auto scale = copy(parts[1]);
  const Tensor x = at::ones({4, 3});
  const auto forward = [&](const Part& part, const Tensor& input) {
    return std::dynamic_pointer_cast<torch::nn::SequentialImpl>(part.module)->forward(input);
  };
  const Tensor before = parts[0].module->parameters()[0].detach().clone();
  parts[0].module->parameters()[0].mutable_grad() = at::full_like(before, 3.0);
  descend(parts[1], forward(parts[1], forward(parts[0], x)).square().sum());
  for (std::size_t i = 0; i < network.size(); ++i) {
    EXPECT_TRUE(at::equal(parts[0].module->parameters()[i], network[i]));
  }
  EXPECT_TRUE(at::equal(parts[0].module->parameters()[0].grad(), at::full_like(before, 3.0)));
  EXPECT_FALSE(at::equal(parts[1].module->parameters()[0], scale[0]));
}

TEST(Descend, ScalesLongGradientsDown) {
  auto network = std::make_shared<torch::nn::LinearImpl>(1, 1);
  const auto step_of = [&](double slope, double clip_norm) {
    const Part part{
        "network", network,
        std::make_shared<torch::optim::SGD>(network->parameters(), torch::optim::SGDOptions(1)),
        clip_norm};
    const auto before = network->weight.item<double>();
    // Gradients: slope in the weight, 0.75 slope in the bias: a norm of 1.25 slope.
    descend(part, (network->weight.sum() + 0.75 * network->bias.sum()) * slope);
    return before - network->weight.item<double>();
  };
  EXPECT_NEAR(step_of(4, std::numeric_limits<double>::infinity()), 4, 1e-6);
  EXPECT_NEAR(step_of(4, 10), 4, 1e-6);
  EXPECT_NEAR(step_of(4, 0.5), 0.4, 1e-6);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              descend({"frozen", network}, at::ones({}));
            }),
            "part: frozen has no optimizer");
}

}  // namespace
}  // namespace partita::training
