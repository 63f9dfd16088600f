// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/mixture_same_family.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"

namespace partita::distributions {

namespace {

Categorical expanded(const Categorical& mixture, IntArrayRef batch_shape) {
  return static_cast<const Categorical&>(*mixture.expand(batch_shape));
}

/// The mixture, expanded to the components' batch shape without its last dimension.
Categorical checked(const Categorical& mixture, const Distribution& component) {
  const IntArrayRef components = component.batch_shape();
  if (components.empty()) {
    throw InvalidArgument(
        "component_distribution",
        fmt::format("MixtureSameFamily: expected a batch, along whose last dimension the "
                    "components stand, got {}",
                    component.to_string()));
  }
  const std::int64_t categories = mixture.parameters()[0].value.size(-1);
  if (categories != components.back()) {
    throw InvalidArgument("mixture_distribution",
                          fmt::format("MixtureSameFamily: expected as many categories as there are "
                                      "components, {}, got {}",
                                      components.back(), categories));
  }
  const IntArrayRef batch = components.slice(0, components.size() - 1);
  const IntArrayRef own = mixture.batch_shape();
  bool fits = own.size() <= batch.size();
  for (std::size_t i = 0; fits && i < own.size(); ++i) {
    fits = own[i] == 1 || own[i] == batch[batch.size() - own.size() + i];
  }
  if (!fits) {
    throw InvalidArgument(
        "mixture_distribution",
        fmt::format("MixtureSameFamily: expected a batch shape that broadcasts to {}, got {}",
                    partita::to_string(batch), partita::to_string(own)));
  }
  return expanded(mixture, batch);
}

}  // namespace

MixtureSameFamily::MixtureSameFamily(const Categorical& mixture_distribution,
                                     const AnyDistribution& component_distribution,
                                     bool validate_args)
    : Distribution("MixtureSameFamily", {}, component_distribution.ptr()->event_shape(),
                   validate_args),
      mixture_(checked(mixture_distribution, *component_distribution.ptr())),
      component_(component_distribution.ptr()) {
  batch_shape_ = mixture_.batch_shape().vec();
}

std::string MixtureSameFamily::to_string() const {
  return fmt::format("{}({}, {})", name(), mixture_.to_string(), component_->to_string());
}

Constraint MixtureSameFamily::support() const {
  const Constraint component = component_->support();
  return {component.description, component.event_dim, component.is_discrete,
          [check = component.check, at = dimension()](const Tensor& value) {
            return check(value.unsqueeze(at)).any(-1);
          }};
}

Tensor MixtureSameFamily::average(const Tensor& values) const {
  Tensor weights = mixture_.probs();
  for (std::size_t i = 0; i < event_shape().size(); ++i) weights = weights.unsqueeze(-1);
  // A component of weight 0 does not count, not even where its value is infinite.
  return (weights * values.masked_fill(weights == 0, 0)).sum(dimension());
}

Tensor MixtureSameFamily::log_average(const Tensor& values) const {
  const Tensor terms = mixture_.logits() + values;
  return log_sum_exp(widened(terms)).to(terms.scalar_type());
}

Tensor MixtureSameFamily::mean() const { return average(component_->mean()); }

Tensor MixtureSameFamily::variance() const {
  // The mean of the variances and the variance of the means. Where a mean is infinite, so is its
  // component's variance.
  const Tensor means = component_->mean();
  const Tensor infinite = means.isinf();
  const Tensor finite = means.masked_fill(infinite, 0);
  const Tensor deviation = finite - average(finite).unsqueeze(dimension());
  return average((component_->variance() + deviation.square()).masked_fill(infinite, kInfinity));
}

DistributionPtr MixtureSameFamily::expand(IntArrayRef batch_shape) const {
  check_expands(batch_shape);
  auto copy = std::make_shared<MixtureSameFamily>(*this);
  copy->mixture_ = expanded(mixture_, batch_shape);
  copy->component_ = component_->expand(concatenate(
      batch_shape, component_->batch_shape().slice(component_->batch_shape().size() - 1)));
  copy->batch_shape_ = batch_shape.vec();
  return copy;
}

Tensor MixtureSameFamily::do_sample(IntArrayRef sample_shape, const Random& random) const {
  // The choice comes from a stream of its own, so that where the components begin does not
  // depend on how many there are.
  Tensor which = mixture_.sample(sample_shape, Random(random.fork()));
  const Tensor draws = component_->sample(sample_shape, random);
  for (std::size_t i = 0; i <= event_shape().size(); ++i) which = which.unsqueeze(-1);
  Shape shape = draws.sizes().vec();
  shape[shape.size() - event_shape().size() - 1] = 1;
  return draws.gather(dimension(), which.expand(shape)).squeeze(dimension());
}

Tensor MixtureSameFamily::do_log_prob(const Tensor& value) const {
  return log_average(component_->log_prob_anywhere(value.unsqueeze(dimension())));
}

Tensor MixtureSameFamily::do_cdf(const Tensor& value) const {
  if (!event_shape().empty()) return do_log_cdf(value).exp();
  return average(component_->cdf_anywhere(value.unsqueeze(-1)));
}

Tensor MixtureSameFamily::do_log_cdf(const Tensor& value) const {
  return log_average(component_->log_cdf_anywhere(value.unsqueeze(dimension())));
}

Tensor MixtureSameFamily::do_log_survival(const Tensor& value) const {
  return log_average(component_->log_survival_anywhere(value.unsqueeze(dimension())));
}

Tensor MixtureSameFamily::do_log_cdf_below(const Tensor& value) const {
  return log_average(component_->do_log_cdf_below(value.unsqueeze(-1)));
}

Tensor MixtureSameFamily::do_log_survival_from(const Tensor& value) const {
  return log_average(component_->do_log_survival_from(value.unsqueeze(-1)));
}

// To the nearest number of any component.

Tensor MixtureSameFamily::rounded_down(const Tensor& value) const {
  return component_->rounded_down(value.unsqueeze(-1)).amax(-1);
}

Tensor MixtureSameFamily::rounded_up(const Tensor& value) const {
  return component_->rounded_up(value.unsqueeze(-1)).amin(-1);
}

std::pair<Tensor, Tensor> MixtureSameFamily::ends() const {
  const Tensor none = mixture_.probs() == 0;
  const auto end = [&](double p) {
    return in_double(component_->do_icdf(at::full({}, p, none.options().dtype(at::kDouble))))
        .masked_fill(none, p == 0 ? kInfinity : -kInfinity);
  };
  return {end(0).amin(-1), end(1).amax(-1)};
}

Tensor MixtureSameFamily::do_icdf(const Tensor& probability) const {
  if (!event_shape().empty()) return Distribution::do_icdf(probability);
  const auto [low, high] = ends();
  return search_icdf(probability, low, high);
}

Tensor MixtureSameFamily::do_isf(const Tensor& probability) const {
  if (!event_shape().empty()) return Distribution::do_isf(probability);
  const auto [low, high] = ends();
  return search_isf(probability, low, high);
}

}  // namespace partita::distributions
