#include "partita/learn/distributions/gamma.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/implicit.hpp"
#include "partita/learn/distributions/numeric.hpp"

namespace partita::distributions {

namespace {

std::vector<Parameter> parameters_of(const TensorOrNumber& concentration,
                                     const TensorOrNumber& rate) {
  const auto t = as_tensors({{"concentration", concentration}, {"rate", rate}});
  return {{"concentration", t[0], constraints::positive()},
          {"rate", t[1], constraints::positive()}};
}

}  // namespace

Gamma::Gamma(const TensorOrNumber& concentration, const TensorOrNumber& rate, bool validate_args)
    : Gamma("Gamma", parameters_of(concentration, rate), validate_args) {}

Tensor Gamma::entropy() const {
  const Tensor c = in_double(concentration());
  return (c - in_double(rate()).log() + at::lgamma(c) + (1 - c) * at::digamma(c))
      .to(parameter(0).scalar_type());
}

Tensor Gamma::mode() const { return ((concentration() - 1) / rate()).clamp_min(0); }

Tensor Gamma::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor c = in_double(concentration().expand(extended_shape(sample_shape)));
  const Tensor log_draw = implicit_draw(Law::kLogGamma, random.log_standard_gamma(c.detach()), c);
  return positive_draw((log_draw - in_double(rate()).log()).exp(), options());
}

Tensor Gamma::do_log_prob(const Tensor& value) const {
  const Tensor c = in_double(concentration());
  const Tensor r = in_double(rate());
  const Tensor x = in_double(value);
  return (c * r.log() + times(c - 1, log_or_minus_infinity(x)) - r * x - at::lgamma(c))
      .to(at::result_type(value, parameter(0)));
}

Tensor Gamma::do_cdf(const Tensor& value) const {
  return tail_of_log(Law::kLogGamma, Tail::kCdf, rate() * value, concentration());
}

Tensor Gamma::do_log_cdf(const Tensor& value) const {
  return tail_of_log(Law::kLogGamma, Tail::kLogCdf, rate() * value, concentration());
}

Tensor Gamma::do_log_survival(const Tensor& value) const {
  return tail_of_log(Law::kLogGamma, Tail::kLogSurvival, rate() * value, concentration());
}

Chi2::Chi2(const TensorOrNumber& df, bool validate_args)
    : Gamma("Chi2", {{"df", as_tensors({{"df", df}})[0], constraints::positive()}}, validate_args) {
}

Tensor Chi2::rate() const { return at::full_like(df(), 0.5); }

}  // namespace partita::distributions
