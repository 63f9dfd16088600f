#include "partita/learn/distributions/relaxed_bernoulli.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/coin.hpp"
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
  return at::where(certain(), logits().detach(), (finite_logits() + noise) / temperature());
}

Tensor LogitRelaxedBernoulli::do_log_prob(const Tensor& value) const {
  const Tensor distance = standardized(value).abs();  // the logistic density is even
  return at::where(certain(), log_of(value == logits(), options()),
                   temperature().log() - distance - 2 * at::log1p((-distance).exp()));
}

Tensor LogitRelaxedBernoulli::do_cdf(const Tensor& value) const {
  return at::where(certain(), (value >= logits()).to(value.scalar_type()),
                   standardized(value).sigmoid());
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
  return base_dist().do_cdf(at::logit(value));
}

Tensor RelaxedBernoulli::do_log_cdf(const Tensor& value) const {
  return base_dist().do_log_cdf(at::logit(value));
}

Tensor RelaxedBernoulli::do_log_survival(const Tensor& value) const {
  return base_dist().do_log_survival(at::logit(value));
}

Tensor RelaxedBernoulli::do_icdf(const Tensor& probability) const {
  return base_dist().do_icdf(probability).sigmoid();
}

Tensor RelaxedBernoulli::do_isf(const Tensor& probability) const {
  return base_dist().do_isf(probability).sigmoid();
}

}  // namespace partita::distributions
