// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/distribution.hpp"

#include <gtest/gtest.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/normal.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;

TEST(Distribution, NamesTheParameterItsValueAndPlace) {
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Normal(0, at::tensor({1.0, -2.0}));
            }),
            "scale: Normal: expected a number > 0, got -2 at [1]");
  EXPECT_EQ(message_of<InvalidArgument>([] { Normal(std::nan(""), 1); }),
            "loc: Normal: expected a real number, got nan");
  EXPECT_EQ(message_of<InvalidArgument>([] { Normal(at::zeros({2}), at::ones({3})); }),
            "loc, scale: Normal: expected shapes that broadcast, got [2], [3]");
  EXPECT_EQ(message_of<InvalidArgument>([] {
              Normal(0, 1).log_prob(at::tensor({1.0, NAN}));
            }),
            "value: Normal(loc: 0, scale: 1): expected a real number, got nan at [1]");
  EXPECT_EQ(
      message_of<InvalidArgument>([] { Normal(at::zeros({2}), 1).log_prob(at::zeros({3})); }),
      "value: Normal(loc: [2], scale: [2]): expected a shape that broadcasts with [2], got [3]");
  EXPECT_EQ(message_of<InvalidArgument>([] { Bernoulli(0.5).rsample(Stream{}); }),
            "rsample: not available for Bernoulli: its draws have no gradient; use sample() with a "
            "score-function estimator");
}

TEST(Distribution, ShapesAreThoseOfPython) {
  const Normal normal(at::zeros({3, 1}), at::ones({4}));
  EXPECT_EQ(normal.batch_shape(), IntArrayRef({3, 4}));
  EXPECT_EQ(normal.sample({5}, Stream{}).sizes(), IntArrayRef({5, 3, 4}));
  EXPECT_EQ(Normal(0, 1).expand({2, 3})->sample({5}, Stream{}).sizes(), IntArrayRef({5, 2, 3}));
  EXPECT_EQ(Bernoulli(at::full({3}, 0.5)).enumerate_support().sizes(), IntArrayRef({2, 3}));
}

}  // namespace
}  // namespace partita::distributions
