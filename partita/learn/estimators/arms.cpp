// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/arms.hpp"

#include <ATen/ATen.h>

#include "partita/learn/estimators/internal/discrete.hpp"

namespace partita::estimators {

namespace {

/// Events of which each of n draws has probability r, and two have both as rarely as the Dirichlet
/// copula lets them.
struct Antithetic {
  std::int64_t n;
  Tensor log_r;  ///< r <= 1/2, or 1

  /// r^(-1 / (n-1)) - 1
  Tensor excess() const { return at::expm1(-log_r / static_cast<double>(n - 1)); }

  /// Whether it happens, [n, shape of r]: where 1 - d_i < r^(1 / (n-1)), for d_i = e_i / sum e with
  /// exponential e. The sum of the others is added up without e_i, which could drown it.
  Tensor draw(const Random& random) const {
    const Tensor e = random.exponential(concatenate({n}, log_r.sizes()), log_r.options());
    const Tensor others =
        (1 - at::eye(n, e.options())).matmul(e.reshape({n, log_r.numel()})).view(e.sizes());
    return e > others * excess();
  }

  /// P(both) / r
  Tensor again() const { return (1 - excess()).clamp_min(0).pow(static_cast<double>(n - 1)); }
  /// r (1 - r) / P(one of two, and not the other)
  Tensor weight_of_one() const { return -at::expm1(log_r) / (1 - again()); }
  /// (1 - r)^2 / P(neither)
  Tensor weight_of_none() const {
    const Tensor r = log_r.exp();
    return (1 - r).square() / (1 - 2 * r + r * again());
  }
};

struct Draw {
  Tensor z;  ///< [n, batch, event]
  /// w: of bits that differ, [batch, event]; of pairs of vectors, [n, n, batch, variables, 1]
  Tensor weight;
};

Draw draw_bits(const Tensor& logits, std::int64_t n, const Random& random) {
  const Antithetic rarer{n, at::log_sigmoid(-logits.abs())};
  return {rarer.draw(random).logical_xor(logits > 0).to(logits.scalar_type()),
          rarer.weight_of_one()};
}

Draw draw_one_hot(const Tensor& logits, std::int64_t n, const Random& random) {
  const std::int64_t last = logits.size(-1) - 1;
  const auto [log_p, category] = logits.sort(-1);
  // The probability of each among itself and those that are asked after it; the last always says
  // yes.
  const Tensor log_rest = log_p.flip(-1).logcumsumexp(-1).flip(-1);
  const Antithetic stick{n, (log_p - log_rest).slice(-1, 0, last)};
  const Tensor place = (stick.draw(random).cumsum(-1) == 0).sum(-1, /*keepdim=*/true);
  const Tensor drawn = category.expand(concatenate({n}, category.sizes())).gather(-1, place);
  // A pair that parts at a stick has both passed all before it, and one of them this.
  const Tensor first = log_p.slice(-1, 0, 1);
  const Tensor passed = at::cat({at::ones_like(first), stick.weight_of_none().cumprod(-1)}, -1);
  const Tensor parts = at::cat({stick.weight_of_one(), at::zeros_like(first)}, -1);
  const Tensor weights = (parts * passed).masked_fill(parts == 0, 0);
  const Tensor a = place.unsqueeze(0);
  const Tensor b = place.unsqueeze(1);
  return {partita::one_hot(drawn.squeeze(-1), last + 1, logits.options()),
          weights.expand(concatenate({n, n}, weights.sizes()))
              .gather(-1, at::minimum(a, b))
              .masked_fill(a == b, 0)};
}

}  // namespace

Arms::Arms(ArmsOptions options) : Estimator("Arms", options.samples, /*least=*/2) {}

GradientEstimate Arms::estimate(const Distribution& distribution, const Function& f,
                                const Random& random) {
  const auto variables = DiscreteVariables::of(distribution);
  if (!variables) does_not_fit(distribution, kDiscrete);
  const std::int64_t n = samples();
  const Tensor fixed = variables->logits.detach();
  const Draw draw =
      variables->one_hot ? draw_one_hot(fixed, n, random) : draw_bits(fixed, n, random);
  const Tensor values = evaluate(f, draw.z, distribution);
  const Tensor mean = values.mean(0);
  // sum_k w(x_i, x_k) (f_i - f_k) / n
  const Tensor credit = [&] {
    const Tensor found = unsqueeze_event(values.detach(), distribution);
    if (!variables->one_hot) return draw.weight * (found - found.mean(0));
    return (draw.weight * (found.unsqueeze(1) - found.unsqueeze(0))).mean(1);
  }();
  const Tensor gradient = (credit * draw.z).sum(0) / (n - 1);
  return {mean + sum_event(gradient * variables->logits, distribution), mean.detach()};
}

}  // namespace partita::estimators
