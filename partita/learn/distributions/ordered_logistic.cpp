// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/ordered_logistic.hpp"

#include <ATen/ATen.h>

#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/table.hpp"

namespace partita::distributions {

namespace {

Constraint increasing() {
  return {"a vector of increasing numbers", 1, false, [](const Tensor& x) {
            const std::int64_t last = x.size(-1) - 1;
            if (last < 0) return at::zeros(x.sizes().slice(0, x.sizes().size() - 1), at::kBool);
            return (x.narrow(-1, 1, last) > x.narrow(-1, 0, last))
                .all(-1)
                .logical_and(x.isnan().any(-1).logical_not());
          }};
}

}  // namespace

OrderedLogistic::OrderedLogistic(const TensorOrNumber& predictor, const Tensor& cutpoints,
                                 bool validate_args)
    : Distribution(
          "OrderedLogistic",
          {{"predictor", predictor, constraints::real()}, {"cutpoints", cutpoints, increasing()}},
          {}, validate_args) {}

Tensor OrderedLogistic::logits() const {
  // With u < v, s(v) - s(u) = s(v) s(-u) (1 - e^(u - v)) for the sigmoid s: a product.
  const Tensor d = distances();
  const std::int64_t inner = d.size(-1) - 1;
  const Tensor below = d.narrow(-1, 0, inner);
  const Tensor above = d.narrow(-1, 1, inner);
  const Tensor between = cutpoints().narrow(-1, 0, inner) - cutpoints().narrow(-1, 1, inner);
  return at::cat({at::log_sigmoid(d.narrow(-1, 0, 1)),
                  at::log_sigmoid(above) + at::log_sigmoid(-below) + log1mexp(between),
                  at::log_sigmoid(-d.narrow(-1, inner, 1))},
                 -1);
}

at::TensorOptions OrderedLogistic::options() const {
  return parameter(0).options().dtype(at::kLong);
}

Constraint OrderedLogistic::support() const {
  return constraints::integer_interval(at::zeros({}, options()),
                                       at::full({}, categories() - 1, options()), "[0, K]");
}

Tensor OrderedLogistic::enumerate_support(bool expand) const {
  return over_batch(at::arange(categories(), options()), expand);
}

Tensor OrderedLogistic::do_sample(IntArrayRef sample_shape, const Random& random) const {
  const Tensor noise = random.logistic(extended_shape(sample_shape), parameter(0).options());
  return (noise.unsqueeze(-1) > distances()).sum(-1);
}

Tensor OrderedLogistic::do_log_prob(const Tensor& value) const { return look_up(logits(), value); }

Tensor OrderedLogistic::distance_at(const Tensor& value) const {
  return look_up(distances(), value.clamp(0, static_cast<double>(categories() - 2)));
}

Tensor OrderedLogistic::do_cdf(const Tensor& value) const { return do_log_cdf(value).exp(); }

Tensor OrderedLogistic::do_log_cdf(const Tensor& value) const {
  return at::log_sigmoid(distance_at(value))
      .masked_fill(value < 0, -kInfinity)
      .masked_fill(value >= categories() - 1, 0);
}

Tensor OrderedLogistic::do_log_survival(const Tensor& value) const {
  return at::log_sigmoid(-distance_at(value))
      .masked_fill(value < 0, 0)
      .masked_fill(value >= categories() - 1, -kInfinity);
}

}  // namespace partita::distributions
