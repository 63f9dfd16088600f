// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/internal/count_sums.hpp"

#include <gtest/gtest.h>

#include "partita/learn/distributions/binomial.hpp"
#include "partita/learn/distributions/multinomial.hpp"
#include "partita/learn/distributions/negative_binomial.hpp"
#include "partita/learn/distributions/poisson.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using testing::doubles;
using testing::number;

// Expected values: mpmath, by summation with 40 digits (tests/golden/make_entropies.py).
TEST(CountSums, EntropyHasNineDigits) {
  const auto check = [](const Distribution& q, double expected) {
    EXPECT_NEAR(q.entropy().item<double>(), expected, 1e-9 * expected) << q.to_string();
  };
  check(Poisson(number(0.001)), 0.007908101804632483);
  check(Poisson(number(0.3)), 0.6911439590927789);
  check(Poisson(number(12.5)), 2.674836058923899);
  check(Poisson(number(400)), 4.414462212179583);
  check(Poisson(number(8000.0)), 5.912526526217848);
  check(Poisson(number(1000000.0)), 8.326693728853435);
  check(NegativeBinomial(number(2.5), number(0.3)), 1.411233619281132);
  check(NegativeBinomial(number(0.01), number(0.9)), 0.1575988051586468);
  check(NegativeBinomial(number(1), number(0.999)), 7.907255112232086);
  check(NegativeBinomial(number(0.2), number(0.9999)), 7.15178309598908);
  check(NegativeBinomial(number(3), number(0.9998)), 10.36467168844378);
  check(NegativeBinomial(number(100), number(0.99)), 8.318326880673097);
  check(NegativeBinomial(number(10000.0), number(0.5)), 6.370644807701648);
  check(Binomial(10, number(0.3)), 1.779078784090063);
  check(Binomial(3000, number(0.01)), 3.111769896511994);
  check(Binomial(100000, number(0.4)), 6.461842948969598);
  check(Binomial(1000000000, number(1e-08)), 2.561409930535084);
}

TEST(CountSums, Gradients) {
  for (const double rate : {0.3, 12.5, 1e6}) {
    testing::expect_gradient([](const auto& p) { return Poisson(p[0]).entropy(); }, {number(rate)},
                             1e-6);
  }
  testing::expect_gradient([](const auto& p) { return NegativeBinomial(p[0], p[1]).entropy(); },
                           {number(2.5), number(0.7)});
  testing::expect_gradient(
      [](const auto& p) { return NegativeBinomial(p[0], Logits(p[1])).entropy(); },
      {number(0.3), number(9)}, 1e-5);  // of 9 digits, differences have 5
  testing::expect_gradient([](const auto& p) { return Binomial(100'000, Logits(p[0])).entropy(); },
                           {number(0.4)}, 1e-5);
  testing::expect_gradient([](const auto& p) { return Multinomial(5000, Logits(p[0])).entropy(); },
                           {doubles({0.4, -1, 0.2})}, 1e-6);
}

TEST(CountSums, EntropyOfBatches) {
  const Tensor rate = doubles({0, 1e-20, 3, 1e7}).view({2, 2});
  const Tensor entropy = Poisson(rate).entropy();
  EXPECT_EQ(entropy.sizes(), IntArrayRef({2, 2}));
  EXPECT_TRUE(at::allclose(entropy[1][1], Poisson(number(1e7)).entropy(), 1e-14, 0));
  EXPECT_EQ(entropy[0][0].item<double>(), 0);
  EXPECT_EQ(Poisson(at::zeros({0})).entropy().sizes(), IntArrayRef({0}));
}

}  // namespace
}  // namespace partita::distributions
