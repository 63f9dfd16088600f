// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/one_hot_categorical.hpp"

#include <ATen/ATen.h>

namespace partita::distributions {

OneHotCategorical::OneHotCategorical(const char* name, const ProbsOrLogits& parameter,
                                     bool validate_args)
    : Distribution(name, {parameter.argument(constraints::simplex(), constraints::logits())}, {},
                   validate_args),
      is_logits_(parameter.is_logits()) {
  event_shape_ = {this->parameter(0).size(-1)};
}

Categorical OneHotCategorical::categorical() const {
  return is_logits_ ? Categorical(Logits(parameter(0)), false) : Categorical(parameter(0), false);
}

Tensor OneHotCategorical::mode() const {
  return one_hot(categorical().mode(), event_shape()[0], options());
}

Tensor OneHotCategorical::variance() const {
  const Tensor p = probs();
  return p * (1 - p);
}

Tensor OneHotCategorical::enumerate_support(bool expand) const {
  const std::int64_t n = event_shape()[0];
  Shape shape(batch_shape().size() + 2, 1);
  shape.front() = n;
  shape.back() = n;
  const Tensor values = at::eye(n, options()).view(shape);
  return expand ? values.expand(extended_shape({n})) : values;
}

Tensor OneHotCategorical::do_sample(IntArrayRef sample_shape, const Random& random) const {
  return one_hot(categorical().sample(sample_shape, random), event_shape()[0], options());
}

Tensor OneHotCategorical::do_log_prob(const Tensor& value) const {
  return categorical().log_prob(value.argmax(-1));
}

Tensor OneHotCategoricalStraightThrough::do_rsample(IntArrayRef sample_shape,
                                                    const Random& random) const {
  const Tensor p = probs();
  return sample(sample_shape, random) + (p - p.detach());
}

}  // namespace partita::distributions
