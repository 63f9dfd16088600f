// SPDX-License-Identifier: Apache-2.0
// Variational auto-encoders of discrete codes on MNIST, by each estimator that is unbiased: the
// variance of the encoder's gradient on one and the same model, and the bound after training with
// it (Titsias and Shi 2022, Dimitriev and Zhou 2021, cut short).
//
//   mnist_codes IMAGES STEPS CATEGORIES    (2: 200 bits; else 20 one-hot vectors of so many)
//
// Encoder and decoder are linear, or have two hidden layers of 200 leaky units; batches of 50
// images, binarized anew in every step; Adam at 1e-3; four evaluations of f for each estimate.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <fmt/format.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/nn.h>
#include <torch/optim/adam.h>

#include <cstdlib>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <partita/io/idx.hpp>
#include <partita/learn/distributions.hpp>
#include <partita/learn/estimators.hpp>

namespace {

using namespace partita;
using namespace partita::estimators;
namespace nn = torch::nn;

constexpr std::int64_t kPixels = 784;
constexpr std::int64_t kBatch = 50;
constexpr std::int64_t kHidden = 200;
constexpr std::int64_t kRepeats = 100;  // estimates from which a variance is measured

struct Codes {
  std::int64_t variables;
  std::int64_t categories;

  std::int64_t numbers() const { return categories == 2 ? variables : variables * categories; }
  distributions::DistributionPtr of(const Tensor& logits) const {
    using namespace distributions;
    if (categories == 2) return std::make_shared<Independent>(Bernoulli(Logits(logits)), 1);
    return std::make_shared<Independent>(
        OneHotCategorical(Logits(logits.view({logits.size(0), variables, categories}))), 1);
  }
};

nn::Sequential network(std::int64_t in, std::int64_t out, bool deep) {
  if (!deep) return nn::Sequential(nn::Linear(in, out));
  const auto unit = [] { return nn::LeakyReLU(nn::LeakyReLUOptions().negative_slope(0.3)); };
  return nn::Sequential(nn::Linear(in, kHidden), unit(), nn::Linear(kHidden, kHidden), unit(),
                        nn::Linear(kHidden, out));
}

struct Model {
  Codes codes;
  nn::Sequential encoder;
  nn::Sequential decoder;

  Model(const Codes& given, bool deep)
      : codes(given),
        encoder(network(kPixels, given.numbers(), deep)),
        decoder(network(given.numbers(), kPixels, deep)) {}

  Elbo bound(const Tensor& x, Estimator& estimator, const Random& random) {
    const auto q = codes.of(encoder->forward(x - 0.5));
    const auto prior = codes.of(at::zeros({1, codes.numbers()}));
    const auto log_likelihood = [&](const Tensor& z) {
      const Tensor logits = decoder->forward(z.reshape({z.size(0), z.size(1), codes.numbers()}));
      return (x * logits - at::softplus(logits)).sum(-1);
    };
    // As in the papers: the divergence is part of f, and not in closed form.
    return elbo(*q, *prior, log_likelihood, estimator, random, KlTerm::sampled);
  }
};

struct Contender {
  const char* name;
  bool bits_only;
  std::function<std::shared_ptr<Estimator>()> make;
};

std::vector<Contender> contenders(const Codes& codes) {
  const std::vector<Contender> all = {
      {"leave one out", false,
       [] {
         return std::make_shared<ScoreFunction>(
             ScoreFunctionOptions{.samples = 4, .baseline = baselines::LeaveOneOut{}});
       }},
      {"DisARM", true, [] { return std::make_shared<DisArm>(ArmOptions{.samples = 2}); }},
      {"ARMS, CARMS", false, [] { return std::make_shared<Arms>(ArmsOptions{.samples = 4}); }},
      {"double control variates", false,
       [] {
         return std::make_shared<DoubleControlVariates>(
             DoubleControlVariatesOptions{.samples = 4, .scale = 0});
       }},
  };
  std::vector<Contender> fitting;
  for (const Contender& each : all) {
    if (codes.categories == 2 || !each.bits_only) fitting.push_back(each);
  }
  return fitting;
}

class Images {
 public:
  explicit Images(const std::string& path)
      : images_(load_idx(path)),
        grays_(at::from_blob(images_.bytes.data(),
                             {static_cast<std::int64_t>(images_.bytes.size()) / kPixels, kPixels},
                             at::kByte)) {}

  /// 0 or 1, by the gray as a probability.
  Tensor batch(const Random& random) const {
    const Tensor rows = (random.uniform({kBatch}, at::kDouble) * grays_.size(0)).to(at::kLong);
    const Tensor p = grays_.index_select(0, rows).to(at::kFloat) / 255;
    return (random.uniform(p.sizes(), at::kFloat) < p).to(at::kFloat);
  }

 private:
  IdxArray images_;
  Tensor grays_;
};

/// E ||g - E g||^2 of the encoder's gradient, all weights together.
double variance(Model& model, const Tensor& x, Estimator& estimator, const Random& random) {
  const std::vector<Tensor> weights = model.encoder->parameters();
  std::vector<Tensor> sum;
  double squares = 0;
  for (std::int64_t repeat = 0; repeat < kRepeats; ++repeat) {
    const Tensor loss = -model.bound(x, estimator, random).surrogate.mean();
    const auto gradient = torch::autograd::grad({loss}, weights);
    for (std::size_t i = 0; i < weights.size(); ++i) {
      squares += gradient[i].square().sum().item<double>();
      if (sum.size() <= i) sum.push_back(at::zeros_like(gradient[i], at::kDouble));
      sum[i] += gradient[i];
    }
  }
  double of_mean = 0;
  for (const Tensor& each : sum) of_mean += (each / kRepeats).square().sum().item<double>();
  return (squares - kRepeats * of_mean) / (kRepeats - 1);
}

/// Trains by an estimator, and returns the mean bound of the last tenth of the steps. Before a step
/// of `looks`, calls look().
double train(Model& model, const Images& images, Estimator& estimator, std::int64_t steps,
             const std::vector<std::int64_t>& looks,
             const std::function<void(std::int64_t)>& look) {
  std::vector<Tensor> parameters = model.encoder->parameters();
  for (const Tensor& each : model.decoder->parameters()) parameters.push_back(each);
  torch::optim::Adam adam(parameters, torch::optim::AdamOptions(1e-3));
  std::unique_ptr<torch::optim::Adam> own;
  if (!estimator.parameters().empty()) {
    own = std::make_unique<torch::optim::Adam>(estimator.parameters(),
                                               torch::optim::AdamOptions(1e-3));
  }
  double late = 0;
  for (std::int64_t step = 0; step < steps; ++step) {
    for (const std::int64_t at : looks) {
      if (at == step) look(step);
    }
    const Random random(Stream{.seed = 3}.child(static_cast<std::uint64_t>(step)));
    adam.zero_grad();
    if (own) own->zero_grad();
    const Elbo bound = model.bound(images.batch(random), estimator, random);
    (-bound.surrogate.mean()).backward();
    adam.step();
    if (own) own->step();
    if (step >= steps - steps / 10) late += bound.value.mean().item<double>();
  }
  return late / static_cast<double>(steps / 10);
}

void compare(const Images& images, const Codes& codes, bool deep, std::int64_t steps) {
  const std::vector<Contender> all = contenders(codes);
  fmt::print("\n{}, {}\n", codes.categories == 2 ? "200 bits" : "20 one-hot vectors",
             deep ? "two hidden layers" : "linear");
  std::vector<double> bounds;
  std::vector<std::string> measured(all.size());
  for (std::size_t i = 0; i < all.size(); ++i) {
    at::manual_seed(1);  // of torch's layers
    Model model(codes, deep);
    const auto estimator = all[i].make();
    // On the model that leave-one-out trains, each estimator after 200 steps of learning its own.
    const auto look = [&](std::int64_t step) {
      const Random random(Stream{.seed = 4, .id = static_cast<std::uint64_t>(step)});
      const Tensor x = images.batch(random);
      double first = 0;
      for (std::size_t other = 0; other < all.size(); ++other) {
        const auto of = all[other].make();
        if (const auto own = of->parameters(); !own.empty()) {
          torch::optim::Adam adam(own, torch::optim::AdamOptions(0.02));
          for (std::int64_t warm = 0; warm < 200; ++warm) {
            adam.zero_grad();
            (-model.bound(images.batch(random), *of, random).surrogate.mean()).backward();
            adam.step();
          }
        }
        const double found = variance(model, x, *of, random);
        if (other == 0) first = found;
        measured[other] += fmt::format(" {:8.3f}", found / first);
      }
    };
    const std::vector<std::int64_t> looks =
        i == 0 ? std::vector{steps / 50, steps / 5, steps - 1} : std::vector<std::int64_t>{};
    bounds.push_back(train(model, images, *estimator, steps, looks, look));
    fmt::print("  trained by {:<24} bound {:8.2f}\n", all[i].name, bounds.back());
  }
  fmt::print("  variance over that of leave one out, after {}, {} and {} steps\n", steps / 50,
             steps / 5, steps - 1);
  for (std::size_t i = 0; i < all.size(); ++i) {
    fmt::print("  {:<24}{}\n", all[i].name, measured[i]);
  }
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "mnist_codes IMAGES STEPS CATEGORIES\n");
    return 2;
  }
  at::set_num_threads(1);
  const Images images(argv[1]);
  const std::int64_t steps = std::atoll(argv[2]);
  const std::int64_t categories = std::atoll(argv[3]);
  const Codes codes{categories == 2 ? 200 : 20, categories};
  for (const bool deep : {false, true}) compare(images, codes, deep, steps);
}
