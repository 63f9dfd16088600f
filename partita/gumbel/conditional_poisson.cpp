// SPDX-License-Identifier: Apache-2.0
// Coin i has the generating polynomial tails_i + heads_i t of its number of heads, several coins
// the product of theirs, and the chance of k heads is the coefficient of t^k in the product of all.
// It is multiplied out along a binary tree over the categories, cut off after t^k:
//
//   - a node of s <= k coins costs s^2 / 4 multiplications, one of more k^2 / 2, which makes about
//     2 V k in all. A running product needs V k, and takes 0.4 of the constructor's time for k = 10
//     and 0.7 for k = 1000, but would have to keep V polynomials for what follows, and a draw to
//     pass through all of them;
//   - the chance's derivative by each coefficient, from the root down, costs as much again for
//     each of two children: at the leaves it gives the marginals, and the same with its derivative
//     in a direction v the covariances;
//   - a draw goes down from the root: k heads are divided between the halves in proportion to the
//     products of their coefficients.
//
// If k > V / 2 the tails are counted instead. Products are multiplied out directly: by Fourier
// transforms they would be known to a part of their largest coefficient only, and a marginal of
// 1e-20 not at all.
#include "partita/gumbel/conditional_poisson.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <numeric>
#include <tuple>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/polynomial_tree.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/softmax/scalar.hpp"

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
/// sigmoid(-750) is 0, and sigmoid(750) is 1.
constexpr double kCertain = 750;

struct Coins {
  double mean = 0;      ///< how many heads are to be expected
  double variance = 0;  ///< of their number
};

Coins coins(std::span<const double> z, double shift) {
  Coins all;
  for (const double each : z) {
    const double p = sigmoid(each - shift);
    all.mean += p;
    all.variance += p * (1 - p);
  }
  return all;
}

/// A shift with which about k of the coins show heads: by Newton's method, until k is within a
/// standard deviation or two of the mean, where it is not improbable. It needs no more precision.
double shift_to(std::span<const double> z, std::size_t k) {
  std::vector<double> sorted(z.begin(), z.end());
  const auto kth = sorted.begin() + static_cast<std::ptrdiff_t>(k);  // the largest that is not in
  std::ranges::nth_element(sorted, k == z.size() ? kth - 1 : kth, std::greater<>());
  double above = kInfinity;
  if (k != 0) above = *std::min_element(sorted.begin(), kth);
  const double below = k == z.size() ? -kInfinity : *kth;
  if (below == -kInfinity) return k == 0 ? 0 : above - kCertain;  // all that are possible
  if (k == 0) return below + kCertain;
  const auto heads = static_cast<double>(k);
  const auto tails = static_cast<double>(z.size() - k);
  // At `low` the k largest alone come to k - 1/4 heads; at `high` all others to 1/4.
  double low = above - std::log(4 * heads);
  double high = below + std::log(4 * tails);
  double shift = std::midpoint(low, high);
  if (low >= high) return shift;
  constexpr int kMostSteps = 64;
  for (int step = 0; step < kMostSteps; ++step) {
    const Coins all = coins(z, shift);
    const double excess = all.mean - heads;
    if (std::abs(excess) <= 0.5 + std::sqrt(all.variance)) break;
    (excess > 0 ? low : high) = shift;
    const double next = shift + excess / all.variance;
    shift = next > low && next < high ? next : std::midpoint(low, high);
  }
  return shift;
}

}  // namespace

struct ConditionalPoisson::State {
  std::vector<double> logits;
  std::size_t k;
  double shift;
  bool counts_tails;
  std::size_t count;  ///< of heads, or of tails, that are asked for
  Tree counts;        ///< the generating polynomials

  State(std::vector<double> row, std::size_t heads)
      : logits(std::move(row)),
        k(heads),
        shift(shift_to(logits, k)),
        counts_tails(2 * k > logits.size()),
        count(counts_tails ? logits.size() - k : k),
        counts(logits.size(), count) {
    for (std::size_t i = 0; i < logits.size(); ++i) {
      const double x = counts_tails ? shift - logits[i] : logits[i] - shift;
      const double e = std::exp(-std::abs(x));
      const double rare = e / (1 + e);
      const double usual = 1 / (1 + e);
      const std::span<double> leaf = counts.at(0, i);
      leaf[0] = x < 0 ? usual : rare;
      if (leaf.size() > 1) leaf[1] = x < 0 ? rare : usual;
    }
    Multiplier multiplier;
    for (std::size_t level = 1; level <= counts.root(); ++level) {
      for_each_node(
          counts, level,
          [&](std::size_t node, std::size_t left, std::size_t right) {
            multiplier.add_product(counts.at(level - 1, left), counts.at(level - 1, right),
                                   counts.at(level, node));
          },
          [&](std::size_t node, std::size_t child) {
            std::ranges::copy(counts.at(level - 1, child), counts.at(level, node).begin());
          });
    }
  }

  double chance() const { return counts.at(counts.root(), 0).back(); }

  /// The derivatives of chance() by every coefficient.
  Tree slopes() const {
    Tree slope(logits.size(), count);
    slope.at(slope.root(), 0).back() = 1;
    Multiplier multiplier;
    for (std::size_t level = slope.root(); level > 0; --level) {
      for_each_node(
          slope, level,
          [&](std::size_t node, std::size_t left, std::size_t right) {
            const Polynomial here = slope.at(level, node);
            multiplier.add_pulled(here, counts.at(level - 1, right), slope.at(level - 1, left));
            multiplier.add_pulled(here, counts.at(level - 1, left), slope.at(level - 1, right));
          },
          [&](std::size_t node, std::size_t child) {
            std::ranges::copy(slope.at(level, node), slope.at(level - 1, child).begin());
          });
    }
    return slope;
  }

  /// The probability that coin i is one of the counted, and that it is not.
  std::pair<double, double> marginal(const Tree& slope, std::size_t i) const {
    if (count == 0) return {0, 1};
    const Polynomial leaf = counts.at(0, i);
    const Polynomial by = slope.at(0, i);
    const auto share = [&](double part) { return std::min(part / chance(), 1.0); };  // but rounded
    return {share(leaf[1] * by[1]), share(leaf[0] * by[0])};
  }
};

ConditionalPoisson::~ConditionalPoisson() = default;
ConditionalPoisson::ConditionalPoisson(ConditionalPoisson&&) noexcept = default;
ConditionalPoisson& ConditionalPoisson::operator=(ConditionalPoisson&&) noexcept = default;

ConditionalPoisson::ConditionalPoisson(Rows logits, std::size_t k, std::size_t row) {
  check_at_least("logits", logits.columns(), 1, "categories");
  check_between("k", k, 0, logits.columns(), "categories");
  const RowReader<double> reader(logits, row);
  reader.check_values();
  std::vector<double> z(logits.columns());
  reader.gather(0, 1, z.size(), z.data());
  const auto impossible = static_cast<std::size_t>(std::ranges::count(z, -kInfinity));
  check_between("k", k, 0, z.size() - impossible, "possible categories");
  state_ = std::make_unique<State>(std::move(z), k);
}

double ConditionalPoisson::shift() const { return state_->shift; }

double ConditionalPoisson::log_chance() const { return std::log(state_->chance()); }

double ConditionalPoisson::log_normalizer() const {
  // k c + sum log(1 + e^(z - c)) + log_chance(), where what exceeds c is added up on its own: it
  // leaves few c, or none. In between, numbers up to 1e308 may add up to more than a double holds.
  long double sum = log_chance();
  auto left = static_cast<long double>(state_->k);
  for (const double z : state_->logits) {
    const double x = z - state_->shift;
    sum += log1pexp(-std::abs(x));
    if (x <= 0) continue;
    sum += z;
    left -= 1;
  }
  return static_cast<double>(sum + left * state_->shift);
}

ConditionalPoisson::Marginals ConditionalPoisson::marginals() const {
  const Tree slope = state_->slopes();
  const std::size_t n = state_->logits.size();
  Marginals all{std::vector<double>(n), std::vector<double>(n)};
  for (std::size_t i = 0; i < n; ++i) {
    std::tie(all.included[i], all.excluded[i]) = state_->marginal(slope, i);
  }
  if (state_->counts_tails) std::swap(all.included, all.excluded);
  return all;
}

std::vector<double> ConditionalPoisson::covariance_times(std::span<const double> v) const {
  const State& state = *state_;
  const std::size_t n = state.logits.size();
  check_size("v", v.size(), n, "one for each category");
  std::vector<double> product(n);
  if (state.count == 0) return product;
  const Tree& counts = state.counts;
  const Tree slope = state.slopes();

  // The number of heads is fixed, so a constant in v has no effect: without its mean, the chance
  // itself has no derivative in the direction v. (Tails have the covariances of heads.)
  double mean = 0;
  for (std::size_t i = 0; i < n; ++i) mean += state.marginal(slope, i).first * v[i];
  mean /= static_cast<double>(state.count);

  // The derivatives of all coefficients and slopes in that direction, by the rule of products.
  Multiplier multiplier;
  Tree moved(n, state.count);
  for (std::size_t i = 0; i < n; ++i) moved.at(0, i)[1] = counts.at(0, i)[1] * (v[i] - mean);
  for (std::size_t level = 1; level <= counts.root(); ++level) {
    for_each_node(
        counts, level,
        [&](std::size_t node, std::size_t left, std::size_t right) {
          const std::span<double> here = moved.at(level, node);
          multiplier.add_product(moved.at(level - 1, left), counts.at(level - 1, right), here);
          multiplier.add_product(counts.at(level - 1, left), moved.at(level - 1, right), here);
        },
        [&](std::size_t node, std::size_t child) {
          std::ranges::copy(moved.at(level - 1, child), moved.at(level, node).begin());
        });
  }
  Tree turned(n, state.count);
  for (std::size_t level = counts.root(); level > 0; --level) {
    for_each_node(
        counts, level,
        [&](std::size_t node, std::size_t left, std::size_t right) {
          const auto pull = [&](std::size_t child, std::size_t other) {
            const std::span<double> below = turned.at(level - 1, child);
            multiplier.add_pulled(turned.at(level, node), counts.at(level - 1, other), below);
            multiplier.add_pulled(slope.at(level, node), moved.at(level - 1, other), below);
          };
          pull(left, right);
          pull(right, left);
        },
        [&](std::size_t node, std::size_t child) {
          std::ranges::copy(turned.at(level, node), turned.at(level - 1, child).begin());
        });
  }
  const double chance = state.chance();
  const double drift = moved.at(moved.root(), 0).back() / chance;
  for (std::size_t i = 0; i < n; ++i) {
    // The derivative of the smaller of the two marginals, whose sum has none.
    const auto [counted, others] = state.marginal(slope, i);
    const Polynomial leaf = counts.at(0, i);
    const Polynomial by = turned.at(0, i);
    product[i] = counted < others ? counted * (v[i] - mean - drift) + leaf[1] * by[1] / chance
                                  : others * drift - leaf[0] * by[0] / chance;
  }
  return product;
}

void ConditionalPoisson::draw(Stream stream, std::span<std::int64_t> members) const {
  const State& state = *state_;
  check_size("members", members.size(), state.k, "k");
  const Tree& counts = state.counts;
  Draws draws(stream);
  auto place = members.begin();
  const auto put = [&](std::size_t first, std::size_t last) {
    for (std::size_t i = first; i < last; ++i) *place++ = static_cast<std::int64_t>(i);
  };
  std::size_t next = 0;  // the first category that may still be a member, if tails are counted

  const auto divide = [&](const auto& self, std::size_t level, std::size_t node,
                          std::size_t count) -> void {
    if (count == 0) return;
    if (level == 0) {
      state.counts_tails ? put(next, node) : put(node, node + 1);
      next = node + 1;
      return;
    }
    if (2 * node + 1 == counts.nodes(level - 1)) return self(self, level - 1, 2 * node, count);
    const Polynomial left = counts.at(level - 1, 2 * node);
    const Polynomial right = counts.at(level - 1, 2 * node + 1);
    const std::size_t least = count - std::min(count, right.size() - 1);
    const std::size_t most = std::min(count, left.size() - 1);
    double total = 0;
    for (std::size_t i = least; i <= most; ++i) total += left[i] * right[count - i];
    double rest = least == most ? 0 : draws.uniform() * total;
    std::size_t chosen = least;
    for (std::size_t i = least; i <= most; ++i) {
      const double weight = left[i] * right[count - i];
      if (weight > 0) chosen = i;  // rounding never leads past the last
      rest -= weight;
      if (rest < 0) break;
    }
    self(self, level - 1, 2 * node, chosen);
    self(self, level - 1, 2 * node + 1, count - chosen);
  };
  divide(divide, counts.root(), 0, state.count);
  if (state.counts_tails) put(next, state.logits.size());
}

}  // namespace partita
