// Distributions by name, for the estimators and for those that torch.distributions lacks.
#include <fmt/format.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "learn.hpp"
#include "partita/learn/distributions.hpp"

namespace partita::python {

using namespace distributions;  // NOLINT(google-build-using-namespace): all of them

namespace {

using SharedDistribution = std::shared_ptr<Distribution>;

/// pybind11 knows no pointers to const; nothing here changes a distribution.
SharedDistribution bound(DistributionPtr distribution) {
  return std::const_pointer_cast<Distribution>(std::move(distribution));
}

/// A Python argument, as whatever the parameter of a constructor takes.
struct Given {
  std::string name;  ///< "…logits" are logits, not probabilities
  py::object object;

  operator Tensor() const { return tensor_of(object, name); }  // NOLINT(google-explicit-*)
  operator TensorOrNumber() const {                            // NOLINT(google-explicit-*)
    return tensor_or_number(object, name);
  }
  operator ProbsOrLogits() const {  // NOLINT(google-explicit-*)
    if (name.ends_with("logits")) return Logits(TensorOrNumber(*this));
    if (THPVariable_Check(object.ptr())) return object.cast<Tensor>();
    return number(object, name);
  }
  operator Covariance() const { return ScaleTril(Tensor(*this)); }  // NOLINT(google-explicit-*)
  operator AnyDistribution() const {                                // NOLINT(google-explicit-*)
    return DistributionPtr(object.cast<SharedDistribution>());
  }
};

using Arguments = std::vector<Given>;
using Builder = DistributionPtr (*)(const Arguments&, bool validate_args);

/// D(arguments[0] ... arguments[n - 1], validate_args)
template <class D, std::size_t n>
DistributionPtr build(const Arguments& arguments, bool validate_args) {
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    return std::make_shared<D>(arguments.at(i)..., validate_args);
  }
  (std::make_index_sequence<n>());
}

DistributionPtr build_independent(const Arguments& arguments, bool validate_args) {
  return std::make_shared<Independent>(
      arguments.at(0),
      static_cast<std::int64_t>(count(arguments.at(1).object, arguments.at(1).name)),
      validate_args);
}

DistributionPtr build_plackett_luce(const Arguments& arguments, bool validate_args) {
  std::optional<std::int64_t> k;
  if (const py::object& given = arguments.at(1).object; !given.is_none()) {
    k = static_cast<std::int64_t>(count(given, "k"));
  }
  return std::make_shared<PlackettLuce>(arguments.at(0), k, validate_args);
}

/// Of the shape, type and device of a tensor.
DistributionPtr build_rademacher(const Arguments& arguments, bool validate_args) {
  const Tensor like = arguments.at(0);
  return std::make_shared<Rademacher>(like.sizes(), like.options(), validate_args);
}

/// By the class's name; arguments in the constructor's order.
const std::map<std::string, Builder, std::less<>>& builders() {
  static const std::map<std::string, Builder, std::less<>> table{
      {"Bernoulli", &build<Bernoulli, 1>},
      {"Beta", &build<Beta, 2>},
      {"BetaBinomial", &build<BetaBinomial, 3>},
      {"Binomial", &build<Binomial, 2>},
      {"Categorical", &build<Categorical, 1>},
      {"Cauchy", &build<Cauchy, 2>},
      {"Chi2", &build<Chi2, 1>},
      {"ContinuousBernoulli", &build<ContinuousBernoulli, 1>},
      {"Dirichlet", &build<Dirichlet, 1>},
      {"DirichletMultinomial", &build<DirichletMultinomial, 2>},
      {"Exponential", &build<Exponential, 1>},
      {"FisherSnedecor", &build<FisherSnedecor, 2>},
      {"Frechet", &build<Frechet, 2>},
      {"Gamma", &build<Gamma, 2>},
      {"GeneralizedExtremeValue", &build<GeneralizedExtremeValue, 3>},
      {"GeneralizedPareto", &build<GeneralizedPareto, 3>},
      {"Geometric", &build<Geometric, 1>},
      {"Gumbel", &build<Gumbel, 2>},
      {"HalfCauchy", &build<HalfCauchy, 1>},
      {"HalfNormal", &build<HalfNormal, 1>},
      {"Independent", &build_independent},
      {"InverseGamma", &build<InverseGamma, 2>},
      {"Kumaraswamy", &build<Kumaraswamy, 2>},
      {"Laplace", &build<Laplace, 2>},
      {"LogNormal", &build<LogNormal, 2>},
      {"Logistic", &build<Logistic, 2>},
      {"Multinomial", &build<Multinomial, 2>},
      {"MultivariateNormal", &build<MultivariateNormal, 2>},
      {"NegativeBinomial", &build<NegativeBinomial, 2>},
      {"Normal", &build<Normal, 2>},
      {"OneHotCategorical", &build<OneHotCategorical, 1>},
      {"OrderedLogistic", &build<OrderedLogistic, 2>},
      {"Pareto", &build<Pareto, 2>},
      {"PlackettLuce", &build_plackett_luce},
      {"Poisson", &build<Poisson, 1>},
      {"Rademacher", &build_rademacher},
      {"StudentT", &build<StudentT, 3>},
      {"TruncatedGumbel", &build<TruncatedGumbel, 3>},
      {"TruncatedNormal", &build<TruncatedNormal, 4>},
      {"Uniform", &build<Uniform, 2>},
      {"VonMises", &build<VonMises, 2>},
      {"Weibull", &build<Weibull, 2>},
      {"ZeroInflated", &build<ZeroInflated, 2>}};
  return table;
}

SharedDistribution make(const std::string& name, const py::dict& arguments, bool validate_args) {
  Arguments given;
  for (const auto& [key, value] : arguments) {
    given.push_back({key.cast<std::string>(), py::reinterpret_borrow<py::object>(value)});
  }
  return bound(builders().at(name)(given, validate_args));
}

Tensor draw(const Distribution& distribution, const Shape& shape, bool with_gradient,
            py::handle seed, py::handle stream) {
  const Random random = random_of(seed, stream, distribution.options().device());
  return released([&] {
    return with_gradient ? distribution.rsample(shape, random) : distribution.sample(shape, random);
  });
}

using Class = py::class_<Distribution, SharedDistribution>;

void def(Class& type, const char* name, Tensor (Distribution::*method)(const Tensor&) const) {
  type.def(name, [method](const Distribution& distribution, py::handle value) {
    const Tensor argument = tensor_of(value, "value");
    return released([&] { return (distribution.*method)(argument); });
  });
}

}  // namespace

void add_distributions(py::module_& module) {
  Class type(module, "Distribution");
  type.def("__repr__", &Distribution::to_string);
  type.def("parameters", [](const Distribution& distribution) {
    py::dict out;
    for (const auto& parameter : distribution.parameters()) {
      out[parameter.name] = parameter.value;
    }
    return out;
  });
  type.def_property_readonly("batch_shape", [](const Distribution& distribution) {
    return distribution.batch_shape().vec();
  });
  type.def_property_readonly("event_shape", [](const Distribution& distribution) {
    return distribution.event_shape().vec();
  });
  type.def_property_readonly("has_rsample", &Distribution::has_rsample);
  type.def_property_readonly("has_enumerate_support", &Distribution::has_enumerate_support);
  type.def("support", [](const Distribution& distribution) {
    const Constraint support = distribution.support();
    return py::make_tuple(support.description, support.event_dim, support.is_discrete);
  });
  type.def("in_support", [](const Distribution& distribution, py::handle value) {
    return distribution.support().check(tensor_of(value, "value"));
  });
  type.def("expand", [](const Distribution& distribution, const Shape& shape) {
    return bound(distribution.expand(shape));
  });
  type.def("draw", &draw);
  def(type, "log_prob", &Distribution::log_prob);
  def(type, "cdf", &Distribution::cdf);
  def(type, "log_cdf", &Distribution::log_cdf);
  def(type, "log_survival", &Distribution::log_survival);
  def(type, "icdf", &Distribution::icdf);
  def(type, "isf", &Distribution::isf);
  const auto released_guard = py::call_guard<py::gil_scoped_release>();
  type.def("entropy", &Distribution::entropy, released_guard);
  type.def("mean", &Distribution::mean, released_guard);
  type.def("mode", &Distribution::mode, released_guard);
  type.def("variance", &Distribution::variance, released_guard);
  type.def("enumerate_support", &Distribution::enumerate_support, released_guard);
  module.def("make", &make);
}

}  // namespace partita::python
