// SPDX-License-Identifier: Apache-2.0
// Shared by the tests that read values from files: JSON as tensors, and as distributions.
#pragma once

#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "partita/learn/distributions.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions::testing {

using nlohmann::json;

/// How a distribution in a file becomes one of ours.
struct MakeOptions {
  at::ScalarType type = at::kDouble;
  bool requires_grad = false;  ///< of its parameters
  bool validate_args = true;
};

inline double number(const json& entry) {
  if (entry.is_number()) return entry.get<double>();
  return std::stod(entry.get<std::string>());  // "inf", "-inf", "nan"
}

inline void flatten(const json& entry, std::vector<const json*>& leaves, Shape& shape,
                    std::size_t depth) {
  if (!entry.is_array()) {
    leaves.push_back(&entry);
    return;
  }
  if (shape.size() == depth) shape.push_back(static_cast<std::int64_t>(entry.size()));
  for (const json& each : entry) flatten(each, leaves, shape, depth + 1);
}

inline Tensor tensor(const json& entry, const MakeOptions& options = {}) {
  std::vector<const json*> leaves;
  Shape shape;
  flatten(entry, leaves, shape, 0);
  std::vector<double> values;
  for (const json* leaf : leaves) values.push_back(number(*leaf));
  return at::tensor(values, at::kDouble)
      .view(shape)
      .to(options.type)
      .set_requires_grad(options.requires_grad);
}

DistributionPtr make(const json& d, const MakeOptions& options = {});

using Make = std::function<DistributionPtr(const json&, const MakeOptions&)>;

template <class D, class... Name>
Make of(Name... names) {
  return [=](const json& d, const MakeOptions& options) {
    return std::make_shared<D>(tensor(d.at(names), options)..., options.validate_args);
  };
}

inline ProbsOrLogits probs_or_logits(const json& d, const MakeOptions& options) {
  if (d.contains("logits")) return Logits(tensor(d.at("logits"), options));
  return tensor(d.at("probs"), options);
}

/// For those that take probs or logits last.
template <class D, class... Name>
Make of_probs(Name... names) {
  return [=](const json& d, const MakeOptions& options) {
    return std::make_shared<D>(tensor(d.at(names), options)..., probs_or_logits(d, options),
                               options.validate_args);
  };
}

inline DistributionPtr multivariate_normal(const json& d, const MakeOptions& options) {
  const Tensor loc = tensor(d.at("loc"), options);
  if (d.contains("scale_tril")) {
    return std::make_shared<MultivariateNormal>(loc, ScaleTril(tensor(d.at("scale_tril"), options)),
                                                options.validate_args);
  }
  if (d.contains("precision_matrix")) {
    return std::make_shared<MultivariateNormal>(
        loc, PrecisionMatrix(tensor(d.at("precision_matrix"), options)), options.validate_args);
  }
  return std::make_shared<MultivariateNormal>(loc, tensor(d.at("covariance_matrix"), options),
                                              options.validate_args);
}

inline AnyTransform transform(const json& step) {
  const auto kind = step.at(0).get<std::string>();
  if (kind == "affine") return AffineTransform(number(step.at(1)), number(step.at(2)));
  if (kind == "exp") return ExpTransform();
  if (kind == "power") return PowerTransform(number(step.at(1)));
  if (kind == "sigmoid") return SigmoidTransform();
  if (kind == "tanh") return TanhTransform();
  throw std::runtime_error("the test cannot make the transform " + kind);
}

inline DistributionPtr transformed(const json& d, const MakeOptions& options) {
  std::vector<AnyTransform> transforms;
  for (const json& step : d.at("transforms")) transforms.push_back(transform(step));
  return std::make_shared<TransformedDistribution>(make(d.at("base"), options), transforms,
                                                   options.validate_args);
}

inline const std::map<std::string, Make>& makers() {
  static const std::map<std::string, Make> all = {
      {"Bernoulli", of_probs<Bernoulli>()},
      {"Beta", of<Beta>("concentration1", "concentration0")},
      {"Binomial", of_probs<Binomial>("total_count")},
      {"Categorical", of_probs<Categorical>()},
      {"BetaBinomial", of<BetaBinomial>("total_count", "concentration1", "concentration0")},
      {"DirichletMultinomial", of<DirichletMultinomial>("total_count", "concentration")},
      {"Frechet", of<Frechet>("scale", "concentration")},
      {"GeneralizedExtremeValue", of<GeneralizedExtremeValue>("loc", "scale", "concentration")},
      {"GeneralizedPareto", of<GeneralizedPareto>("loc", "scale", "concentration")},
      {"Logistic", of<Logistic>("loc", "scale")},
      {"LogisticNormal", of<LogisticNormal>("loc", "scale")},
      {"OrderedLogistic", of<OrderedLogistic>("predictor", "cutpoints")},
      {"TruncatedNormal", of<TruncatedNormal>("loc", "scale", "low", "high")},
      {"Wishart", of<Wishart>("df", "covariance_matrix")},
      {"LKJCholesky",
       [](const json& d, const MakeOptions& options) {
         return std::make_shared<LKJCholesky>(3, tensor(d.at("concentration"), options),
                                              options.validate_args);
       }},
      {"Cauchy", of<Cauchy>("loc", "scale")},
      {"Chi2", of<Chi2>("df")},
      {"ContinuousBernoulli", of_probs<ContinuousBernoulli>()},
      {"Dirichlet", of<Dirichlet>("concentration")},
      {"Exponential", of<Exponential>("rate")},
      {"FisherSnedecor", of<FisherSnedecor>("df1", "df2")},
      {"Gamma", of<Gamma>("concentration", "rate")},
      {"Geometric", of_probs<Geometric>()},
      {"Gumbel", of<Gumbel>("loc", "scale")},
      {"HalfCauchy", of<HalfCauchy>("scale")},
      {"HalfNormal", of<HalfNormal>("scale")},
      {"Independent",
       [](const json& d, const MakeOptions& options) {
         return std::make_shared<Independent>(make(d.at("base"), options),
                                              d.at("reinterpreted_batch_ndims").get<std::int64_t>(),
                                              options.validate_args);
       }},
      {"InverseGamma", of<InverseGamma>("concentration", "rate")},
      {"Kumaraswamy", of<Kumaraswamy>("concentration1", "concentration0")},
      {"Laplace", of<Laplace>("loc", "scale")},
      {"LogNormal", of<LogNormal>("loc", "scale")},
      {"LowRankMultivariateNormal", of<LowRankMultivariateNormal>("loc", "cov_factor", "cov_diag")},
      {"MixtureSameFamily",
       [](const json& d, const MakeOptions& options) {
         return std::make_shared<MixtureSameFamily>(
             Categorical(probs_or_logits(d.at("mixture"), options)),
             make(d.at("component"), options), options.validate_args);
       }},
      {"Multinomial", of_probs<Multinomial>("total_count")},
      {"MultivariateNormal", multivariate_normal},
      {"NegativeBinomial", of_probs<NegativeBinomial>("total_count")},
      {"Normal", of<Normal>("loc", "scale")},
      {"OneHotCategorical", of_probs<OneHotCategorical>()},
      {"OneHotCategoricalStraightThrough", of_probs<OneHotCategoricalStraightThrough>()},
      {"Pareto", of<Pareto>("scale", "alpha")},
      {"Poisson", of<Poisson>("rate")},
      {"RelaxedBernoulli", of_probs<RelaxedBernoulli>("temperature")},
      {"RelaxedOneHotCategorical", of_probs<RelaxedOneHotCategorical>("temperature")},
      {"LogitRelaxedBernoulli", of_probs<LogitRelaxedBernoulli>("temperature")},
      {"Subset",
       [](const json& d, const MakeOptions& options) {
         return std::make_shared<Subset>(Logits(tensor(d.at("logits"), options)),
                                         d.at("k").get<std::int64_t>(), options.validate_args);
       }},
      {"StudentT", of<StudentT>("df", "loc", "scale")},
      {"TransformedDistribution", transformed},
      {"TruncatedGumbel", of<TruncatedGumbel>("loc", "scale", "maximum")},
      {"Uniform", of<Uniform>("low", "high")},
      {"VonMises", of<VonMises>("loc", "concentration")},
      {"Weibull", of<Weibull>("scale", "concentration")},
  };
  return all;
}

inline DistributionPtr make(const json& d, const MakeOptions& options) {
  const auto name = d.at("name").get<std::string>();
  const auto found = makers().find(name);
  if (found == makers().end()) throw std::runtime_error("the test cannot make a " + name);
  return found->second(d, options);
}

}  // namespace partita::distributions::testing
