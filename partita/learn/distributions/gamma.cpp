#include "partita/learn/distributions/gamma.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/implicit.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

Gamma::Gamma(const TensorOrNumber& concentration, const TensorOrNumber& rate, bool validate_args)
    : Gamma("Gamma",
            {{"concentration", concentration, constraints::positive()},
             {"rate", rate, constraints::positive()}},
            validate_args) {}

Tensor Gamma::entropy() const {
  const Tensor c = in_double(concentration());
  return (c - in_double(rate()).log() + at::lgamma(c) + (1 - c) * at::digamma(c))
      .to(parameter(0).scalar_type());
}

Tensor Gamma::mode() const { return ((concentration() - 1) / rate()).clamp_min(0); }

Tensor Gamma::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor c = in_double(unexpanded(concentration())).expand(extended_shape(sample_shape));
  const Tensor log_draw = implicit_draw(Family::kLogGamma, random.log_standard_gamma(c), c);
  return positive_draw((log_draw - in_double(unexpanded(rate())).log()).exp(), options());
}

Tensor Gamma::do_log_prob(const Tensor& value) const {
  const at::ScalarType result = at::result_type(value, parameter(0));
  Tensor c = unexpanded(concentration());
  Tensor r = unexpanded(rate());
  const bool is_single = value.scalar_type() == at::kFloat && r.scalar_type() == at::kFloat;
  const at::ScalarType type = is_single ? log_gamma_type({c}) : at::kDouble;
  // With the logarithm of r x, what cancels does not grow with the scale.
  const Tensor y = r.to(type) * expanded_with(value, parameter(0)).to(type);
  if (all_at_least(y, smallest_normal(type))) {
    c = c.to(type);
    return at::addcmul(r.to(type).log() - at::lgamma(c), c - 1, y.log()).sub_(y).to(result);
  }
  c = in_double(c);
  r = in_double(r);
  const Tensor x = in_double(value);
  return (c * r.log() + times(c - 1, log_or_minus_infinity(x)) - r * x - at::lgamma(c)).to(result);
}

Tensor Gamma::do_cdf(const Tensor& value) const {
  return tail_of_log(Family::kLogGamma, Tail::kCdf, rate() * value, concentration());
}

Tensor Gamma::do_log_cdf(const Tensor& value) const {
  return tail_of_log(Family::kLogGamma, Tail::kLogCdf, rate() * value, concentration());
}

Tensor Gamma::do_log_survival(const Tensor& value) const {
  return tail_of_log(Family::kLogGamma, Tail::kLogSurvival, rate() * value, concentration());
}

Chi2::Chi2(const TensorOrNumber& df, bool validate_args)
    : Gamma("Chi2", {{"df", df, constraints::positive()}}, validate_args) {}

Tensor Chi2::rate() const { return at::full_like(df(), 0.5); }

}  // namespace partita::distributions
