// SPDX-License-Identifier: Apache-2.0
// Every distribution and method against tests/golden/make_distributions.py: mpmath's values, which
// Python's torch.distributions shares except in the places listed.
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>
#include <string>

#include "partita/learn/distributions/golden_support.hpp"

namespace partita::distributions {
namespace {

using nlohmann::json;
using testing::flatten;
using testing::make;
using testing::number;
using testing::tensor;
using testing::to_vector;

/// Largest relative error.
constexpr double kTolerance = 1e-9;

const json& golden() {
  static const json data = json::parse(std::ifstream(PARTITA_GOLDEN_DISTRIBUTIONS));
  return data;
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
