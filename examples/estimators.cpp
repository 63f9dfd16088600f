// SPDX-License-Identifier: Apache-2.0
// One line changes the estimator: the gradient of E[f(x)] for three coins, by four estimators, next
// to the exact one.
#include <cstdio>
#include <memory>
#include <vector>

#include "partita/learn/distributions.hpp"
#include "partita/learn/estimators.hpp"

int main() {  // NOLINT(bugprone-exception-escape): an error ends the example
  using namespace partita::estimators;
  using partita::Tensor;
  using partita::distributions::Bernoulli;
  using partita::distributions::Independent;
  using partita::distributions::Logits;

  const Tensor target = torch::tensor({0.6, 0.51, 0.48}, torch::kDouble);
  const Function f = [&](const Tensor& x) { return (x - target).square().sum(-1); };

  std::vector<std::unique_ptr<Estimator>> estimators;
  estimators.push_back(std::make_unique<Enumeration>());
  estimators.push_back(std::make_unique<ScoreFunction>(
      ScoreFunctionOptions{.samples = 4, .baseline = baselines::LeaveOneOut{}}));
  estimators.push_back(std::make_unique<Rebar>(RebarOptions{.samples = 4}));
  estimators.push_back(std::make_unique<UnorderedSet>(UnorderedSetOptions{.samples = 4}));

  for (const auto& estimator : estimators) {
    const Tensor logits = torch::zeros({3}, torch::kDouble).set_requires_grad(true);
    const Independent coins(Bernoulli(Logits(logits)), 1);
    const auto [surrogate, value] = (*estimator)(coins, f, partita::Stream{.seed = 1});
    surrogate.backward();
    const Tensor& g = logits.grad();
    std::printf("%-14s E[f] %.4f   gradient %7.4f %7.4f %7.4f\n", estimator->name(),
                value.item<double>(), g[0].item<double>(), g[1].item<double>(),
                g[2].item<double>());
  }
}
