#include "partita/learn/distributions/poisson.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/numeric.hpp"

namespace partita::distributions {

Poisson::Poisson(const TensorOrNumber& rate, bool validate_args)
    : Distribution("Poisson",
                   {{"rate", as_tensors({{"rate", rate}})[0], constraints::nonnegative()}}, {},
                   validate_args) {}

Tensor Poisson::do_sample(IntArrayRef sample_shape, Random random) const {
  return random.poisson(rate().expand(extended_shape(sample_shape)));
}

Tensor Poisson::do_log_prob(const Tensor& value) const {
  const Tensor k = in_double(value);
  const Tensor r = in_double(rate());
  return (times(k, log_or_minus_infinity(r)) - r - at::lgamma(k + 1)).to(at::result_type(value, rate()));
}

Tensor Poisson::do_cdf(const Tensor& value) const {
  return at::special_gammaincc(value + 1, rate());
}

Tensor Poisson::do_log_survival(const Tensor& value) const {
  return at::special_gammainc(value + 1, rate()).log();
}

}  // namespace partita::distributions
