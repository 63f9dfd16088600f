// SPDX-License-Identifier: Apache-2.0
// Divergences of distributions that are close, variances next to large means, log-probabilities and
// entropies with large parameters, against mpmath (tests/golden/make_distribution_differences.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "partita/learn/distributions/golden_support.hpp"

namespace partita::distributions {
namespace {

using nlohmann::json;

Tensor answer(const json& row, const testing::MakeOptions& options) {
  const auto method = row.at("method").get<std::string>();
  const DistributionPtr d = testing::make(row.at("d"), options);
  if (method == "kl") return kl_divergence(*d, *testing::make(row.at("q"), options));
  if (method == "entropy") return d->entropy();
  if (method == "mean") return d->mean();
  if (method == "variance") return d->variance();
  return d->log_prob(testing::tensor(row.at("at"), options));
}

TEST(Differences, OfLargeNumbers) {
  const json rows = json::parse(std::ifstream(PARTITA_GOLDEN_DIFFERENCES));
  ASSERT_GT(rows.size(), 100U);
  for (const json& row : rows) {
    const auto right = row.at("right").get<double>();
    for (const auto type : {at::kDouble, at::kFloat}) {
      SCOPED_TRACE(std::string(at::toString(type)) + " " + row.dump());
      try {
        const Tensor found = answer(row, {.type = type});
        EXPECT_EQ(found.scalar_type(), type);
        // A value next to a mean of n is known to a part in 1e16, and the logarithm of its
        // density to sqrt(n) of it.
        const double relative = type == at::kFloat ? 1e-5 : 1e-9;
        EXPECT_NEAR(found.item<double>(), right,
                    relative * std::abs(right) + smallest_normal(type));
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    }
  }
}

TEST(Differences, NoDivergenceIsNegative) {
  const json rows = json::parse(std::ifstream(PARTITA_GOLDEN_DIFFERENCES));
  for (const json& row : rows) {
    if (row.at("method") != "kl") continue;
    for (const auto type : {at::kDouble, at::kFloat}) {
      const DistributionPtr p = testing::make(row.at("d"), {.type = type, .requires_grad = true});
      const Tensor itself = kl_divergence(*p, *p);
      EXPECT_EQ(itself.item<double>(), 0) << row.dump();
      const DistributionPtr q = testing::make(row.at("q"), {.type = type});
      EXPECT_GE(kl_divergence(*q, *p).item<double>(), 0) << row.dump();
    }
  }
}

}  // namespace
}  // namespace partita::distributions
