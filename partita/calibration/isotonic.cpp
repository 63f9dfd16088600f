// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/isotonic.hpp"

#include <algorithm>
#include <cstddef>
#include <numeric>

#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

/// Neighboring values of x that have one value of y.
struct Pool {
  double first;
  double last;
  double sum;
  double weight;

  double mean() const { return sum / weight; }
};

}  // namespace

double IsotonicCurve::operator()(double at) const {
  const auto above = std::upper_bound(x.begin(), x.end(), at);
  if (above == x.begin()) return y.front();
  if (above == x.end()) return y.back();
  const auto i = static_cast<std::size_t>(above - x.begin());
  return y[i - 1] + (y[i] - y[i - 1]) * ((at - x[i - 1]) / (x[i] - x[i - 1]));
}

IsotonicCurve fit_isotonic(std::span<const double> x, std::span<const double> y) {
  check_at_least("x", x.size(), 1);
  check_size("y", y.size(), x.size(), "as many as x");
  std::vector<std::size_t> order(x.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto a, auto b) { return x[a] < x[b]; });
  std::vector<Pool> pools;
  for (std::size_t i = 0; i < order.size();) {
    const double at = x[order[i]];
    check_in("x", at, "(-inf, inf)");
    Pool pool{at, at, 0, 0};
    for (; i < order.size() && x[order[i]] == at; ++i) {
      pool.sum += y[order[i]];
      pool.weight += 1;
    }
    while (!pools.empty() && pools.back().mean() >= pool.mean()) {
      const Pool& before = pools.back();
      pool = {before.first, pool.last, before.sum + pool.sum, before.weight + pool.weight};
      pools.pop_back();
    }
    pools.push_back(pool);
  }
  IsotonicCurve curve;
  for (const Pool& pool : pools) {
    curve.x.push_back(pool.first);
    curve.y.push_back(pool.mean());
    if (pool.last == pool.first) continue;
    curve.x.push_back(pool.last);
    curve.y.push_back(pool.mean());
  }
  return curve;
}

}  // namespace partita
