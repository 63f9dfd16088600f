// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/relaxed_bernoulli.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/coin.hpp"
#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

std::vector<Argument> arguments_of(const TensorOrNumber& temperature,
                                   const ProbsOrLogits& parameter) {
  return {parameter.argument(constraints::unit_interval(), constraints::real()),
          {"temperature", temperature, constraints::positive()}};
}

/// 0 where `condition` holds, else -inf.
Tensor log_of(const Tensor& condition, const at::TensorOptions& options) {
  return at::zeros({}, options).masked_fill(condition.logical_not(), -kInfinity);
}

}  // namespace

LogitRelaxedBernoulli::LogitRelaxedBernoulli(const TensorOrNumber& temperature,
                                             const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("LogitRelaxedBernoulli", arguments_of(temperature, parameter), {},
                   validate_args),
      is_logits_(parameter.is_logits()) {}

Tensor LogitRelaxedBernoulli::probs() const { return Coin{parameter(0), is_logits_}.probs(); }

Tensor LogitRelaxedBernoulli::logits() const { return Coin{parameter(0), is_logits_}.logits(); }

Tensor LogitRelaxedBernoulli::certain() const {
  const Tensor& p = parameter(0);
  return is_logits_ ? at::isinf(p) : (p == 0).logical_or(p == 1);
}

Tensor LogitRelaxedBernoulli::finite_logits() const {
  const Tensor& p = parameter(0);
  return is_logits_ ? p.masked_fill(certain(), 0) : at::logit(p.masked_fill(certain(), 0.5));
}

Tensor LogitRelaxedBernoulli::standardized(const Tensor& value) const {
  return temperature() * value - finite_logits();
}

Tensor LogitRelaxedBernoulli::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor noise = random.logistic(extended_shape(sample_shape), options());
  // In double, where the noise over a tiny temperature is finite.
  return at::where(
      certain(), logits().detach(),
      finite_draw(in_double(finite_logits() + noise) / in_double(temperature()), options()));
}

Tensor LogitRelaxedBernoulli::do_log_prob(const Tensor& value) const {
  const Tensor distance = standardized(value).abs();  // the logistic density is even
  return at::where(certain(), log_of(value == logits(), options()),
                   temperature().log() - distance - 2 * at::log1p((-distance).exp()));
}

Tensor LogitRelaxedBernoulli::do_cdf(const Tensor& value) const {
  return at::where(certain(), (value >= logits()).to(value.scalar_type()),
                   sigmoid_of(standardized(value)));
}

Tensor LogitRelaxedBernoulli::do_log_cdf(const Tensor& value) const {
  return at::where(certain(), log_of(value >= logits(), options()),
                   at::log_sigmoid(standardized(value)));
}

Tensor LogitRelaxedBernoulli::do_log_survival(const Tensor& value) const {
  return at::where(certain(), log_of(value < logits(), options()),
                   at::log_sigmoid(-standardized(value)));
}

Tensor LogitRelaxedBernoulli::do_icdf(const Tensor& probability) const {
  return at::where(certain(), logits().detach(),
                   (finite_logits() + at::logit(probability)) / temperature());
}

Tensor LogitRelaxedBernoulli::do_isf(const Tensor& probability) const {
  return at::where(certain(), logits().detach(),
                   (finite_logits() - at::logit(probability)) / temperature());
}

RelaxedBernoulli::RelaxedBernoulli(const TensorOrNumber& temperature,
                                   const ProbsOrLogits& parameter, bool validate_args)
    : Distribution("RelaxedBernoulli", arguments_of(temperature, parameter), {}, validate_args),
      is_logits_(parameter.is_logits()) {}

LogitRelaxedBernoulli RelaxedBernoulli::base_dist() const {
  return {temperature(),
          is_logits_ ? ProbsOrLogits(Logits(parameter(0))) : ProbsOrLogits(parameter(0)), false};
}

Tensor RelaxedBernoulli::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  return base_dist().do_rsample(sample_shape, random).sigmoid();
}

Tensor RelaxedBernoulli::do_log_prob(const Tensor& value) const {
  const LogitRelaxedBernoulli base = base_dist();
  const at::ScalarType type = value.scalar_type();
  const Tensor inner = value.clamp(smallest_normal(type), 1 - epsilon(type) / 2);
  const Tensor log_value = inner.log();
  const Tensor log_rest = at::log1p(-inner);
  return at::where(base.certain(), log_of(value == probs(), options()),
                   base.do_log_prob(log_value - log_rest) - log_value - log_rest);
}

Tensor RelaxedBernoulli::do_cdf(const Tensor& value) const {
  return tail_of_logit(value, 0, 1, [](const LogitRelaxedBernoulli& base, const Tensor& y) {
    return base.do_cdf(y);
  });
}

Tensor RelaxedBernoulli::do_log_cdf(const Tensor& value) const {
  return tail_of_logit(
      value, -kInfinity, 0,
      [](const LogitRelaxedBernoulli& base, const Tensor& y) { return base.do_log_cdf(y); });
}

Tensor RelaxedBernoulli::do_log_survival(const Tensor& value) const {
  return tail_of_logit(
      value, 0, -kInfinity,
      [](const LogitRelaxedBernoulli& base, const Tensor& y) { return base.do_log_survival(y); });
}

Tensor RelaxedBernoulli::tail_of_logit(
    const Tensor& value, double below, double above,
    const std::function<Tensor(const LogitRelaxedBernoulli&, const Tensor&)>& tail) const {
  const LogitRelaxedBernoulli base = base_dist();
  const Tensor zero = value == 0;
  const Tensor one = value == 1;
  const Tensor inside = tail(base, at::logit(value.masked_fill(zero.logical_or(one), 0.5)))
                            .masked_fill(zero, below)
                            .masked_fill(one, above);
  const Tensor reached = value >= probs();
  const Tensor of_a_point = at::zeros_like(inside.detach())
                                .masked_fill(reached.logical_not(), below)
                                .masked_fill(reached, above);
  return at::where(base.certain(), of_a_point, inside);
}

Tensor RelaxedBernoulli::do_icdf(const Tensor& probability) const {
  return base_dist().do_icdf(probability).sigmoid();
}

Tensor RelaxedBernoulli::do_isf(const Tensor& probability) const {
  return base_dist().do_isf(probability).sigmoid();
}

}  // namespace partita::distributions
