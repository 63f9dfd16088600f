// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/beta_binomial.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/special.hpp"

namespace partita::distributions {

BetaBinomial::BetaBinomial(const TensorOrNumber& total_count, const TensorOrNumber& concentration1,
                           const TensorOrNumber& concentration0, bool validate_args)
    : Distribution("BetaBinomial",
                   {{"total_count",
                     count_like(total_count, {{"concentration1", concentration1},
                                              {"concentration0", concentration0}}),
                     constraints::nonnegative_integer()},
                    {"concentration1", concentration1, constraints::positive()},
                    {"concentration0", concentration0, constraints::positive()}},
                   {}, validate_args) {}

Constraint BetaBinomial::support() const {
  return constraints::integer_interval(at::zeros({}, options()), total_count(), "[0, total_count]");
}

Tensor BetaBinomial::mean() const {
  return total_count() * (concentration1() / (concentration1() + concentration0()));
}

Tensor BetaBinomial::variance() const {
  const Tensor total = concentration1() + concentration0();
  return mean() * (concentration0() / total) * ((total + total_count()) / (total + 1));
}

bool BetaBinomial::has_enumerate_support() const {
  return total_count().numel() > 0 && (total_count() == total_count().max()).all().item<bool>();
}

Tensor BetaBinomial::enumerate_support(bool expand) const {
  if (!has_enumerate_support()) {
    unavailable("enumerate_support", "total_count differs over the batch");
  }
  return over_batch(at::arange(1 + total_count().max().item<std::int64_t>(), options()), expand);
}

Tensor BetaBinomial::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // log odds of the coin, from a stream of their own, so that where the tosses begin does not
  // depend on the number of draws.
  const Shape shape = extended_shape(sample_shape);
  const Tensor a =
      Random(random.fork()).log_standard_gamma(in_double(concentration1()).expand(shape));
  const Tensor b =
      Random(random.fork()).log_standard_gamma(in_double(concentration0()).expand(shape));
  return random.binomial(in_double(total_count()).expand(shape), (a - b).sigmoid()).to(options());
}

Tensor BetaBinomial::do_log_prob(const Tensor& value) const {
  const Tensor n = in_double(total_count());
  const Tensor k = in_double(value);
  const Tensor a = in_double(concentration1());
  const Tensor b = in_double(concentration0());
  return (log_choose(n, k) + log_rising(a, k) + log_rising(b, n - k) - log_rising(a + b, n))
      .to(at::result_type(value, total_count()));
}

Categorical BetaBinomial::enumerated() const {
  const Tensor n = in_double(total_count()).unsqueeze(-1);
  const std::int64_t count = n.numel() == 0 ? 1 : 1 + n.max().item<std::int64_t>();
  const Tensor values = at::arange(count, n.options());
  const Tensor k = at::minimum(values, n);
  const Tensor a = in_double(concentration1()).unsqueeze(-1);
  const Tensor b = in_double(concentration0()).unsqueeze(-1);
  const Tensor log_p =
      log_choose(n, k) + log_rising(a, k) + log_rising(b, n - k) - log_rising(a + b, n);
  return Categorical(Logits(log_p.masked_fill(values > n, -kInfinity)), false);
}

Tensor BetaBinomial::entropy() const {
  return enumerated().entropy().to(total_count().scalar_type());
}

Tensor BetaBinomial::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor BetaBinomial::do_log_cdf(const Tensor& value) const {
  return enumerated().log_cdf(value).to(at::result_type(value, total_count()));
}

Tensor BetaBinomial::do_log_survival(const Tensor& value) const {
  return enumerated().log_survival(value).to(at::result_type(value, total_count()));
}

}  // namespace partita::distributions
