// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/detection/internal/block_score.hpp"

namespace partita {

using Eigen::ArrayXd;
using Eigen::Index;
using Eigen::MatrixXd;
using Eigen::VectorXd;

namespace {

/// P(X <= x) = 1 - exp(-((x - location) / scale)^shape) from the location on.
struct Weibull {
  double location;
  double shape;
  double scale;

  double cdf(double x) const {
    return x > location ? -std::expm1(-std::pow((x - location) / scale, shape)) : 0;
  }
};

/// The shape and scale of the largest likelihood, given a location below all values: the root of
/// sum(x^k log x) / sum(x^k) - 1/k - mean(log x), which grows with k, and the k-th root of
/// mean(x^k).
/// @param x of which not all are equal
Weibull fit_weibull(const std::vector<double>& values, double location) {
  const ArrayXd y =
      (Eigen::Map<const ArrayXd>(values.data(), Index(values.size())) - location).log();
  const double most = y.maxCoeff();
  const double room = most - y.mean();
  const auto powers = [&](double k) -> ArrayXd { return (k * (y - most)).exp(); };
  const auto slope = [&](double k) {
    const ArrayXd power = powers(k);
    return (power * (y - most)).sum() / power.sum() - 1 / k + room;
  };
  double low = 1 / room;  // where the first term is negative, and the others cancel
  double high = 2 * low;
  while (slope(high) < 0) high *= 2;
  for (double middle = (low + high) / 2; middle > low && middle < high;) {
    (slope(middle) < 0 ? low : high) = middle;
    middle = (low + high) / 2;
  }
  return {location, high, std::exp(most + std::log(powers(high).mean()) / high)};
}

/// How far known rows that are classified right are from the mean logits of their class: the
/// Weibull distribution of the largest distances, for each class.
std::vector<Weibull> fit_tails(const Learning& known, const MatrixXd& means) {
  std::vector<std::vector<double>> tails(static_cast<std::size_t>(known.classes()));
  for_each_right(known, [&](Index label, const auto&, const auto& z) {
    auto& tail = tails[static_cast<std::size_t>(label)];  // a heap, the least distance first
    tail.push_back((z - means.col(label)).norm());
    std::push_heap(tail.begin(), tail.end(), std::greater<>());
    if (tail.size() <= known.options.tail) return;
    std::pop_heap(tail.begin(), tail.end(), std::greater<>());
    tail.pop_back();
  });
  std::vector<Weibull> out;
  for (std::size_t c = 0; c < tails.size(); ++c) {
    const auto [least, most] = std::minmax_element(tails[c].begin(), tails[c].end());
    if (!(std::log1p(*most - *least) > 1e-9)) {
      throw InvalidArgument("labels",
                            fmt::format("known rows of class {} that are classified as such are "
                                        "too few, or all alike: no distribution of distances",
                                        c));
    }
    const double location = *least - 1;
    std::sort(tails[c].begin(), tails[c].end());  // the sum does not depend on the heap
    out.push_back(fit_weibull(tails[c], location));
  }
  return out;
}

}  // namespace

BlockScore fit_openmax(const Learning& known) {
  MatrixXd means = means_of_right(known, MeanOf::logits, "openmax");
  std::vector<Weibull> tails = fit_tails(known, means);
  const auto revised = std::min(Index(known.options.largest.value_or(10)), known.classes());
  return [layer = known.layer, means = std::move(means), tails = std::move(tails),
          revised](const MatrixXd& rows) -> VectorXd {
    const MatrixXd z = layer ? layer->logits(rows) : rows;
    MatrixXd activations = z;
    VectorXd unknown = VectorXd::Zero(z.cols());
    std::vector<Index> order(static_cast<std::size_t>(z.rows()));
    for (Index i = 0; i < z.cols(); ++i) {
      if (!z.col(i).allFinite()) continue;  // no row, which has its error already
      std::iota(order.begin(), order.end(), Index{0});
      std::partial_sort(order.begin(), order.begin() + revised, order.end(), [&](Index a, Index b) {
        return z(a, i) > z(b, i) || (z(a, i) == z(b, i) && a < b);
      });
      for (Index rank = 0; rank < revised; ++rank) {
        const Index c = order[static_cast<std::size_t>(rank)];
        const double weight = double(revised - rank) / double(revised);
        const double unusual =
            tails[static_cast<std::size_t>(c)].cdf((z.col(i) - means.col(c)).norm());
        const double moved = z(c, i) * weight * unusual;
        activations(c, i) -= moved;
        unknown[i] += moved;
      }
    }
    return energies(activations) - unknown;
  };
}

}  // namespace partita
