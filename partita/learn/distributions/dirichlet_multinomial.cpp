// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/dirichlet_multinomial.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/beta_binomial.hpp"
#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"
#include "partita/learn/distributions/multinomial.hpp"

namespace partita::distributions {

DirichletMultinomial::DirichletMultinomial(const TensorOrNumber& total_count,
                                           const Tensor& concentration, bool validate_args)
    : Distribution(
          "DirichletMultinomial",
          {{"total_count", count_like(total_count, {{"concentration", concentration}}),
            constraints::nonnegative_integer()},
           {"concentration", concentration, constraints::independent(constraints::positive(), 1)}},
          {}, validate_args) {
  event_shape_ = {parameter(1).size(-1)};
}

Constraint DirichletMultinomial::support() const {
  return {"counts that sum to total_count", 1, true, [n = total_count()](const Tensor& x) {
            return constraints::nonnegative_integer().check(x).all(-1).logical_and(x.sum(-1) == n);
          }};
}

Tensor DirichletMultinomial::entropy() const {
  // log P(x) is a sum over categories, and each count is BetaBinomial(n, c_i, C - c_i).
  const Tensor n = in_double(total_count());
  const Tensor c = in_double(concentration());
  const Tensor none = at::lgamma(n + 1) - log_rising(c.sum(-1), n);
  if (c.size(-1) == 1) return at::zeros_like(none).to(options());
  const BetaBinomial count(n.unsqueeze(-1), c, sum_of_others(c), /*validate_args=*/false);
  const double largest = n.numel() == 0 ? 0 : n.max().item<double>();
  const Shape each(count.batch_shape().size(), 1);
  const Tensor x = at::arange(largest + 1, c.options()).view(concatenate({-1}, each));
  const Tensor terms = count.log_prob(x).exp() * (log_rising(c, x) - at::lgamma(x + 1));
  return -(none + terms.sum(0).sum(-1)).to(options());
}

Tensor DirichletMultinomial::mean() const { return total_count().unsqueeze(-1) * shares(); }

Tensor DirichletMultinomial::variance() const {
  const Tensor total = concentration().sum(-1, /*keepdim=*/true);
  const Tensor others = (total - concentration()) / total;
  return mean() * others * ((total + total_count().unsqueeze(-1)) / (total + 1));
}

Tensor DirichletMultinomial::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // From a stream of their own, so that where the counts begin does not depend on the number of
  // draws. By logarithms, since all gamma draws of small concentrations may underflow.
  const Shape shape = extended_shape(sample_shape);
  const Tensor log_gammas =
      Random(random.fork()).log_standard_gamma(in_double(concentration()).expand(shape));
  const Multinomial counts(
      in_double(total_count()).expand(IntArrayRef(shape).slice(0, shape.size() - 1)),
      Logits(log_gammas), false);
  return counts.sample(random).to(options());
}

Tensor DirichletMultinomial::do_log_prob(const Tensor& value) const {
  const Tensor n = in_double(total_count());
  const Tensor x = in_double(value);
  const Tensor c = in_double(concentration());
  return (at::lgamma(n + 1) - log_rising(c.sum(-1), n) +
          (log_rising(c, x) - at::lgamma(x + 1)).sum(-1))
      .to(at::result_type(value, concentration()));
}

}  // namespace partita::distributions
