// SPDX-License-Identifier: Apache-2.0
// Logistic and softmax regression: the two losses, L-BFGS, and real data.
//
//   example_regression examples/iris.csv
//
// The optimum is scikit-learn's LogisticRegression(C=1): least sum of losses with half the squared
// weights added, the intercepts left free.
#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <sstream>
#include <string>
#include <vector>

#include "partita/io/text.hpp"
#include "partita/learn/losses/losses.hpp"

namespace {

using partita::losses::Reduction;

const std::vector<std::string> kSpecies = {"setosa", "versicolor", "virginica"};

struct Flowers {
  at::Tensor features;  // [150, 4], in cm
  at::Tensor species;   // [150]
};

Flowers read_flowers(const std::string& path) {
  std::vector<double> features;
  std::vector<std::int64_t> species;
  for (const std::string& line : partita::read_lines(path).lines) {
    std::istringstream fields(line);
    double length = 0;
    char comma = 0;
    std::vector<double> lengths;
    while (fields >> length >> comma) lengths.push_back(length);
    if (lengths.size() != 4) continue;  // a comment, the names of the columns
    features.insert(features.end(), lengths.begin(), lengths.end());
    const std::string name = line.substr(line.rfind(',') + 1);
    species.push_back(std::find(kSpecies.begin(), kSpecies.end(), name) - kSpecies.begin());
  }
  return {at::tensor(features, at::kDouble).view({-1, 4}), at::tensor(species, at::kLong)};
}

/// Weights and intercept, [outputs, 5], of least loss(x w^T + b) + |w|^2 / 2.
at::Tensor fit(const at::Tensor& x, std::int64_t outputs,
               const std::function<at::Tensor(const at::Tensor&)>& loss) {
  at::Tensor w = at::zeros({outputs, x.size(1)}, at::kDouble).set_requires_grad(true);
  at::Tensor b = at::zeros({outputs}, at::kDouble).set_requires_grad(true);
  torch::optim::LBFGS optimizer(std::vector<at::Tensor>{w, b}, torch::optim::LBFGSOptions(1)
                                                                   .max_iter(1000)
                                                                   .tolerance_grad(1e-9)
                                                                   .tolerance_change(0)
                                                                   .line_search_fn("strong_wolfe"));
  optimizer.step([&] {
    optimizer.zero_grad();
    at::Tensor objective = loss(x.matmul(w.t()) + b) + w.square().sum() / 2;
    objective.backward();
    return objective;
  });
  return at::cat({w, b.unsqueeze(-1)}, -1).detach();
}

void print_row(const std::string& name, const at::Tensor& row) {
  std::printf("  %-24s", name.c_str());
  for (std::int64_t i = 0; i < row.size(0); ++i) std::printf(" %12.7f", row[i].item<double>());
  std::printf("\n");
}

void run(const std::string& path) {
  const Flowers flowers = read_flowers(path);
  std::printf("  %-24s %12s %12s %12s %12s %12s\n", "", "sepal length", "sepal width",
              "petal length", "petal width", "intercept");

  std::puts("Logistic regression, one logit:");
  const at::Tensor two = flowers.species > 0;
  const at::Tensor is_virginica = (flowers.species.masked_select(two) == 2).to(at::kDouble);
  print_row("virginica, not versicolor",
            fit(flowers.features.index({two}), 1, [&](const at::Tensor& logits) {
              return partita::losses::binary_cross_entropy_with_logits(
                  logits.squeeze(-1), is_virginica, Reduction::sum);
            })[0]);

  std::puts("Softmax regression, three logits:");
  const at::Tensor weights = fit(flowers.features, 3, [&](const at::Tensor& logits) {
    return partita::losses::cross_entropy(logits, flowers.species, Reduction::sum);
  });
  for (std::int64_t k = 0; k < 3; ++k) print_row(kSpecies[static_cast<std::size_t>(k)], weights[k]);

  const at::Tensor logits =
      flowers.features.matmul(weights.slice(1, 0, 4).t()) + weights.select(1, 4);
  const at::Tensor right = logits.argmax(-1) == flowers.species;
  std::printf("right: %lld of %lld\n", static_cast<long long>(right.sum().item<std::int64_t>()),
              static_cast<long long>(right.size(0)));
}

}  // namespace

int main(int argc, char** argv) {
  try {
    run(argc > 1 ? argv[1] : "examples/iris.csv");
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
