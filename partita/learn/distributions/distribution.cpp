// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/distribution.hpp"

#include <ATen/ATen.h>
#include <ATen/ExpandUtils.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/internal/numeric.hpp"
#include "partita/learn/distributions/internal/quantile.hpp"
#include "partita/learn/distributions/not_available.hpp"

namespace partita::distributions {

namespace {

IntArrayRef batch_part(const Tensor& value, std::int64_t event_dim) {
  return value.sizes().slice(0, static_cast<std::size_t>(value.dim() - event_dim));
}

/// The shape that all broadcast to.
/// @throws InvalidArgument naming all of them, if they do not.
Shape broadcast_batch(const char* name, const std::vector<Parameter>& parameters) {
  Shape batch;
  for (const Parameter& parameter : parameters) {
    const IntArrayRef shape = batch_part(parameter.value, parameter.constraint.event_dim);
    if (shape.size() > batch.size()) batch.insert(batch.begin(), shape.size() - batch.size(), 1);
    for (std::size_t i = 0; i < shape.size(); ++i) {
      const std::int64_t size = shape[shape.size() - 1 - i];
      std::int64_t& common = batch[batch.size() - 1 - i];
      if (common == 1) common = size;
      if (size == 1 || size == common) continue;
      std::string names;
      std::string shapes;
      for (const Parameter& one : parameters) {
        names += (names.empty() ? "" : ", ") + std::string(one.name);
        shapes += (shapes.empty() ? "" : ", ") + partita::to_string(one.value.sizes());
      }
      throw InvalidArgument(
          names, fmt::format("{}: expected shapes that broadcast, got {}", name, shapes));
    }
  }
  return batch;
}

std::vector<Parameter> parameters_of(const std::vector<Argument>& arguments) {
  std::vector<std::pair<const char*, TensorOrNumber>> values;
  for (const Argument& each : arguments) values.emplace_back(each.name, each.value);
  const std::vector<Tensor> tensors = as_tensors(values);
  std::vector<Parameter> parameters;
  for (std::size_t i = 0; i < tensors.size(); ++i) {
    parameters.push_back({arguments[i].name, tensors[i], arguments[i].constraint});
  }
  return parameters;
}

void check_sizes(const char* argument, IntArrayRef sizes) {
  for (const std::int64_t size : sizes) {
    if (size >= 0) continue;
    throw InvalidArgument(argument,
                          fmt::format("expected sizes >= 0, got {}", partita::to_string(sizes)));
  }
}

/// "-1 at [0, 2]": the first of the values that are not valid.
std::string first_invalid(const Tensor& value, const Tensor& valid) {
  const Tensor place = valid.logical_not().nonzero()[0];  // indices of the batch dimensions
  Tensor found = value;
  Shape at;
  for (std::int64_t d = 0; d < place.numel(); ++d) {
    at.push_back(place[d].item<std::int64_t>());
    found = found[at.back()];
  }
  found = found.flatten();
  constexpr std::int64_t kShown = 8;
  std::vector<std::string> numbers;
  for (std::int64_t i = 0; i < std::min(found.numel(), kShown); ++i) {
    numbers.push_back(fmt::format("{}", found[i].item<double>()));
  }
  if (found.numel() > kShown) numbers.emplace_back("...");
  const bool is_number = value.dim() == valid.dim();
  return fmt::format("{}{}{}{}", is_number ? "" : "[", fmt::join(numbers, ", "),
                     is_number ? "" : "]", at.empty() ? "" : " at " + partita::to_string(at));
}

}  // namespace

Distribution::Distribution(const char* name, const std::vector<Argument>& arguments,
                           IntArrayRef event_shape, bool validate_args)
    : event_shape_(event_shape.vec()),
      name_(name),
      parameters_(parameters_of(arguments)),
      validate_args_(validate_args) {
  for (const Parameter& parameter : parameters_) {
    if (parameter.value.dim() < parameter.constraint.event_dim) {
      throw InvalidArgument(
          parameter.name,
          fmt::format("{}: expected {} dimensions or more, got shape {}", name,
                      parameter.constraint.event_dim, partita::to_string(parameter.value.sizes())));
    }
  }
  batch_shape_ = broadcast_batch(name, parameters_);
  for (Parameter& parameter : parameters_) {
    if (validate_args) {
      if (!parameter.constraint.holds(parameter.value)) {
        const Tensor valid = parameter.constraint.check(parameter.value);
        throw InvalidArgument(parameter.name, fmt::format("{}: expected {}, got {}", name,
                                                          parameter.constraint.description,
                                                          first_invalid(parameter.value, valid)));
      }
    }
    const auto dims = static_cast<std::size_t>(parameter.constraint.event_dim);
    const IntArrayRef sizes = parameter.value.sizes();
    parameter.value =
        parameter.value.expand(concatenate(batch_shape_, sizes.slice(sizes.size() - dims)));
  }
}

std::string Distribution::to_string() const {
  return fmt::format("{}({})", name_, parameters_to_string());
}

std::string Distribution::parameters_to_string() const {
  std::vector<std::string> texts;
  for (const auto& [name, value, constraint] : parameters_) {
    texts.push_back(value.numel() == 1
                        ? fmt::format("{}: {}", name, value.item<double>())
                        : fmt::format("{}: {}", name, partita::to_string(value.sizes())));
  }
  return fmt::format("{}", fmt::join(texts, ", "));
}

at::TensorOptions Distribution::options() const { return parameters_.front().value.options(); }

Shape Distribution::extended_shape(IntArrayRef sample_shape) const {
  return concatenate(concatenate(sample_shape, batch_shape_), event_shape_);
}

void Distribution::unavailable(const char* method, const char* why) const {
  throw NotAvailable(method, fmt::format("not available for {}{}{}", name_,
                                         why == nullptr ? "" : ": ", why == nullptr ? "" : why));
}

void Distribution::check_shape(const char* argument, const Tensor& value) const {
  const Shape expected = concatenate(batch_shape_, event_shape_);
  const IntArrayRef actual = value.sizes();
  const std::size_t shared = std::min(actual.size(), expected.size());
  bool fits = actual.size() >= event_shape_.size();
  for (std::size_t i = 0; fits && i < shared; ++i) {
    const std::int64_t a = actual[actual.size() - 1 - i];
    const std::int64_t b = expected[expected.size() - 1 - i];
    fits = a == b || (i >= event_shape_.size() && (a == 1 || b == 1));
  }
  if (!fits) {
    throw InvalidArgument(
        argument, fmt::format("{}: expected a shape that broadcasts with {}, got {}", to_string(),
                              partita::to_string(expected), partita::to_string(actual)));
  }
}

void Distribution::check_expands(IntArrayRef batch_shape) const {
  check_sizes("batch_shape", batch_shape);
  if (at::is_expandable_to(batch_shape_, batch_shape)) return;
  throw InvalidArgument(
      "batch_shape",
      fmt::format("{}: expected one to which {} broadcasts, got {}", to_string(),
                  partita::to_string(batch_shape_), partita::to_string(batch_shape)));
}

void Distribution::check_within(const char* argument, const Tensor& value,
                                const Constraint& support) const {
  if (support.holds(value)) return;
  const Tensor valid = support.check(value);
  // A value of fewer dimensions than the batch was checked against every member of it.
  throw InvalidArgument(
      argument,
      fmt::format("{}: expected {}, got {}", to_string(), support.description,
                  first_invalid(value.expand(concatenate(
                                    valid.sizes(), value.sizes().slice(static_cast<std::size_t>(
                                                       value.dim() - support.event_dim)))),
                                valid)));
}

Tensor Distribution::over_batch(const Tensor& values, bool expand) const {
  const Tensor column = values.view(concatenate(values.sizes(), Shape(batch_shape_.size(), 1)));
  return expand ? column.expand(concatenate(values.sizes(), batch_shape_)) : column;
}

void Distribution::check_value(const Tensor& value) const {
  check_shape("value", value);
  if (validate_args_) check_within("value", value, support());
}

Tensor Distribution::sample(IntArrayRef sample_shape, const Random& random) const {
  check_sizes("sample_shape", sample_shape);
  const at::NoGradGuard no_grad;
  if (is_narrow()) return narrowed(with_type(at::kFloat)->do_sample(sample_shape, random));
  return do_sample(sample_shape, random);
}

Tensor Distribution::rsample(IntArrayRef sample_shape, const Random& random) const {
  check_sizes("sample_shape", sample_shape);
  if (is_narrow()) return narrowed(with_type(at::kFloat)->do_rsample(sample_shape, random));
  return do_rsample(sample_shape, random);
}

Tensor Distribution::log_prob(const Tensor& value) const {
  check_value(value);
  return validate_args_ ? log_prob_inside(value) : log_prob_anywhere(value);
}

Tensor Distribution::cdf(const Tensor& value) const {
  check_value(value);
  return cdf_anywhere(value);
}

Tensor Distribution::log_cdf(const Tensor& value) const {
  check_value(value);
  return log_cdf_anywhere(value);
}

Tensor Distribution::log_survival(const Tensor& value) const {
  check_value(value);
  return log_survival_anywhere(value);
}

Tensor Distribution::icdf(const Tensor& probability) const {
  check_shape("probability", probability);
  if (validate_args_) check_within("probability", probability, constraints::unit_interval());
  if (is_narrow()) {
    return with_type(at::kFloat)->do_icdf(probability.to(at::kFloat)).to(*parameter_type());
  }
  return do_icdf(probability);
}

Tensor Distribution::isf(const Tensor& probability) const {
  check_shape("probability", probability);
  if (validate_args_) check_within("probability", probability, constraints::unit_interval());
  if (is_narrow()) {
    return with_type(at::kFloat)->do_isf(probability.to(at::kFloat)).to(*parameter_type());
  }
  return do_isf(probability);
}

Tensor Distribution::entropy() const { unavailable("entropy"); }
Tensor Distribution::mean() const { unavailable("mean"); }
Tensor Distribution::mode() const { unavailable("mode"); }
Tensor Distribution::variance() const { unavailable("variance"); }
Tensor Distribution::enumerate_support(bool /*expand*/) const { unavailable("enumerate_support"); }
Tensor Distribution::do_cdf(const Tensor& /*value*/) const { unavailable("cdf"); }
Tensor Distribution::do_log_cdf(const Tensor& value) const { return do_cdf(value).log(); }
Tensor Distribution::do_log_survival(const Tensor& value) const {
  return at::log1p(-do_cdf(value));
}

Tensor Distribution::do_log_cdf_below(const Tensor& value) const {
  return log_cdf_anywhere(support().is_discrete ? value.ceil() - 1 : value);
}

Tensor Distribution::do_log_survival_from(const Tensor& value) const {
  return log_survival_anywhere(support().is_discrete ? value.ceil() - 1 : value);
}

Tensor Distribution::do_icdf(const Tensor& probability) const {
  return search_icdf(probability, {}, {});
}

Tensor Distribution::do_isf(const Tensor& probability) const {
  return search_isf(probability, {}, {});
}

Tensor Distribution::search_icdf(const Tensor& probability, const Tensor& low,
                                 const Tensor& high) const {
  return search("icdf", /*upper=*/false, probability, low, high);
}

Tensor Distribution::search_isf(const Tensor& probability, const Tensor& low,
                                const Tensor& high) const {
  return search("isf", /*upper=*/true, probability, low, high);
}

UnivariateTails Distribution::tails(const Tensor& low, const Tensor& high) const {
  const Constraint all = support();
  const auto end = [](const Tensor& given, const Tensor& bound, double otherwise) {
    return given.defined() ? given : bound.defined() ? bound : at::scalar_tensor(otherwise);
  };
  const auto type = parameter_type();
  const DistributionPtr wide = !type || *type == at::kDouble
                                   ? DistributionPtr(DistributionPtr(), this)
                                   : with_type(at::kDouble);
  return {.log_cdf = [wide](const Tensor& x) { return wide->log_cdf_anywhere(x); },
          .log_survival = [wide](const Tensor& x) { return wide->log_survival_anywhere(x); },
          .log_prob = [wide](const Tensor& x) { return wide->log_prob_anywhere(x); },
          .is_discrete = all.is_discrete,
          .low = end(low, all.lower, -kInfinity),
          .high = end(high, all.upper, kInfinity)};
}

Tensor Distribution::search(const char* method, bool upper, const Tensor& probability,
                            const Tensor& low, const Tensor& high) const {
  if (!event_shape_.empty()) unavailable(method, "only univariate distributions have quantiles");
  const UnivariateTails own = tails(low, high);
  const Tensor whole = probability.expand(at::infer_size(probability.sizes(), batch_shape_));
  const Tensor found = upper ? inverse_survival(own, whole) : inverse_cdf(own, whole);
  // In the type of samples, or in double for probabilities in double.
  const at::ScalarType type =
      own.is_discrete ? at::typeMetaToScalarType(options().dtype())
                      : at::result_type(whole, at::empty({}, options()).expand(batch_shape_));
  return found.to(options().dtype(type));
}

Tensor Distribution::with_implicit_gradient(const Tensor& draw) const {
  return distributions::with_implicit_gradient(tails({}, {}), draw);
}

Tensor Distribution::do_sample(IntArrayRef sample_shape, const Random& random) const {
  return do_rsample(sample_shape, random);
}

Tensor Distribution::do_rsample(IntArrayRef /*sample_shape*/, const Random& /*random*/) const {
  unavailable("rsample",
              "its draws have no gradient; use sample() with a score-function estimator");
}

DistributionPtr Distribution::expand(IntArrayRef batch_shape) const {
  check_expands(batch_shape);
  std::shared_ptr<Distribution> copy = clone();
  for (Parameter& parameter : copy->parameters_) {
    const auto dims = static_cast<std::size_t>(parameter.constraint.event_dim);
    const IntArrayRef sizes = parameter.value.sizes();
    parameter.value =
        parameter.value.expand(concatenate(batch_shape, sizes.slice(sizes.size() - dims)));
  }
  copy->batch_shape_ = batch_shape.vec();
  return copy;
}

}  // namespace partita::distributions
