// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/estimators/generalized_advantage.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "errors.hpp"
#include "partita/base/error.hpp"

namespace partita::estimators {
namespace {

using partita::testing::message_of;
using ::testing::HasSubstr;

/// Two trajectories of five steps; the first one's second step ends an episode for good, the
/// second one's third is only cut off.
Transitions some_transitions() {
  return {
      .rewards =
          at::tensor({1.0, 2.0, 0.0, -1.0, 3.0, 2.0, 1.0, 0.0, 1.0, 0.5}, at::kDouble).view({5, 2}),
      .values =
          at::tensor({0.5, 1.0, 2.0, 0.1, 0.3, 0.7, 0.2, 0.4, 1.5, 0.6}, at::kDouble).view({5, 2}),
      .next_values =
          at::tensor({2.0, 0.1, 0.0, 0.7, 0.2, 0.9, 1.5, 0.6, 0.8, 0.2}, at::kDouble).view({5, 2}),
      .last = at::tensor({0, 0, 1, 0, 0, 1, 0, 0, 0, 0}, at::kLong).view({5, 2}).to(at::kBool)};
}

/// The sum of equation 16, written out.
TEST(GeneralizedAdvantages, AreTheirSum) {
  const Transitions all = some_transitions();
  for (const double lambda : {0.0, 0.7, 1.0}) {
    const double discount = 0.9;
    const Tensor found = generalized_advantages(all, {.discount = discount, .lambda = lambda});
    for (std::int64_t n = 0; n < 2; ++n) {
      for (std::int64_t t = 0; t < 5; ++t) {
        double expected = 0;
        double weight = 1;
        for (std::int64_t i = t; i < 5; ++i, weight *= discount * lambda) {
          const auto at = [&](const Tensor& of) { return of[i][n].item<double>(); };
          expected += weight * (at(all.rewards) + discount * at(all.next_values) - at(all.values));
          if (all.last[i][n].item<bool>()) break;
        }
        EXPECT_NEAR(found[t][n].item<double>(), expected, 1e-12) << t << ' ' << n;
      }
    }
  }
}

/// With lambda = 1 the values between cancel: the discounted return to the end, minus V(s_t).
TEST(GeneralizedAdvantages, OfLambdaOneAreReturnsMinusValues) {
  Transitions all = some_transitions();
  all.next_values = at::cat({all.values.narrow(0, 1, 4), at::full({1, 2}, 0.25, at::kDouble)});
  all.next_values.masked_fill_(all.last, 0);
  const Tensor found = generalized_advantages(all, {.discount = 0.9, .lambda = 1});
  EXPECT_NEAR(found[0][0].item<double>(), 1 + 0.9 * 0.0 - 0.5, 1e-12);  // ends after two steps
  EXPECT_NEAR(found[3][1].item<double>(), 0.0 + 0.9 * 0.5 + 0.81 * 0.25 - 0.4, 1e-12);
}

TEST(GeneralizedAdvantages, RefuseWhatCannotBe) {
  Transitions all = some_transitions();
  EXPECT_THAT(message_of<InvalidArgument>([&] { generalized_advantages(all, {.lambda = 1.5}); }),
              HasSubstr("lambda"));
  all.values = all.values[0];
  EXPECT_THAT(message_of<InvalidArgument>([&] { generalized_advantages(all); }),
              HasSubstr("values: expected [5, 2] as rewards, got [2]"));
}

}  // namespace
}  // namespace partita::estimators
