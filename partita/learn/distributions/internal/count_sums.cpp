// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/count_sums.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/quadrature.hpp"

namespace partita::distributions {

namespace {

using Nodes = std::vector<std::pair<double, double>>;  // place and weight

/// The places of the integral from `from` to `to` that stands for the counts between.
void add_stretch(Nodes& nodes, double from, double to) {
  integrate(to - from, [&](double u, double weight) { nodes.emplace_back(from + u, weight); });
}

Nodes nodes_of(double mean, double sd, double tail, double highest) {
  constexpr double kOneByOne = 1024;
  constexpr double kDeviations = 13;  // beyond which a normal variable has a probability of 1e-38
  constexpr double kTails = 45;       // and an exponential one of 3e-20
  if (!std::isfinite(mean + sd + tail)) return {{0, 1}};
  const double low = std::max(0.0, std::floor(mean - kDeviations * sd - kTails));
  const double high =
      std::min(highest, std::ceil(mean + kDeviations * sd + kTails * std::max(tail, 1.0)));
  Nodes nodes;
  if (high - low <= kOneByOne) {
    for (double k = low; k <= high; ++k) nodes.emplace_back(k, 1);
    return nodes;
  }
  const double length = std::max(sd, tail);
  double from = low - 0.5;
  if (low == 0) {
    // The function may begin steeply, as k^-1: one by one, and by stretches that double.
    constexpr double kBegin = 64;
    for (double k = 0; k < kBegin; ++k) nodes.emplace_back(k, 1);
    // The sum from kBegin on is the integral from kBegin - 1/2 and f'(kBegin - 1/2) / 24 more.
    nodes.back().second -= 1.0 / 24;
    nodes.emplace_back(kBegin, 1.0 / 24);
    for (from = kBegin - 0.5; 2 * from < length; from *= 2) add_stretch(nodes, from, 2 * from);
  }
  while (from < high + 0.5) {
    const double to = std::min(from + length, high + 0.5);
    add_stretch(nodes, from, to);
    from = to;
  }
  return nodes;
}

}  // namespace

CountNodes count_nodes(const Tensor& mean, const Tensor& sd, const Tensor& tail,
                       const Tensor& highest) {
  std::vector<Tensor> host;
  const auto all = at::broadcast_tensors({in_double(mean.detach()), in_double(sd.detach()),
                                          in_double(tail.detach()), in_double(highest.detach())});
  for (const Tensor& t : all) host.push_back(t.cpu().contiguous());
  const std::int64_t batch = host[0].numel();
  std::vector<Nodes> members;
  std::size_t most = 0;
  for (std::int64_t i = 0; i < batch; ++i) {
    const auto at = [&](std::size_t k) { return host[k].data_ptr<double>()[i]; };
    members.push_back(nodes_of(at(0), at(1), at(2), at(3)));
    most = std::max(most, members.back().size());
  }
  const auto count = static_cast<std::int64_t>(most);
  const CountNodes nodes{at::zeros({count, batch}, at::kDouble),
                         at::zeros({count, batch}, at::kDouble)};
  auto* places = nodes.at.data_ptr<double>();
  auto* weights = nodes.weight.data_ptr<double>();
  for (std::int64_t i = 0; i < batch; ++i) {
    const Nodes& own = members[static_cast<std::size_t>(i)];
    for (std::size_t j = 0; j < own.size(); ++j) {
      const std::int64_t to = static_cast<std::int64_t>(j) * batch + i;
      places[to] = own[j].first;
      weights[to] = own[j].second;
    }
  }
  const Shape shape = concatenate({count}, host[0].sizes());
  return {nodes.at.view(shape).to(mean.device()), nodes.weight.view(shape).to(mean.device())};
}

Tensor entropy_at(const CountNodes& nodes, const Tensor& log_p) {
  const Tensor never = (log_p == -kInfinity).logical_or(nodes.weight == 0);
  const Tensor finite = log_p.masked_fill(never, 0);
  return -(nodes.weight * finite.exp() * finite).sum(0);
}

}  // namespace partita::distributions
