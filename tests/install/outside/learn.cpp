// SPDX-License-Identifier: Apache-2.0
// A user of the installed package's libtorch component. Includes every public header of it.
#include <partita/learn/distributions.hpp>
#include <partita/learn/estimators.hpp>
#include <partita/learn/losses/losses.hpp>

#include <cmath>
#include <cstdio>

int main() {
  namespace d = partita::distributions;
  const at::Tensor scale = torch::full({3}, 2.0, torch::kDouble).set_requires_grad(true);
  const d::Normal q(0, scale);
  q.rsample({5}, partita::Stream{.seed = 1}).sum().backward();
  const auto kl = d::kl_divergence(q, d::Normal(0, 1)).sum().item<double>();
  std::printf("KL %.6f\n", kl);
  const double expected = 3 * (std::log(0.5) + 2 - 0.5);
  return scale.grad().defined() && std::abs(kl - expected) < 1e-6 ? 0 : 1;
}
