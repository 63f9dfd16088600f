// SPDX-License-Identifier: Apache-2.0
// Of every distribution in the golden file, and of extreme ones: values outside the support, own
// draws, batches of nothing, all types.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "partita/base/error.hpp"
#include "partita/learn/distributions/golden_support.hpp"

namespace partita::distributions {
namespace {

using nlohmann::json;
using testing::kInfinity;
using testing::MakeOptions;

/// Parameters at which a draw rounds to an end of the support, or overflows.
const char* const kExtreme = R"([
  {"name": "Beta", "concentration1": [0.2, 1e-3, 1e15, 1e-30], "concentration0": [0.2, 1e-3, 1e15, 1]},
  {"name": "Cauchy", "loc": [0, 3e38], "scale": [1e30, 1e-30]},
  {"name": "Chi2", "df": [1e-4, 1e30]},
  {"name": "ContinuousBernoulli", "probs": [1e-30, 0.5]},
  {"name": "ContinuousBernoulli", "logits": [-1e30, 1e30]},
  {"name": "Dirichlet", "concentration": [[1e-3, 1e-3, 1e-3], [1e-30, 1, 1], [1e15, 1e15, 1]]},
  {"name": "Exponential", "rate": [1e-15, 1e38]},
  {"name": "FisherSnedecor", "df1": [0.01, 1e6], "df2": [0.01, 1e-2]},
  {"name": "Gamma", "concentration": [1e-4, 0.1, 1e30, 1e-30], "rate": [1e30, 1, 1e-8, 1]},
  {"name": "Geometric", "probs": [1e-36, 1, 0.5]},
  {"name": "Gumbel", "loc": [0, -3e38], "scale": [1e37, 1]},
  {"name": "HalfCauchy", "scale": [1e30, 1e-37]},
  {"name": "HalfNormal", "scale": [3e38, 1e-37]},
  {"name": "InverseGamma", "concentration": [1e-3, 0.1, 1e5], "rate": [1, 1e30, 1e-30]},
  {"name": "Kumaraswamy", "concentration1": [0.2, 1e-3, 1e8], "concentration0": [0.2, 1e-3, 1]},
  {"name": "Laplace", "loc": [0, 3e38], "scale": [1e38, 1]},
  {"name": "LogNormal", "loc": [0, 80], "scale": [50, 20]},
  {"name": "LogitRelaxedBernoulli", "temperature": [1e-30, 1e30, 1e-38], "logits": [0, 1, -3]},
  {"name": "Multinomial", "total_count": [100000000, 3], "probs": [[0.3, 0.3, 0.4], [0, 1, 0]]},
  {"name": "NegativeBinomial", "total_count": [1e-3, 1e10, 0], "probs": [0.999, 0.99, 0.5]},
  {"name": "Normal", "loc": [0, 3e38], "scale": [3e38, 1]},
  {"name": "Pareto", "scale": [1, 1e30], "alpha": [1e-3, 0.1]},
  {"name": "Poisson", "rate": [1e10, 1e-30, 0]},
  {"name": "RelaxedBernoulli", "temperature": [1e-30, 1e-3, 1e5], "logits": [0, 1, -3]},
  {"name": "RelaxedOneHotCategorical", "temperature": [1e-30, 1e-3, 1e30],
   "logits": [[0, 1, 2], [0, 1, 2], [0, 1, 2]]},
  {"name": "StudentT", "df": [0.05, 1e-3, 1e10], "loc": [0, 0, 1], "scale": [1, 1, 1e30]},
  {"name": "TruncatedGumbel", "loc": [0, 0], "scale": [1, 1e30], "maximum": [-100, 100]},
  {"name": "Uniform", "low": [-3e38, 1], "high": [3e38, 1.0000002]},
  {"name": "VonMises", "loc": [0, 3], "concentration": [1e10, 1e-30]},
  {"name": "Weibull", "scale": [1, 1e-5], "concentration": [1e-3, 0.02]},
  {"name": "BetaBinomial", "total_count": [10, 1000, 0], "concentration1": [1e-3, 1e15, 1],
   "concentration0": [1e-3, 1, 1]},
  {"name": "DirichletMultinomial", "total_count": [5, 1000],
   "concentration": [[1e-3, 1e-30], [1e15, 1]]},
  {"name": "Frechet", "scale": [1, 1e30], "concentration": [0.02, 0.1]},
  {"name": "GeneralizedExtremeValue", "loc": [0, 0, 3e38], "scale": [1, 1e30, 1],
   "concentration": [50, -5, 0]},
  {"name": "GeneralizedPareto", "loc": [0, 0, 3e38], "scale": [1, 1e30, 1],
   "concentration": [50, -5, 0]},
  {"name": "LKJCholesky", "concentration": [0.01, 1e6]},
  {"name": "Logistic", "loc": [0, 3e38], "scale": [1e37, 1]},
  {"name": "LogisticNormal", "loc": [[0, 100], [0, 0]], "scale": [[30, 1], [300, 300]]},
  {"name": "OrderedLogistic", "predictor": [0, 1e30], "cutpoints": [[-1, 1], [-1e30, 1e30]]},
  {"name": "TruncatedNormal", "loc": [0, 0, 0], "scale": [1, 1e30, 1e-30], "low": [20, -1, 0],
   "high": [30, 1, 1]},
  {"name": "Wishart", "df": [1.001, 1e6],
   "covariance_matrix": [[[2, 0.5], [0.5, 1]], [[1e6, 0], [0, 1e-6]]]}
])";

std::vector<json> every_distribution(bool extreme) {
  const json golden = json::parse(std::ifstream(PARTITA_GOLDEN_DISTRIBUTIONS));
  std::vector<json> all;
  for (const json& each : golden.at("cases")) all.push_back(each.at("d"));
  if (!extreme) return all;
  for (const json& each : json::parse(kExtreme)) all.push_back(each);
  return all;
}

/// Calls check(distribution, its description) for each and each of the types.
template <class Check>
void walk(const std::vector<at::ScalarType>& types, MakeOptions options, const Check& check,
          bool extreme = false) {
  for (const json& d : every_distribution(extreme)) {
    for (const auto type : types) {
      SCOPED_TRACE(std::string(at::toString(type)) + " " + d.dump());
      options.type = type;
      DistributionPtr distribution;
      try {
        distribution = testing::make(d, options);
        // What single or half precision cannot hold may no longer be parameters.
        MakeOptions checked = options;
        checked.validate_args = true;
        if (type != at::kDouble) {
          const DistributionPtr narrower = testing::make(d, checked);
          for (const Parameter& each : narrower->parameters()) {
            if (!each.value.isfinite().all().item<bool>()) distribution = nullptr;
          }
        }
      } catch (const InvalidArgument& error) {
        if (type == at::kDouble) ADD_FAILURE() << error.what();
        continue;
      }
      if (distribution == nullptr) continue;
      try {
        check(distribution);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
}

/// Whether y has a finite gradient by each of `at`, where y itself is finite.
void expect_finite_gradients(const Tensor& y, const std::vector<Tensor>& at,
                             const std::string& what) {
  if (!y.requires_grad() || at.empty()) return;
  const auto gradients =
      torch::autograd::grad({y.masked_fill(y.isfinite().logical_not(), 0).mean()}, at, {},
                            /*retain_graph=*/true, false, /*allow_unused=*/true);
  for (std::size_t i = 0; i < at.size(); ++i) {
    EXPECT_TRUE(!gradients[i].defined() || gradients[i].isfinite().all().item<bool>())
        << what << ", argument " << i << "\n"
        << gradients[i].slice(0, 0, 8);
  }
}

std::vector<Tensor> learned(const Distribution& distribution) {
  std::vector<Tensor> values;
  for (const Parameter& parameter : distribution.parameters()) {
    if (parameter.value.requires_grad()) values.push_back(parameter.value);
  }
  return values;
}

/// Numbers, each of them in all places of a value, as [N, 1 ..., event].
/// @param largest the last of them; its negative is the first.
Tensor anywhere(const Distribution& distribution, at::ScalarType type, double largest = kInfinity) {
  const std::vector<double> numbers = {-largest, -1e18, -2,  -1, -0.5, -1e-30, 0,   1e-30, 0.25,
                                       0.5,      1,     1.5, 2,  3,    7.5,    100, 1e18,  largest};
  const auto dims = static_cast<std::int64_t>(distribution.event_shape().size());
  Shape shape(distribution.batch_shape().size() + distribution.event_shape().size() + 1, 1);
  shape[0] = static_cast<std::int64_t>(numbers.size());
  Tensor value = at::tensor(numbers, at::kDouble).to(type).view(shape);
  for (std::int64_t d = 1; d <= dims; ++d) {
    const auto place = static_cast<std::size_t>(distribution.event_shape().size() - d);
    shape[shape.size() - static_cast<std::size_t>(d)] = distribution.event_shape()[place];
  }
  return value.expand(shape).clone();
}

TEST(EveryDistribution, OutsideTheSupportThereIsNothing) {
  walk({at::kDouble, at::kFloat}, {.requires_grad = true, .validate_args = false},
       [](const DistributionPtr& d) {
         const bool is_number = d->event_shape().empty();
         const at::ScalarType type = d->options().dtype() == at::kLong
                                         ? at::kDouble
                                         : at::typeMetaToScalarType(d->options().dtype());
         const Tensor value = anywhere(*d, type);
         std::vector<Tensor> at = learned(*d);
         // Where all numbers are in the support the infinite ones have no useful gradient.
         const Tensor finite = anywhere(*d, type, 1e20).set_requires_grad(true);
         // Of a power of an exponential, or of one in single precision, the slope itself overflows.
         const bool overflows = type == at::kFloat && std::string(d->name()) == "Frechet";
         const bool has_slope = !d->support().is_discrete && !d->parameters().empty() && !overflows;
         if (has_slope) at.push_back(finite);
         const Tensor log_prob = d->log_prob(finite);
         Tensor outside = d->support().check(finite).logical_not().expand(log_prob.sizes());
         if (std::string(d->name()) == "Bernoulli") {  // which scores soft targets
           outside = outside.logical_and((finite < 0).logical_or(finite > 1));
         }
         EXPECT_TRUE(((log_prob == -kInfinity) | ~outside).all().item<bool>()) << log_prob;
         EXPECT_FALSE((log_prob.isnan() & outside).any().item<bool>());
         expect_finite_gradients(log_prob.masked_fill(~outside, 0), at, "log_prob");
         const Tensor nan = at::full_like(value, std::nan(""));
         EXPECT_TRUE(d->log_prob(nan).isnan().all().item<bool>());
         if (!is_number) return;
         const Tensor leaf = value.clone().set_requires_grad(true);
         if (has_slope) at.back() = leaf;
         Tensor cdf;
         try {
           cdf = d->cdf(leaf);
         } catch (const InvalidArgument&) {
           return;
         }
         EXPECT_TRUE(((cdf >= 0) & (cdf <= 1)).all().item<bool>()) << cdf;
         // Around a circle it begins again; of large parameters some digits are lost.
         const bool is_circle = std::string(d->name()) == "VonMises";
         EXPECT_TRUE(is_circle || (cdf.diff(1, 0) >= -1e-9).all().item<bool>()) << cdf;
         EXPECT_TRUE((cdf[0] == 0).all().item<bool>());
         EXPECT_TRUE((cdf[-1] == 1).all().item<bool>());
         expect_finite_gradients(cdf, at, "cdf");
         const Tensor log_cdf = d->log_cdf(leaf);
         EXPECT_TRUE((log_cdf <= 0).all().item<bool>());
         EXPECT_TRUE(at::allclose(log_cdf.exp(), cdf, 1e-5, 1e-30));
         expect_finite_gradients(log_cdf, at, "log_cdf");
         const Tensor log_survival = d->log_survival(leaf);
         EXPECT_TRUE((log_survival <= 0).all().item<bool>());
         EXPECT_TRUE(at::allclose(log_survival.exp(), 1 - cdf, 1e-5, 1e-6));
         expect_finite_gradients(log_survival, at, "log_survival");
         EXPECT_TRUE(d->cdf(nan).isnan().all().item<bool>());
       });
}

/// A mixture of the members of the batch, of which some cannot produce a value.
TEST(EveryDistribution, MixtureOfMembersThatCannotProduceTheValue) {
  walk({at::kDouble, at::kFloat}, {.requires_grad = true, .validate_args = true},
       [](const DistributionPtr& d) {
         if (d->batch_shape().size() != 1 || !d->event_shape().empty()) return;
         if (d->options().dtype() == at::kLong) return;
         const auto members = d->batch_shape()[0];
         const MixtureSameFamily mixture(Categorical(Logits(at::zeros({members}))), d, false);
         const Tensor value = anywhere(*d, at::typeMetaToScalarType(d->options().dtype()), 1e20)
                                  .set_requires_grad(true);
         std::vector<Tensor> at = learned(*d);
         at.push_back(value);
         const Tensor log_prob = mixture.log_prob(value.view({-1}));
         EXPECT_FALSE(log_prob.isnan().any().item<bool>()) << log_prob;
         if ((log_prob == kInfinity).any().item<bool>()) return;  // which has no slope
         expect_finite_gradients(log_prob, {at.begin(), at.end() - 1}, "log_prob");
       });
}

TEST(EveryDistribution, OwnDrawsAreWhereItIsFinite) {
  walk(
      {at::kDouble, at::kFloat, at::kHalf, at::kBFloat16}, {.requires_grad = true},
      [](const DistributionPtr& d) {
        const auto type =
            d->parameters().empty() ? at::kDouble : d->parameters()[0].value.scalar_type();
        const bool is_wide = type == at::kDouble || type == at::kFloat;
        // Matrices and transforms of half precision are not promised.
        if (!is_wide && d->event_shape().size() > 1) return;
        if (std::string(d->name()) == "TransformedDistribution" &&
            d->options().dtype() == at::kHalf) {
          return;
        }
        const Random random = Stream{.seed = 17};
        const Tensor draws = d->sample({500}, random);
        EXPECT_FALSE(draws.isnan().any().item<bool>());
        const Tensor leaf =
            draws.is_floating_point() ? draws.clone().set_requires_grad(true) : draws;
        const Tensor log_prob = d->log_prob(leaf);
        EXPECT_TRUE(log_prob.isfinite().all().item<bool>())
            << draws.view({log_prob.numel(), -1})
                   .index({log_prob.isfinite().logical_not().view({-1})})
                   .slice(0, 0, 4);
        std::vector<Tensor> at = learned(*d);
        if (is_wide) expect_finite_gradients(log_prob, at, "log_prob");
        if (!d->has_rsample()) return;
        const Tensor moving = d->rsample({500}, random);
        EXPECT_TRUE(moving.isfinite().all().item<bool>());
        // The derivative of a draw that nearly overflows may do so.
        const Tensor moderate = moving.masked_fill(moving.abs() > 1e25, 0);
        if (is_wide) expect_finite_gradients(moderate, at, "rsample");
      },
      /*extreme=*/true);
}

TEST(EveryDistribution, BatchesOfNothing) {
  walk({at::kDouble, at::kFloat}, {}, [](const DistributionPtr& d) {
    const Shape grown = concatenate({0}, d->batch_shape());
    const DistributionPtr none = d->expand(grown);
    const Tensor draws = none->sample({3}, Stream{.seed = 1});
    EXPECT_EQ(draws.numel(), 0);
    EXPECT_EQ(none->log_prob(draws).sizes(), IntArrayRef(concatenate({3}, grown)));
  });
}

TEST(EveryDistribution, RefusesShapesThatAreNone) {
  walk({at::kDouble}, {}, [](const DistributionPtr& d) {
    EXPECT_THROW((void)d->sample({-1}, Stream{}), InvalidArgument);
    EXPECT_THROW((void)d->rsample({2, -1}, Stream{}), InvalidArgument);
    EXPECT_THROW((void)d->expand({-1}), InvalidArgument);
    if (!d->batch_shape().empty() && d->batch_shape().back() > 1) {
      EXPECT_THROW((void)d->expand({d->batch_shape().back() + 1}), InvalidArgument);
      EXPECT_THROW((void)d->expand({}), InvalidArgument);
    }
  });
}

}  // namespace
}  // namespace partita::distributions
