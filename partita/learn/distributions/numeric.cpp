#include "partita/learn/distributions/numeric.hpp"

#include <ATen/ATen.h>

#include <limits>
#include <numbers>

namespace partita::distributions {

double epsilon(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return std::numeric_limits<double>::epsilon();
    case at::kFloat:
      return std::numeric_limits<float>::epsilon();
    case at::kHalf:
      return 0x1p-10;
    default:
      return 0x1p-7;  // bfloat16
  }
}

double smallest_normal(at::ScalarType type) {
  switch (type) {
    case at::kDouble:
      return std::numeric_limits<double>::min();
    case at::kHalf:
      return 0x1p-14;
    default:
      return std::numeric_limits<float>::min();  // and bfloat16, which has its exponents
  }
}

Tensor log1mexp(const Tensor& x) {
  const Tensor near = x > -std::numbers::ln2;
  // The branch that is not taken sees a number at which its gradient is finite.
  return at::where(near, (-at::expm1(x.masked_fill(near.logical_not(), -1))).log(),
                   at::log1p(-x.masked_fill(near, -1).exp()));
}

Tensor log1mexp_of_exp(const Tensor& v) {
  const Tensor far = v < -40;  // log(1 - exp(-x)) = log x - x/2 + ...
  return at::where(far, v, log1mexp(-v.masked_fill(far, 0).exp()));
}

Tensor log_or_minus_infinity(const Tensor& x) {
  const Tensor zero = x == 0;
  return x.masked_fill(zero, 1).log().masked_fill(zero, -std::numeric_limits<double>::infinity());
}

Tensor log_sum_exp(const Tensor& x) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const Tensor nothing = (x == -kInfinity).all(-1, /*keepdim=*/true);
  return x.masked_fill(nothing, 0).logsumexp(-1).masked_fill(nothing.squeeze(-1), -kInfinity);
}

Tensor log1m_or_minus_infinity(const Tensor& x) {
  const Tensor one = x == 1;
  return at::log1p(-x.masked_fill(one, 0))
      .masked_fill(one, -std::numeric_limits<double>::infinity());
}

Tensor times(const Tensor& weight, const Tensor& log_prob) {
  const Tensor never =
      (weight == 0).logical_and(log_prob == -std::numeric_limits<double>::infinity());
  return weight * at::where(never, at::zeros({}, log_prob.options()), log_prob);
}

Tensor in_double(const Tensor& x) { return x.to(at::kDouble); }

}  // namespace partita::distributions
