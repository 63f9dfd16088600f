// Every distribution and method against tests/golden/make_distributions.py: mpmath's values, which
// Python's torch.distributions shares except in the places listed.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "partita/learn/distributions.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using nlohmann::json;
using testing::to_vector;

/// Largest relative error.
constexpr double kTolerance = 1e-9;

const json& golden() {
  static const json data = json::parse(std::ifstream(PARTITA_GOLDEN_DISTRIBUTIONS));
  return data;
}

double number(const json& entry) {
  if (entry.is_number()) return entry.get<double>();
  return std::stod(entry.get<std::string>());  // "inf", "-inf", "nan"
}

void flatten(const json& entry, std::vector<const json*>& leaves, Shape& shape, std::size_t depth) {
  if (!entry.is_array()) {
    leaves.push_back(&entry);
    return;
  }
  if (shape.size() == depth) shape.push_back(static_cast<std::int64_t>(entry.size()));
  for (const json& each : entry) flatten(each, leaves, shape, depth + 1);
}

Tensor tensor(const json& entry) {
  std::vector<const json*> leaves;
  Shape shape;
  flatten(entry, leaves, shape, 0);
  std::vector<double> values;
  for (const json* leaf : leaves) values.push_back(number(*leaf));
  return at::tensor(values, at::kDouble).view(shape);
}

DistributionPtr make(const json& d);

using Make = std::function<DistributionPtr(const json&)>;

template <class D, class... Name>
Make of(Name... names) {
  return [=](const json& d) { return std::make_shared<D>(tensor(d.at(names))...); };
}

ProbsOrLogits probs_or_logits(const json& d) {
  if (d.contains("logits")) return Logits(tensor(d.at("logits")));
  return tensor(d.at("probs"));
}

/// For those that take probs or logits last.
template <class D, class... Name>
Make of_probs(Name... names) {
  return [=](const json& d) {
    return std::make_shared<D>(tensor(d.at(names))..., probs_or_logits(d));
  };
}

DistributionPtr multivariate_normal(const json& d) {
  const Tensor loc = tensor(d.at("loc"));
  if (d.contains("scale_tril")) {
    return std::make_shared<MultivariateNormal>(loc, ScaleTril(tensor(d.at("scale_tril"))));
  }
  if (d.contains("precision_matrix")) {
    return std::make_shared<MultivariateNormal>(loc,
                                                PrecisionMatrix(tensor(d.at("precision_matrix"))));
  }
  return std::make_shared<MultivariateNormal>(loc, tensor(d.at("covariance_matrix")));
}

AnyTransform transform(const json& step) {
  const auto kind = step.at(0).get<std::string>();
  if (kind == "affine") return AffineTransform(number(step.at(1)), number(step.at(2)));
  if (kind == "exp") return ExpTransform();
  if (kind == "power") return PowerTransform(number(step.at(1)));
  if (kind == "sigmoid") return SigmoidTransform();
  if (kind == "tanh") return TanhTransform();
  throw std::runtime_error("the test cannot make the transform " + kind);
}

DistributionPtr transformed(const json& d) {
  std::vector<AnyTransform> transforms;
  for (const json& step : d.at("transforms")) transforms.push_back(transform(step));
  return std::make_shared<TransformedDistribution>(make(d.at("base")), transforms);
}

const std::map<std::string, Make>& makers() {
  static const std::map<std::string, Make> all = {
      {"Bernoulli", of_probs<Bernoulli>()},
      {"Beta", of<Beta>("concentration1", "concentration0")},
      {"BetaBinomial", of<BetaBinomial>("total_count", "concentration1", "concentration0")},
      {"Binomial", of_probs<Binomial>("total_count")},
      {"Categorical", of_probs<Categorical>()},
      {"Cauchy", of<Cauchy>("loc", "scale")},
      {"Chi2", of<Chi2>("df")},
      {"ContinuousBernoulli", of_probs<ContinuousBernoulli>()},
      {"Dirichlet", of<Dirichlet>("concentration")},
      {"DirichletMultinomial", of<DirichletMultinomial>("total_count", "concentration")},
      {"Exponential", of<Exponential>("rate")},
      {"FisherSnedecor", of<FisherSnedecor>("df1", "df2")},
      {"Frechet", of<Frechet>("scale", "concentration")},
      {"Gamma", of<Gamma>("concentration", "rate")},
      {"GeneralizedExtremeValue", of<GeneralizedExtremeValue>("loc", "scale", "concentration")},
      {"GeneralizedPareto", of<GeneralizedPareto>("loc", "scale", "concentration")},
      {"Geometric", of_probs<Geometric>()},
      {"Gumbel", of<Gumbel>("loc", "scale")},
      {"HalfCauchy", of<HalfCauchy>("scale")},
      {"HalfNormal", of<HalfNormal>("scale")},
      {"Independent",
       [](const json& d) {
         return std::make_shared<Independent>(
             make(d.at("base")), d.at("reinterpreted_batch_ndims").get<std::int64_t>());
       }},
      {"InverseGamma", of<InverseGamma>("concentration", "rate")},
      {"Kumaraswamy", of<Kumaraswamy>("concentration1", "concentration0")},
      {"LKJCholesky",
       [](const json& d) {
         return std::make_shared<LKJCholesky>(3, tensor(d.at("concentration")));
       }},
      {"Laplace", of<Laplace>("loc", "scale")},
      {"LogNormal", of<LogNormal>("loc", "scale")},
      {"Logistic", of<Logistic>("loc", "scale")},
      {"LogisticNormal", of<LogisticNormal>("loc", "scale")},
      {"LowRankMultivariateNormal", of<LowRankMultivariateNormal>("loc", "cov_factor", "cov_diag")},
      {"MixtureSameFamily",
       [](const json& d) {
         return std::make_shared<MixtureSameFamily>(Categorical(probs_or_logits(d.at("mixture"))),
                                                    make(d.at("component")));
       }},
      {"Multinomial", of_probs<Multinomial>("total_count")},
      {"MultivariateNormal", multivariate_normal},
      {"NegativeBinomial", of_probs<NegativeBinomial>("total_count")},
      {"Normal", of<Normal>("loc", "scale")},
      {"OneHotCategorical", of_probs<OneHotCategorical>()},
      {"OneHotCategoricalStraightThrough", of_probs<OneHotCategoricalStraightThrough>()},
      {"OrderedLogistic", of<OrderedLogistic>("predictor", "cutpoints")},
      {"Pareto", of<Pareto>("scale", "alpha")},
      {"Poisson", of<Poisson>("rate")},
      {"RelaxedBernoulli", of_probs<RelaxedBernoulli>("temperature")},
      {"RelaxedOneHotCategorical", of_probs<RelaxedOneHotCategorical>("temperature")},
      {"StudentT", of<StudentT>("df", "loc", "scale")},
      {"TransformedDistribution", transformed},
      {"TruncatedNormal", of<TruncatedNormal>("loc", "scale", "low", "high")},
      {"Uniform", of<Uniform>("low", "high")},
      {"VonMises", of<VonMises>("loc", "concentration")},
      {"Weibull", of<Weibull>("scale", "concentration")},
      {"Wishart", of<Wishart>("df", "covariance_matrix")},
  };
  return all;
}

DistributionPtr make(const json& d) {
  const auto name = d.at("name").get<std::string>();
  const auto found = makers().find(name);
  if (found == makers().end()) throw std::runtime_error("the test cannot make a " + name);
  return found->second(d);
}

Tensor ask(const Distribution& distribution, const std::string& method, const json& at) {
  if (method == "entropy") return distribution.entropy();
  if (method == "mean") return distribution.mean();
  if (method == "mode") return distribution.mode();
  if (method == "variance") return distribution.variance();
  if (method == "stddev") return distribution.stddev();
  const Tensor value = tensor(at);
  if (method == "log_prob") return distribution.log_prob(value.to(distribution.options()));
  if (method == "cdf") return distribution.cdf(value);
  if (method == "icdf") return distribution.icdf(value);
  throw std::runtime_error("the test knows no method " + method);
}

bool agrees(const std::string& method, double answer, double right) {
  if (std::isnan(right)) return std::isnan(answer);
  if (std::isinf(right)) return answer == right;
  // A logarithm that passes through 0 has no relative error there.
  const bool is_logarithm = method == "log_prob" || method == "entropy" || method == "kl";
  return std::abs(answer - right) <=
         kTolerance * std::abs(right) + (is_logarithm ? kTolerance : 1e-300);
}

void expect_agrees(const std::string& what, const std::string& method, const Tensor& answer,
                   const json& right) {
  std::vector<const json*> leaves;
  Shape shape;
  flatten(right, leaves, shape, 0);
  ASSERT_EQ(answer.sizes(), IntArrayRef(shape)) << what << ", " << method;
  const std::vector<double> answers = to_vector(answer);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (leaves[i]->is_null()) continue;  // no one right answer
    EXPECT_TRUE(agrees(method, answers[i], number(*leaves[i])))
        << what << ", " << method << " [" << i << "]: " << answers[i] << " is not "
        << number(*leaves[i]);
  }
}

TEST(Golden, EveryMethod) {
  ASSERT_GT(golden().at("cases").size(), 40U);
  for (const json& each : golden().at("cases")) {
    const std::string what = each.at("d").dump();
    try {
      const DistributionPtr distribution = make(each.at("d"));
      for (const auto& [method, entry] : each.items()) {
        if (method == "d") continue;
        try {
          const bool has_place = method == "log_prob" || method == "cdf" || method == "icdf";
          expect_agrees(what, method, ask(*distribution, method, has_place ? entry.at(0) : json()),
                        has_place ? entry.at(1) : entry);
        } catch (const std::exception& error) {
          ADD_FAILURE() << what << ", " << method << ": " << error.what();
        }
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": " << error.what();
    }
  }
}

TEST(Golden, KlDivergence) {
  ASSERT_GT(golden().at("kl").size(), 80U);
  for (const json& each : golden().at("kl")) {
    const std::string what = each.at("p").dump() + " " + each.at("q").dump();
    try {
      expect_agrees(what, "kl", kl_divergence(*make(each.at("p")), *make(each.at("q"))),
                    each.at("kl"));
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": " << error.what();
    }
  }
}

TEST(Golden, IsRightWherePythonIsWrong) {
  ASSERT_GT(golden().at("python_is_wrong").size(), 200U);
  for (const json& each : golden().at("python_is_wrong")) {
    EXPECT_NE(each.at("python"), each.at("right"));
    const auto method = each.at("method").get<std::string>();
    const std::string what = each.dump();
    try {
      if (method == "kl_divergence") {
        expect_agrees(what, "kl", kl_divergence(*make(each.at("p")), *make(each.at("q"))),
                      each.at("right"));
      } else {
        expect_agrees(what, method,
                      ask(*make(each.at("d")), method, each.contains("at") ? each["at"] : json()),
                      each.at("right"));
      }
    } catch (const std::exception& error) {
      ADD_FAILURE() << what << ": " << error.what();
    }
  }
}

}  // namespace
}  // namespace partita::distributions
