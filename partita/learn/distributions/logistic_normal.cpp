// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/logistic_normal.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <cmath>

#include "partita/learn/distributions/internal/covariance.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/vector_transforms.hpp"

namespace partita::distributions {

namespace {

/// loc and scale as vectors of one size.
std::vector<Argument> arguments_of(const TensorOrNumber& loc, const TensorOrNumber& scale) {
  std::vector<Tensor> both = as_tensors({{"loc", loc}, {"scale", scale}});
  const std::int64_t size = std::max<std::int64_t>(both[0].dim() > 0 ? both[0].size(-1) : 1,
                                                   both[1].dim() > 0 ? both[1].size(-1) : 1);
  for (Tensor& each : both) {
    if (each.dim() == 0) each = each.unsqueeze(0);
    if (each.size(-1) != 1) continue;  // broadcasts, or is of the wrong size
    Shape shape = each.sizes().vec();
    shape.back() = size;
    each = each.expand(shape);
  }
  return {{"loc", both[0], constraints::real_vector()},
          {"scale", both[1], constraints::independent(constraints::positive(), 1)}};
}

}  // namespace

LogisticNormal::LogisticNormal(const TensorOrNumber& loc, const TensorOrNumber& scale,
                               bool validate_args)
    : Distribution("LogisticNormal", arguments_of(loc, scale), {}, validate_args) {
  check_event("LogisticNormal", "scale", parameter(1), {parameter(0).size(-1)});
  event_shape_ = {parameter(0).size(-1) + 1};
}

Tensor LogisticNormal::do_rsample(IntArrayRef sample_shape, const Random& random) const {
  const Shape shape = concatenate(concatenate(sample_shape, batch_shape()), {loc().size(-1)});
  return StickBreakingTransform()(loc() + scale() * random.normal(shape, options()));
}

Tensor LogisticNormal::do_log_prob(const Tensor& value) const {
  const StickBreakingTransform sticks;
  const Tensor x = sticks.inverse(value);
  const Tensor z = (x - loc()) / scale();
  const Tensor normal = -0.5 * z.square() - scale().log() - 0.5 * std::log(2 * kPi);
  return normal.sum(-1) - sticks.log_abs_det_jacobian(x, value);
}

}  // namespace partita::distributions
