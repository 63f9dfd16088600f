// SPDX-License-Identifier: Apache-2.0
// log_prob and the tails of every univariate distribution, and their gradients by the value and by
// every parameter, against mpmath (tests/golden/make_distribution_tails.py), in both types.
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "partita/learn/distributions/golden_support.hpp"

namespace partita::distributions {
namespace {

using nlohmann::json;

/// The numbers that differ: of an answer in `type`, from the right one. Numbers that the type
/// cannot hold are infinite, and underflow to 0.
void expect_column(const Tensor& answers, const Tensor& impossible, const json& column,
                   double relative, double absolute,
                   const std::function<std::string(std::size_t)>& where) {
  const double largest = largest_number(answers.scalar_type());
  const std::vector<double> numbers = testing::to_vector(answers);
  for (std::size_t i = 0; i < numbers.size(); ++i) {
    const double right = testing::number(column[i]);
    if (std::abs(right) > largest / 4) {
      EXPECT_FALSE(std::isnan(numbers[i])) << where(i);
      continue;
    }
    // Without gradient, or with one of no consequence.
    if (impossible[static_cast<std::int64_t>(i)].item<bool>()) {
      EXPECT_TRUE(std::isfinite(numbers[i])) << where(i);
      continue;
    }
    EXPECT_LE(std::abs(numbers[i] - right),
              relative * std::abs(right) + absolute + smallest_normal(answers.scalar_type()))
        << where(i) << ": " << numbers[i] << " is not " << right;
  }
}

void expect_case(const json& one, at::ScalarType type) {
  const std::string name = one.at("d").at("name");
  const bool is_single = type == at::kFloat;
  const double relative = is_single ? 1e-5 : 1e-10;
  const DistributionPtr distribution =
      testing::make(one.at("d"), {.type = type, .requires_grad = true});
  const Tensor value = testing::tensor(one.at("value"), {.type = type, .requires_grad = true});
  using Method = Tensor (Distribution::*)(const Tensor&) const;
  const std::map<std::string, Method> methods = {{"log_prob", &Distribution::log_prob},
                                                 {"cdf", &Distribution::cdf},
                                                 {"log_cdf", &Distribution::log_cdf},
                                                 {"log_survival", &Distribution::log_survival}};
  for (const auto& [method, function] : methods) {
    const auto where = [&, method = method](const std::string& column) {
      return [&, column](std::size_t i) {
        std::string parameters;
        for (const auto& [key, values] : one.at("d").items()) {
          if (key != "name") parameters += " " + key + " " + values[i].dump();
        }
        return (is_single ? "float " : "double ") + name + parameters + ", " + method + " at " +
               one.at("value")[i].dump() + ", " + column;
      };
    };
    const Tensor answer = ((*distribution).*function)(value);
    EXPECT_EQ(answer.scalar_type(), type) << name;
    const json& columns = one.at(method);
    const Tensor impossible = answer.detach() == -std::numeric_limits<double>::infinity();
    // Logarithms pass through 0, where an error in units of themselves says nothing.
    const double absolute = method == "log_prob" ? (is_single ? 1e-5 : 1e-12) : 0;
    expect_column(answer.detach(), at::zeros_like(impossible), columns[0], relative, absolute,
                  where("itself"));
    std::vector<Tensor> at = {value};
    std::vector<std::string> names = {"by the value"};
    for (const auto& parameter : one.at("names")) {
      for (const Parameter& own : distribution->parameters()) {
        if (own.name == parameter.get<std::string>()) at.push_back(own.value);
      }
      names.push_back("by " + parameter.get<std::string>());
    }
    const auto gradients =
        torch::autograd::grad({answer.sum()}, at, {}, /*retain_graph=*/true, false, true);
    for (std::size_t k = 0; k < gradients.size(); ++k) {
      if (columns[k + 1].is_null()) continue;
      const Tensor gradient =
          gradients[k].defined() ? gradients[k] : at::zeros_like(at[k]).detach();
      const double slack = method == "log_prob" ? (is_single ? 1e-6 : 1e-13) : 0;
      expect_column(gradient, impossible, columns[k + 1], relative, slack, where(names[k]));
    }
  }
}

TEST(TailsGolden, ValuesAndGradients) {
  const json all = json::parse(std::ifstream(PARTITA_GOLDEN_TAILS));
  ASSERT_GT(all.size(), 24U);
  for (const json& one : all) {
    for (const auto type : {at::kDouble, at::kFloat}) {
      try {
        expect_case(one, type);
      } catch (const std::exception& error) {
        ADD_FAILURE() << one.at("d").at("name") << ": " << error.what();
      }
    }
  }
}

}  // namespace
}  // namespace partita::distributions
