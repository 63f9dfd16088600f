#include "apps/tour/variational.hpp"

#include <ATen/ATen.h>
#include <torch/optim/lbfgs.h>

#include <cmath>
#include <functional>
#include <numbers>
#include <vector>

#include "partita/learn/random.hpp"
#include "partita/learn/rows.hpp"

namespace partita::app {
namespace {

/// Minimizes a smooth function of one tensor, which it changes.
void minimize(const Tensor& at, const std::function<Tensor()>& f) {
  torch::optim::LBFGS optimizer({at}, torch::optim::LBFGSOptions(1)
                                          .max_iter(2000)
                                          .max_eval(4000)
                                          .history_size(50)
                                          .tolerance_grad(1e-12)
                                          .tolerance_change(1e-15)
                                          .line_search_fn("strong_wolfe"));
  optimizer.step([&] {
    optimizer.zero_grad();
    const Tensor value = f();
    value.backward();
    return value;
  });
}

Tensor random_start(std::int64_t n, double scale, const Stream& stream) {
  return Random(stream).normal({n}, at::kDouble).mul_(scale).set_requires_grad(true);
}

Tensor normal_density(const Tensor& x, double mean, double deviation) {
  return ((x - mean) / deviation).square().mul(-0.5).exp() /
         (deviation * std::sqrt(2 * std::numbers::pi));
}

}  // namespace

BestRatio find_best_ratio(const Stream& stream) {
  constexpr std::int64_t kPoints = 61;
  constexpr double kNu = 5;
  const Tensor x = at::linspace(-3, 3, kPoints, at::kDouble);
  const Tensor p = 0.4 * normal_density(x, -1, 0.6) + 0.6 * normal_density(x, 1.2, 0.8);
  const Tensor q = normal_density(x, 0, 1.5);
  const Tensor log_g = random_start(kPoints, 1, stream);
  BestRatio out{.x = to_vector(x), .start = to_vector(log_g.exp())};
  // log(1 / (1 + G)) = log sigmoid(-log G), log(G / (1 + G)) = log sigmoid(log G).
  minimize(log_g,
           [&] { return -(p * at::log_sigmoid(-log_g) + kNu * q * at::log_sigmoid(log_g)).sum(); });
  const Tensor closed_form = kNu * q / p;
  out.found = to_vector(log_g.exp());
  out.closed_form = to_vector(closed_form);
  out.largest_error = (log_g.exp() / closed_form - 1).abs().max().item<double>();
  return out;
}

ShortestPath find_shortest_path(const Stream& stream) {
  constexpr std::int64_t kPoints = 33;
  constexpr double kX0 = 0;
  constexpr double kX1 = 4;
  constexpr double kY0 = 1;
  constexpr double kY1 = 3;
  const Tensor x = at::linspace(kX0, kX1, kPoints, at::kDouble);
  const Tensor between = random_start(kPoints - 2, 1.5, stream);
  const auto path = [&] {
    return at::cat({at::full({1}, kY0, at::kDouble), between, at::full({1}, kY1, at::kDouble)});
  };
  const double step = (kX1 - kX0) / static_cast<double>(kPoints - 1);
  const auto length = [&] {
    const Tensor rise = path().diff();
    return (rise.square() + step * step).sqrt().sum();
  };
  ShortestPath out{.x = to_vector(x), .start = to_vector(path())};
  minimize(between, length);
  const Tensor line = kY0 + (kY1 - kY0) * (x - kX0) / (kX1 - kX0);
  out.found = to_vector(path());
  out.length = length().item<double>();
  out.straight_length = std::hypot(kX1 - kX0, kY1 - kY0);
  out.largest_error = (path() - line).abs().max().item<double>();
  return out;
}

}  // namespace partita::app
