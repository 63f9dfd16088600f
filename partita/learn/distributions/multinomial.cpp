// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/multinomial.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/deviance.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Multinomial::Multinomial(const TensorOrNumber& total_count, const ProbsOrLogits& parameter,
                         bool validate_args)
    : Distribution("Multinomial",
                   counted_arguments(total_count, constraints::nonnegative_integer(), parameter,
                                     constraints::simplex(), constraints::logits()),
                   {}, validate_args),
      is_logits_(parameter.is_logits()) {
  event_shape_ = {this->parameter(1).size(-1)};
}

Categorical Multinomial::categorical() const {
  return is_logits_ ? Categorical(Logits(parameter(1)), false) : Categorical(parameter(1), false);
}

Constraint Multinomial::support() const {
  // Counts beyond 1 / epsilon are rounded.
  const at::ScalarType type = total_count().scalar_type();
  const double rounding = epsilon(type);
  return {"counts that sum to total_count", 1, true,
          [n = total_count(), rounding](const Tensor& x) {
            return constraints::nonnegative_integer().check(x).all(-1).logical_and(
                (in_double(x).sum(-1) - n).abs() <= rounding * n);
          }};
}

Tensor Multinomial::entropy() const {
  // log P(x) = sum_i log q(x_i; n p_i) - log q(n; n), q the Poisson probabilities: a sum of small
  // numbers, where log n! and sum_i log x_i! are large. Each count is binomial.
  const Tensor n = in_double(total_count());
  const Tensor p = in_double(probs());
  const auto log_poisson = [](const Tensor& k, const Tensor& rate) {
    const Tensor none = k == 0;
    return at::where(none, -rate,
                     log_poisson_term(k.masked_fill(none, 1), rate, log_or_minus_infinity(rate)));
  };
  const Tensor means = n.unsqueeze(-1) * p;
  const Tensor counts =
      binomial_expectation(n.unsqueeze(-1), Coin{p, false},
                           [&](const Tensor& k, const Tensor& /*log_p*/) {
                             return log_poisson(k, means).masked_fill(means == 0, 0);
                           })
          .sum(-1);
  return (log_poisson(n, n) - counts).to(total_count().scalar_type());
}

Tensor Multinomial::mean() const { return total_count().unsqueeze(-1) * probs(); }

Tensor Multinomial::variance() const {
  const Tensor p = probs();
  return total_count().unsqueeze(-1) * p * (1 - p);
}

Tensor Multinomial::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // A binary tree over the categories: how many of a node's draws go to its left child is binomial.
  // That costs V binomials, whatever total_count is, in log V calls. A child of probability 0 gets
  // no draw, since its share is exactly 0 or its sibling's exactly 1.
  Tensor p = probs().to(at::kDouble);
  const std::int64_t categories = p.size(-1);
  std::int64_t leaves = 1;
  while (leaves < categories) leaves *= 2;
  p = at::constant_pad_nd(p, {0, leaves - categories});
  std::vector<Tensor> left_shares;  // per level, from the leaves' parents to the root
  while (p.size(-1) > 1) {
    const Tensor pairs = p.unflatten(-1, {p.size(-1) / 2, 2});
    p = pairs.sum(-1);
    left_shares.push_back((pairs.select(-1, 0) / p).masked_fill(p == 0, 0));
  }
  const Shape rows = concatenate(sample_shape, batch_shape());
  Tensor counts = total_count().to(at::kDouble).expand(rows).unsqueeze(-1);
  for (auto share = left_shares.rbegin(); share != left_shares.rend(); ++share) {
    // From a stream of its own, so that the leading draws do not depend on their number.
    const Tensor left = Random(random.fork()).binomial(counts, share->expand(counts.sizes()));
    counts = at::stack({left, counts - left}, -1).flatten(-2);
  }
  return counts.narrow(-1, 0, categories).to(options());
}

Tensor Multinomial::do_log_prob(const Tensor& value) const {
  const Tensor x = in_double(value);
  const Tensor log_p = log_multinomial_term(x, in_double(probs()), in_double(logits()));
  return log_p.to(at::result_type(value, total_count()));
}

}  // namespace partita::distributions
