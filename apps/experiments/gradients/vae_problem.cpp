// SPDX-License-Identifier: Apache-2.0
// The evidence bound of one image under a small decoder, by the logits of its code.
#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adam.h>

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "apps/experiments/gradients/entries.hpp"
#include "apps/experiments/gradients/problem.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/independent.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/estimators/elbo.hpp"

namespace partita::app {
namespace {

using distributions::Bernoulli;
using distributions::DistributionPtr;
using distributions::Independent;
using distributions::Logits;
using distributions::OneHotCategorical;

/// Logits of codes, [rows, parameters], to q(z | x) of batch [rows].
using Posterior = std::function<DistributionPtr(const Tensor& theta)>;

/// log p(x | z) of an image x that the decoder itself has drawn, for codes of `parameters` numbers:
/// a network with a hidden layer, of random weights.
struct Decoder {
  Tensor in;
  Tensor out;
  Tensor image;

  Decoder(const Tensor& code, const Random& random) {
    constexpr std::int64_t kHidden = 16;
    constexpr std::int64_t kPixels = 30;
    in = random.normal({code.numel(), kHidden}, at::kDouble);
    out = random.normal({kHidden, kPixels}, at::kDouble);
    image = Bernoulli(Logits(logits(code))).sample({}, random);
  }

  Tensor logits(const Tensor& code) const { return (2 * code - 1).matmul(in).tanh().matmul(out); }

  /// [samples, batch, event] -> [samples, batch]
  Tensor log_likelihood(const Tensor& z) const {
    const Tensor x = logits(z.reshape({z.size(0), z.size(1), in.size(0)}));
    return (x * image - at::softplus(x)).sum(-1);
  }
};

/// Every combination of a value for each variable. @param values [C, event] @return [C^M, M, event]
Tensor all_codes(const Tensor& values, std::int64_t variables) {
  const std::int64_t c = values.size(0);
  std::int64_t outcomes = 1;
  for (std::int64_t i = 0; i < variables; ++i) outcomes *= c;
  std::vector<Tensor> digits;
  for (std::int64_t i = 0, each = outcomes / c; i < variables; ++i, each /= c) {
    digits.push_back(at::arange(outcomes).div(each, "floor").remainder(c));
  }
  return values.index({at::stack(digits, -1)});
}

/// Where exact gradients lead from 0.
Tensor optimum(const std::function<Tensor(const Tensor&)>& expected, std::int64_t parameters) {
  constexpr std::int64_t kSteps = 600;
  constexpr double kRate = 0.3;  // at first; falls to 0
  Tensor theta = at::zeros({1, parameters}, at::kDouble).set_requires_grad(true);
  torch::optim::Adam adam({theta}, torch::optim::AdamOptions(kRate));
  for (std::int64_t step = 0; step < kSteps; ++step) {
    const double left = 1 - static_cast<double>(step) / static_cast<double>(kSteps);
    static_cast<torch::optim::AdamOptions&>(adam.param_groups()[0].options()).lr(kRate * left);
    adam.zero_grad();
    expected(theta).sum().backward();
    adam.step();
  }
  return theta.detach().squeeze(0);
}

/// @param codes all of them, [outcomes, event]
Problem vae_problem(Problem problem, const Posterior& posterior, const Decoder& decoder,
                    const Tensor& codes,
                    const std::function<std::vector<Entry>(const Objective&)>& entries) {
  const std::int64_t parameters = codes[0].numel();
  const DistributionPtr prior = posterior(at::zeros({1, parameters}, at::kDouble));
  const Objective objective = [=](const std::shared_ptr<estimators::Estimator>& estimator) {
    return estimators::GradientSampler{
        .surrogate =
            [=](const Tensor& theta, const Random& random) {
              const auto bound = estimators::elbo(
                  *posterior(theta), *prior,
                  [&](const Tensor& z) { return decoder.log_likelihood(z); }, *estimator, random);
              return -bound.surrogate;
            },
        .parameters = estimator->parameters()};
  };
  const Tensor all = codes.unsqueeze(1);  // for a batch of rows
  const Tensor log_likelihood = decoder.log_likelihood(all);
  const auto expected = [=](const Tensor& theta) {
    const DistributionPtr q = posterior(theta);
    const Tensor reconstruction = (q->log_prob(all).exp() * log_likelihood).sum(0);
    return distributions::kl_divergence(*q, *prior) - reconstruction;
  };
  const Tensor best = optimum(expected, parameters);
  for (const double way : {0.0, 0.5}) {
    problem.variants.push_back({.name = way == 0 ? "at the prior" : "half-way to the optimum",
                                .start = way * best,
                                .expected = expected,
                                .best_value = expected(best.unsqueeze(0)).item<double>(),
                                .step_size = 0.3,
                                .entries = entries(objective)});
    for (Entry& each : problem.variants.back().entries) {
      if (each.kind != EstimatorKind::enumeration) each.samples = {each.samples.front(), 4};
    }
  }
  return problem;
}

constexpr const char* kDecoder =
    "a network with one hidden layer of random weights, to 30 pixels; the image is a draw of its "
    "own. The parameters are the code's logits, the gradient is exact by a sum over all";

}  // namespace

Problem bernoulli_vae_problem() {
  constexpr std::int64_t kBits = 8;
  const Random random(Stream{.seed = 6});
  const Tensor code = (random.uniform({kBits}, at::kDouble) < 0.5).to(at::kDouble);
  return vae_problem(
      {.title = "A variational auto-encoder of bits",
       .description =
           fmt::format("The negative evidence bound of an image whose code is eight bits; "
                       "the decoder is {} 256 codes.",
                       kDecoder),
       .value_name = "−ELBO"},
      [](const Tensor& theta) {
        return std::make_shared<Independent>(Bernoulli(Logits(theta)), 1);
      },
      Decoder(code, random), all_codes(at::arange(2, at::kDouble), kBits),
      [](const Objective& objective) { return for_bits(objective, kBits); });
}

Problem categorical_vae_problem() {
  constexpr std::int64_t kVariables = 3;
  constexpr std::int64_t kCategories = 4;
  const Random random(Stream{.seed = 7});
  const Tensor code = at::eye(kCategories, at::kDouble).slice(0, 0, kVariables).reshape({-1});
  return vae_problem(
      {.title = "A variational auto-encoder of categories",
       .description = fmt::format("The negative evidence bound of an image whose code is three "
                                  "one-hot vectors of four categories; the decoder is {} 64 codes.",
                                  kDecoder),
       .value_name = "−ELBO"},
      [](const Tensor& theta) {
        return std::make_shared<Independent>(
            OneHotCategorical(Logits(theta.view({theta.size(0), kVariables, kCategories}))), 1);
      },
      Decoder(code, random), all_codes(at::eye(kCategories, at::kDouble), kVariables),
      [](const Objective& objective) { return for_one_hot(objective, kVariables, kCategories); });
}

}  // namespace partita::app
