// SPDX-License-Identifier: Apache-2.0
// examples/regression.cpp finds scikit-learn's optimum.
#include <gtest/gtest.h>

#include <sstream>
#include <string>

#include "run_example.hpp"
#include "tests/golden/regression.hpp"

namespace partita::testing {
namespace {

/// The five numbers that follow `name` on its line hold to 1e-6; seven decimals are printed.
void expect_row(const std::string& printed, const std::string& name,
                const std::array<double, 5>& expected) {
  const std::size_t at = printed.find("\n  " + name + " ");
  ASSERT_NE(at, std::string::npos) << printed;
  std::istringstream numbers(printed.substr(at + 3 + name.size()));
  for (const double each : expected) {
    double found = 0;
    ASSERT_TRUE(numbers >> found) << printed;
    EXPECT_NEAR(found, each, 1e-6) << name;
  }
}

TEST(Regression, CoefficientsAreThoseOfScikitLearn) {
  const std::string printed = run_example(SOURCE_DIR "/examples/iris.csv");
  expect_row(printed, "virginica, not versicolor", golden::kLogistic[0]);
  expect_row(printed, "setosa", golden::kSoftmax[0]);
  expect_row(printed, "versicolor", golden::kSoftmax[1]);
  expect_row(printed, "virginica", golden::kSoftmax[2]);
}

}  // namespace
}  // namespace partita::testing
