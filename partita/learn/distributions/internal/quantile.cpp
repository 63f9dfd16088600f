// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/quantile.hpp"

#include <ATen/ATen.h>

#include <cstdint>
#include <limits>
#include <numbers>
#include <utility>

#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

/// Doubles as whole numbers of the same order, each one more than its predecessor; and back.
Tensor order_of_bits(const Tensor& bits) {
  constexpr std::int64_t kMagnitude = std::numeric_limits<std::int64_t>::max();
  return at::where(bits < 0, at::bitwise_xor(bits, kMagnitude), bits);
}
Tensor order(const Tensor& x) { return order_of_bits(x.view(at::kLong)); }
Tensor at_order(const Tensor& n) { return order_of_bits(n).view(at::kDouble); }

/// The number in the middle of those between low and high; of whole numbers, one that is above low.
Tensor middle(const Tensor& low, const Tensor& high, bool is_discrete) {
  const Tensor a = order(low);
  const Tensor b = order(high);
  // Half of a + b without overflow.
  const Tensor half = at::bitwise_and(a, b) + at::bitwise_right_shift(at::bitwise_xor(a, b), 1);
  const Tensor x = at_order(half);
  return is_discrete ? at::maximum(x.floor(), (low + 1).floor()) : x;
}

/// A number of ordinary size between low and high where there is one.
Tensor between(const Tensor& low, const Tensor& high) {
  const Tensor bounded = high < kInfinity;
  const Tensor x = at::where(low > -kInfinity, at::where(bounded, low + (high - low) / 2, low + 1),
                             at::where(bounded, high - 1, at::zeros_like(low)));
  return at::where((x > low).logical_and(x < high), x, middle(low, high, false));
}

Tensor filled(const Tensor& x, const Tensor& where, double value) {
  return x.masked_fill(where, value);
}

/// Where one of a distribution's tails reaches its target.
class Search {
 public:
  /// @param lower where the lower tail is meant, else the upper.
  /// @param target its logarithm.
  Search(const UnivariateTails& tails, Tensor lower, Tensor target)
      : tails_(tails),
        lower_(std::move(lower)),
        target_(std::move(target)),
        any_lower_(lower_.any().item<bool>()),
        all_lower_(lower_.all().item<bool>()) {}

  /// log of the tail in use.
  Tensor log_tail(const Tensor& x) const {
    if (all_lower_) return tails_.log_cdf(x);
    if (!any_lower_) return tails_.log_survival(x);
    return at::where(lower_, tails_.log_cdf(x), tails_.log_survival(x));
  }

  /// Above 0 beyond the quantile.
  Tensor excess(const Tensor& log_tail) const {
    return at::where(lower_, log_tail - target_, target_ - log_tail);
  }

  /// Newton's step on the logarithm, whose slope is density / tail.
  Tensor step(const Tensor& x) const {
    const Tensor t = log_tail(x);
    return -excess(t) * (t - tails_.log_prob(x)).exp();
  }

  /// @param slack how far below the target is near enough.
  Tensor solve(Tensor low, Tensor high, const Tensor& slack) const {
    const at::NoGradGuard no_grad;
    constexpr int kNewtonSteps = 30;
    constexpr double kDone = 4e-16;
    constexpr double kNear = 1e-3;
    if (tails_.is_discrete) low = low - 1;
    const Tensor positive = low >= 0;
    Tensor x = tails_.is_discrete ? middle(low, high, true) : between(low, high);
    Tensor done = at::zeros_like(x, at::kBool);
    for (int i = 0;; ++i) {
      const Tensor t = log_tail(x);
      const Tensor above = excess(t);
      const Tensor beyond = above >= -slack;
      const Tensor unfinished = done.logical_not();
      high = at::where(unfinished.logical_and(beyond), x, high);
      low = at::where(unfinished.logical_and(beyond.logical_not()), x, low);
      Tensor next = middle(low, high, tails_.is_discrete);
      const Tensor closed = (next <= low).logical_or(next >= high);
      next = at::where(closed, high, next);
      Tensor finished = closed;
      if (!tails_.is_discrete && i < kNewtonSteps) {
        const Tensor by = -above * (t - tails_.log_prob(x)).exp();
        // Of positive numbers, the step of the logarithm: tails are powers there.
        const Tensor proposed = at::where(positive, x * (by / x).exp(), x + by);
        // Far from the target a tail may be so steep that the step rounds to 0.
        const Tensor converged =
            ((proposed - x).abs() <= kDone * x.abs()).logical_and(above.abs() < kNear);
        const Tensor inside = (proposed > low).logical_and(proposed < high).logical_or(converged);
        next = at::where(inside, proposed, next);
        finished = finished.logical_or(converged);
      }
      x = at::where(done, x, next);
      done = done.logical_or(finished);
      if (done.all().item<bool>()) return x;
    }
  }

  /// The solution x as a function of all that the tail and its target depend on.
  Tensor differentiable(const Tensor& x) const {
    const Tensor by = step(x);
    if (!by.requires_grad()) return x;
    const Tensor stayed = after_two_steps(x, by);
    const Tensor left = stayed.isfinite().logical_not();
    if (!left.any().item<bool>()) return stayed;
    // An end of the support, where a tail is 0 and the density may be infinite, has no slope.
    const auto end = [&](const Tensor& bound) {
      return bound.detach().to(x.options()).expand(x.sizes()).contiguous();
    };
    const Tensor inside = at::where(left, between(end(tails_.low), end(tails_.high)), x);
    return at::where(left, x, after_two_steps(inside, step(inside)));
  }

 private:
  /// Two of Newton's steps from the solution, which stay there: the first makes first derivatives
  /// right, the second those up to the third.
  Tensor after_two_steps(const Tensor& x, const Tensor& by) const {
    const Tensor next = x + by;
    return next + step(next);
  }

  const UnivariateTails& tails_;
  Tensor lower_;
  Tensor target_;
  bool any_lower_;
  bool all_lower_;
};

Tensor quantile(const UnivariateTails& tails, const Tensor& probability, bool upper) {
  const Tensor p = in_double(probability);
  const Tensor first = upper ? p >= 1 : p <= 0;
  const Tensor last = upper ? p <= 0 : p >= 1;
  const Tensor unknown = p.isnan();
  // Elements that are not searched for stand at the median.
  const Tensor inner = filled(p, first.logical_or(last).logical_or(unknown), 0.5);
  const Tensor small = inner <= 0.5;
  const Tensor target = at::where(small, filled(inner, small.logical_not(), 0.5).log(),
                                  at::log1p(-filled(inner, small, 0.5)));
  const Search search(tails, upper ? small.logical_not() : small, target);
  const auto end = [&](const Tensor& bound) { return bound.to(p.options()).expand(p.sizes()); };
  const Tensor low = end(tails.low);
  const Tensor high = end(tails.high);
  // The rounding of p is one of 1 - p too, relative to which it is larger.
  const double rounding = tails.is_discrete ? probability_slack(probability.scalar_type()) : 0;
  const Tensor slack = rounding * (1 + filled(inner / (8 * (1 - inner)), small, 0)).detach();
  Tensor x = search.solve(low.detach().contiguous(), high.detach().contiguous(), slack);
  if (!tails.is_discrete && at::GradMode::is_enabled()) x = search.differentiable(x);
  // An infinite end does not move with parameters, but its gradient would be 0 times infinity.
  const auto fixed = [](const Tensor& bound) {
    return bound.isinf().any().item<bool>() ? bound.detach() : bound;
  };
  x = at::where(first, fixed(low), at::where(last, fixed(high), x));
  return filled(x, unknown, std::numeric_limits<double>::quiet_NaN());
}

}  // namespace

double probability_slack(at::ScalarType type) { return 4 * epsilon(type); }

Tensor inverse_cdf(const UnivariateTails& tails, const Tensor& probability) {
  return quantile(tails, probability, /*upper=*/false);
}

Tensor inverse_survival(const UnivariateTails& tails, const Tensor& probability) {
  return quantile(tails, probability, /*upper=*/true);
}

Tensor with_implicit_gradient(const UnivariateTails& tails, const Tensor& draw) {
  if (!at::GradMode::is_enabled()) return draw;
  Tensor lower;
  Tensor target;
  {
    const at::NoGradGuard no_grad;
    const Tensor log_lower = tails.log_cdf(draw);
    lower = log_lower <= -std::numbers::ln2;
    target = at::where(lower, log_lower, tails.log_survival(draw));
  }
  return Search(tails, lower, target).differentiable(draw);
}

}  // namespace partita::distributions
