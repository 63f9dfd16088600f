// SPDX-License-Identifier: Apache-2.0
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

// pybind11 knows no pointers to const; nothing here changes a distribution or a transform.
using SharedDistribution = std::shared_ptr<Distribution>;
using SharedTransform = std::shared_ptr<Transform>;

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
  operator Categorical() const {  // NOLINT(google-explicit-*)
    return dynamic_cast<const Categorical&>(object.cast<const Distribution&>());
  }
  operator AnyTransform() const {  // NOLINT(google-explicit-*)
    return TransformPtr(object.cast<SharedTransform>());
  }
  operator std::vector<AnyTransform>() const {  // NOLINT(google-explicit-*)
    std::vector<AnyTransform> all;
    for (const py::handle each : object) {
      all.emplace_back(TransformPtr(each.cast<SharedTransform>()));
    }
    return all;
  }
  operator std::int64_t() const {
    return object.cast<std::int64_t>();
  }  // NOLINT(google-explicit-*)
  Shape sizes() const { return object.cast<Shape>(); }
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

DistributionPtr build_plackett_luce(const Arguments& arguments, bool validate_args) {
  std::optional<std::int64_t> k;
  if (const py::object& given = arguments.at(1).object; !given.is_none()) {
    k = static_cast<std::int64_t>(count(given, "k"));
  }
  return std::make_shared<PlackettLuce>(arguments.at(0), k, validate_args);
}

DistributionPtr build_subset(const Arguments& arguments, bool validate_args) {
  const auto k = static_cast<std::int64_t>(count(arguments.at(1).object, "k"));
  return std::make_shared<Subset>(Logits(Tensor(arguments.at(0))), k, validate_args);
}

DistributionPtr build_relaxed_plackett_luce(const Arguments& arguments, bool validate_args) {
  const auto k = static_cast<std::int64_t>(count(arguments.at(2).object, "k"));
  return std::make_shared<RelaxedPlackettLuce>(arguments.at(0), arguments.at(1), k, validate_args);
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
      {"ExpRelaxedCategorical", &build<ExpRelaxedCategorical, 2>},
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
      {"Independent", &build<Independent, 2>},
      {"InverseGamma", &build<InverseGamma, 2>},
      {"Kumaraswamy", &build<Kumaraswamy, 2>},
      {"LKJCholesky", &build<LKJCholesky, 2>},
      {"Laplace", &build<Laplace, 2>},
      {"LogNormal", &build<LogNormal, 2>},
      {"Logistic", &build<Logistic, 2>},
      {"LogisticNormal", &build<LogisticNormal, 2>},
      {"LogitRelaxedBernoulli", &build<LogitRelaxedBernoulli, 2>},
      {"LowRankMultivariateNormal", &build<LowRankMultivariateNormal, 3>},
      {"MixtureSameFamily", &build<MixtureSameFamily, 2>},
      {"Multinomial", &build<Multinomial, 2>},
      {"MultivariateNormal", &build<MultivariateNormal, 2>},
      {"NegativeBinomial", &build<NegativeBinomial, 2>},
      {"Normal", &build<Normal, 2>},
      {"OneHotCategorical", &build<OneHotCategorical, 1>},
      {"OneHotCategoricalStraightThrough", &build<OneHotCategoricalStraightThrough, 1>},
      {"OrderedLogistic", &build<OrderedLogistic, 2>},
      {"Pareto", &build<Pareto, 2>},
      {"PlackettLuce", &build_plackett_luce},
      {"Poisson", &build<Poisson, 1>},
      {"Rademacher", &build_rademacher},
      {"RelaxedBernoulli", &build<RelaxedBernoulli, 2>},
      {"RelaxedOneHotCategorical", &build<RelaxedOneHotCategorical, 2>},
      {"RelaxedPlackettLuce", &build_relaxed_plackett_luce},
      {"StudentT", &build<StudentT, 3>},
      {"Subset", &build_subset},
      {"TransformedDistribution", &build<TransformedDistribution, 2>},
      {"TruncatedGumbel", &build<TruncatedGumbel, 3>},
      {"TruncatedNormal", &build<TruncatedNormal, 4>},
      {"Uniform", &build<Uniform, 2>},
      {"VonMises", &build<VonMises, 2>},
      {"Weibull", &build<Weibull, 2>},
      {"Wishart", &build<Wishart, 2>},
      {"ZeroInflated", &build<ZeroInflated, 2>}};
  return table;
}

Arguments given(const py::dict& arguments) {
  Arguments all;
  for (const auto& [key, value] : arguments) {
    all.push_back({key.cast<std::string>(), py::reinterpret_borrow<py::object>(value)});
  }
  return all;
}

SharedDistribution make(const std::string& name, const py::dict& arguments, bool validate_args) {
  return bound(builders().at(name)(given(arguments), validate_args));
}

using TransformBuilder = TransformPtr (*)(const Arguments&);

/// T(arguments[0] ... arguments[n - 1])
template <class T, std::size_t n>
TransformPtr build_transform(const Arguments& arguments) {
  return [&]<std::size_t... i>(std::index_sequence<i...>) {
    return std::make_shared<T>(arguments.at(i)...);
  }
  (std::make_index_sequence<n>());
}

const std::map<std::string, TransformBuilder, std::less<>>& transform_builders() {
  static const std::map<std::string, TransformBuilder, std::less<>> table{
      {"AbsTransform", &build_transform<AbsTransform, 0>},
      {"AffineTransform", &build_transform<AffineTransform, 3>},
      {"CatTransform",
       [](const Arguments& a) -> TransformPtr {
         return std::make_shared<CatTransform>(a.at(0), a.at(1), a.at(2).sizes());
       }},
      {"ComposeTransform", &build_transform<ComposeTransform, 1>},
      {"CorrCholeskyTransform", &build_transform<CorrCholeskyTransform, 0>},
      {"CumulativeDistributionTransform", &build_transform<CumulativeDistributionTransform, 1>},
      {"ExpTransform", &build_transform<ExpTransform, 0>},
      {"IndependentTransform", &build_transform<IndependentTransform, 2>},
      {"LowerCholeskyTransform", &build_transform<LowerCholeskyTransform, 0>},
      {"PowerTransform", &build_transform<PowerTransform, 1>},
      {"ReshapeTransform",
       [](const Arguments& a) -> TransformPtr {
         return std::make_shared<ReshapeTransform>(a.at(0).sizes(), a.at(1).sizes());
       }},
      {"SigmoidTransform", &build_transform<SigmoidTransform, 0>},
      {"SoftmaxTransform", &build_transform<SoftmaxTransform, 0>},
      {"SoftplusTransform", &build_transform<SoftplusTransform, 0>},
      {"StackTransform", &build_transform<StackTransform, 2>},
      {"StickBreakingTransform", &build_transform<StickBreakingTransform, 0>},
      {"TanhTransform", &build_transform<TanhTransform, 0>},
      {"_InverseTransform",
       [](const Arguments& a) { return static_cast<AnyTransform>(a.at(0)).ptr()->inv(); }}};
  return table;
}

SharedTransform make_transform(const std::string& name, const py::dict& arguments) {
  return std::const_pointer_cast<Transform>(transform_builders().at(name)(given(arguments)));
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
  py::class_<Transform, SharedTransform>(module, "Transform")
      .def("__repr__", &Transform::name)
      .def("__call__",
           [](const Transform& transform, py::handle x) { return transform(tensor_of(x, "x")); });
  module.def("make_transform", &make_transform);
  module.def("kl_divergence", [](const Distribution& p, const Distribution& q) {
    return released([&] { return kl_divergence(p, q); });
  });
}

}  // namespace partita::python
