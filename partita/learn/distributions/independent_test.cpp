// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/independent.hpp"

#include <gtest/gtest.h>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/bernoulli.hpp"
#include "partita/learn/distributions/normal.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;

TEST(Independent, SumsOverWhatItReinterprets) {
  const Normal normal(at::randn({2, 3, 4}, testing::torch_generator(1), at::kDouble), 0.5);
  for (const std::int64_t dims : {0, 1, 2, 3}) {
    const Independent q(normal, dims);
    EXPECT_EQ(q.batch_shape(), IntArrayRef({2, 3, 4}).slice(0, static_cast<std::size_t>(3 - dims)));
    EXPECT_EQ(q.event_shape(), IntArrayRef({2, 3, 4}).slice(static_cast<std::size_t>(3 - dims)));
    EXPECT_EQ(q.support().event_dim, dims);
    const Tensor x = q.sample({5}, Stream{.seed = 2});
    EXPECT_TRUE(x.equal(normal.sample({5}, Stream{.seed = 2})));
    EXPECT_TRUE(q.rsample({5}, Stream{.seed = 2}).equal(normal.rsample({5}, Stream{.seed = 2})));
    EXPECT_TRUE(q.log_prob(x).equal(sum_rightmost(normal.log_prob(x), dims)));
    EXPECT_TRUE(q.entropy().equal(sum_rightmost(normal.entropy(), dims)));
    EXPECT_TRUE(q.mean().equal(normal.mean()));
    EXPECT_TRUE(q.variance().equal(normal.variance()));
  }
}

TEST(Independent, Expands) {
  const Independent q(Normal(at::zeros({3, 4}), 1), 1);
  const DistributionPtr wide = q.expand({5, 3});
  EXPECT_EQ(wide->batch_shape(), IntArrayRef({5, 3}));
  EXPECT_EQ(wide->event_shape(), IntArrayRef({4}));
  EXPECT_EQ(wide->sample({2}, Stream{}).sizes(), IntArrayRef({2, 5, 3, 4}));
  EXPECT_EQ(wide->log_prob(at::zeros({4})).sizes(), IntArrayRef({5, 3}));
  EXPECT_EQ(wide->to_string(), "Independent(Normal(loc: [5, 3, 4], scale: [5, 3, 4]), 1)");
}

TEST(Independent, EnumeratesOnlyWhatItsBaseDoes) {
  EXPECT_TRUE(Independent(Bernoulli(0.3), 0).has_enumerate_support());
  EXPECT_EQ(Independent(Bernoulli(0.3), 0).enumerate_support().sizes(), IntArrayRef({2}));
  const Independent coins(Bernoulli(at::full({3}, 0.3)), 1);
  EXPECT_FALSE(coins.has_enumerate_support());
  EXPECT_FALSE(coins.has_rsample());
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)coins.enumerate_support(); }),
            "enumerate_support: not available for Independent: it would be a Cartesian product");
}

TEST(Independent, NamesWhatIsWrong) {
  const Normal normal(at::zeros({3}), 1);
  EXPECT_EQ(message_of<InvalidArgument>([&] { Independent(normal, 2); }),
            "reinterpreted_batch_ndims: Independent: expected 0 to 1, the number of batch "
            "dimensions of Normal(loc: [3], scale: [3]), got 2");
  EXPECT_EQ(
      message_of<InvalidArgument>([&] {
        (void)Independent(normal, 1).log_prob(at::tensor({0., 1., 2., 0., NAN, 2.}).view({2, 3}));
      }),
      "value: Independent(Normal(loc: [3], scale: [3]), 1): expected a real number, got [0, "
      "nan, 2] at [1]");
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { (void)Independent(normal, 1).log_prob(at::zeros({1})); }),
      "value: Independent(Normal(loc: [3], scale: [3]), 1): expected a shape that broadcasts "
      "with [3], got [1]");
}

}  // namespace
}  // namespace partita::distributions
