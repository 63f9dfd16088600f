// SPDX-License-Identifier: Apache-2.0
// Logits that have a large number in common: what normalizes them subtracts it first.
#include <gtest/gtest.h>

#include <cmath>
#include <string>

#include "partita/learn/distributions.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

/// A log-probability and its gradient by the logits, against the same in double, of logits from
/// which their largest was subtracted without rounding.
void expect_as_centered(const std::function<Tensor(const Tensor&)>& log_prob,
                        const std::string& what) {
  for (const double offset : {0.0, 1e3, 1e6, 1e8, 1e16, 1e30, -1e8}) {
    for (const auto type : {at::kDouble, at::kFloat}) {
      const Tensor leaf =
          (testing::doubles({2, -1, 0.5, 2}) + offset).to(type).set_requires_grad(true);
      const Tensor wide = leaf.detach().to(at::kDouble);
      const Tensor centered = (wide - wide.max()).set_requires_grad(true);
      const Tensor found = log_prob(leaf);
      const Tensor right = log_prob(centered);
      const double tolerance = type == at::kFloat ? 1e-5 : 1e-10;
      EXPECT_NEAR(found.item<double>(), right.item<double>(),
                  tolerance * std::abs(right.item<double>()))
          << what << ", " << offset << " " << at::toString(type);
      found.backward();
      right.backward();
      EXPECT_TRUE(at::allclose(leaf.grad().to(at::kDouble), centered.grad(), tolerance, tolerance))
          << what << ", " << offset << " " << at::toString(type) << "\n"
          << leaf.grad();
      const at::NoGradGuard no_grad;
      EXPECT_NEAR(log_prob(leaf.detach()).item<double>(), right.item<double>(),
                  tolerance * std::abs(right.item<double>()))
          << what;
    }
  }
}

TEST(LargeLogits, OfCategories) {
  expect_as_centered(
      [](const Tensor& z) {
        return Categorical{Logits(z)}.log_prob(at::scalar_tensor(3, at::kLong));
      },
      "Categorical");
  expect_as_centered(
      [](const Tensor& z) {
        return OneHotCategorical{Logits(z)}.log_prob(
            at::one_hot(at::scalar_tensor(0, at::kLong), 4).to(z.scalar_type()));
      },
      "OneHotCategorical");
  expect_as_centered(
      [](const Tensor& z) {
        return Multinomial(3, Logits(z)).log_prob(at::tensor({1., 0., 0., 2.}).to(z.scalar_type()));
      },
      "Multinomial");
  expect_as_centered([](const Tensor& z) { return Categorical{Logits(z)}.entropy(); }, "entropy");
  for (const std::int64_t k : {2, 4}) {
    expect_as_centered(
        [&](const Tensor& z) {
          return PlackettLuce(Logits(z), k)
              .log_prob(at::tensor({3, 0, 2, 1}, at::kLong).narrow(0, 0, k));
        },
        "PlackettLuce");
  }
  expect_as_centered(
      [](const Tensor& z) {
        return Subset(Logits(z), 2).log_prob(at::tensor({1., 1., 0., 0.}).to(z.scalar_type()));
      },
      "Subset");
  expect_as_centered(
      [](const Tensor& z) {
        return MixtureSameFamily(Categorical{Logits(z)}, Normal(at::arange(4).to(z.scalar_type()),
                                                                at::ones({4}, z.options())))
            .log_prob(at::full({}, 0.7, z.options()));
      },
      "MixtureSameFamily");
  expect_as_centered(
      [](const Tensor& z) {
        return RelaxedOneHotCategorical(0.5, Logits(z))
            .log_prob(at::tensor({0.25, 0.25, 0.125, 0.375}).to(z.scalar_type()));
      },
      "RelaxedOneHotCategorical");
}

TEST(LargeLogits, TwoThatAreEqual) {
  for (const float size : {1e8F, 1e16F, 1e30F}) {
    const Categorical coin{Logits(at::tensor({size, size}))};
    EXPECT_NEAR(coin.log_prob(at::scalar_tensor(0, at::kLong)).item<double>(), -M_LN2, 1e-7);
  }
}

/// A draw over a temperature that is huge is uniform; over one that is tiny, one-hot.
TEST(LargeLogits, TemperaturesOfAnySize) {
  for (const double temperature : {1e-30, 1e-3, 1e3, 1e30, 1e300}) {
    const RelaxedOneHotCategorical q(temperature, Logits(testing::doubles({2, -1, 0.5})));
    const Tensor draws = q.sample({100}, Stream{.seed = 3});
    EXPECT_TRUE(q.log_prob(draws).isfinite().all().item<bool>()) << temperature;
    const RelaxedBernoulli bit(temperature, Logits(testing::number(0.5)));
    EXPECT_TRUE(bit.log_prob(bit.sample({100}, Stream{.seed = 3})).isfinite().all().item<bool>())
        << temperature;
  }
}

}  // namespace
}  // namespace partita::distributions
