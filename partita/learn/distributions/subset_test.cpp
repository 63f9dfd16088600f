// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/subset.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/one_hot_categorical.hpp"
#include "partita/learn/distributions/plackett_luce.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;
using testing::to_vector;

/// The log-probabilities of all sets from the definition, [sets, batch].
Tensor log_softmax_over_sets(const Tensor& all, const Tensor& z) {
  return (all * z.masked_fill(z == -kInfinity, -1e300)).sum(-1).log_softmax(0);
}

TEST(Subset, EverythingIsASumOverAllSets) {
  const Tensor z = doubles({1, -2, 0.5, 3, 0, 2,  //
                            1e4, -1e4, 0, 9999, -9999, 1e4})
                       .view({2, 6});
  for (std::int64_t k = 0; k <= 6; ++k) {
    const Subset q(Logits(z), k);
    const Tensor all = q.enumerate_support();
    EXPECT_EQ(all.sizes(), IntArrayRef({all.size(0), 2, 6}));
    EXPECT_TRUE(q.support().check(all).all().item<bool>());
    const Tensor log_p = log_softmax_over_sets(all, z);
    EXPECT_TRUE(at::allclose(q.log_prob(all), log_p, 1e-13, 1e-13)) << k;
    const Tensor p = log_p.exp();
    EXPECT_TRUE(at::allclose(q.mean(), (p.unsqueeze(-1) * all).sum(0), 1e-13, 1e-13)) << k;
    EXPECT_TRUE(at::allclose(q.variance(), q.mean() * (1 - q.mean()), 1e-12, 1e-15)) << k;
    EXPECT_TRUE(at::allclose(q.entropy(), -(p * log_p).nan_to_num(0).sum(0), 1e-12, 1e-13)) << k;
    EXPECT_TRUE(at::allclose(q.log_prob(q.mode()), std::get<0>(log_p.max(0)), 1e-13, 1e-13)) << k;
    EXPECT_TRUE(at::allclose(q.log_normalizer(), (all * z).sum(-1).logsumexp(0), 1e-14, 1e-13));
  }
}

TEST(Subset, OfOneIsOneHotCategorical) {
  const Tensor z = doubles({1, -2, 0.5, 3});
  const Subset q(Logits(z), 1);
  const OneHotCategorical one(Logits{z});
  EXPECT_TRUE(at::equal(q.enumerate_support(), one.enumerate_support()));
  EXPECT_TRUE(at::allclose(q.log_prob(at::eye(4, at::kDouble)), one.logits(), 0, 1e-14));
  EXPECT_TRUE(at::allclose(q.mean(), one.mean(), 1e-14));
  EXPECT_TRUE(at::allclose(q.entropy(), one.entropy(), 1e-14));
  // And of more, not the law of a ranking's first places.
  const Tensor best = doubles({1, 0, 0, 1});
  const PlackettLuce ranking(Logits(z), 2);
  const Tensor either = ranking.log_prob(at::tensor({0, 3, 3, 0}).view({2, 2})).logsumexp(0);
  EXPECT_GT((Subset(Logits(z), 2).log_prob(best) - either).abs().item<double>(), 0.01);
}

TEST(Subset, DrawsFollowProbabilities) {
  const Tensor z = doubles({1, -kInfinity, 0.5, 3, 0, -1,  //
                            700, 0, 0.5, -700, 1, 2})
                       .view({2, 6});
  constexpr std::int64_t kDraws = 50'000;
  const Tensor digits = at::pow(2, at::arange(6, at::kDouble));
  for (const std::int64_t k : {1, 2, 4, 5}) {
    const Subset q(Logits(z), k);
    const Tensor all = q.enumerate_support();
    const Tensor p = q.log_prob(all).exp() * kDraws;
    for (const Random& random :
         {Random(Stream{.seed = 5, .id = 2}), Random(testing::torch_generator(5))}) {
      const Tensor draws = q.sample({kDraws}, random);
      for (std::int64_t row = 0; row < 2; ++row) {
        std::vector<double> expected(64);
        std::vector<double> observed(64);
        const std::vector<double> cells = to_vector((all.select(1, row) * digits).sum(-1));
        const std::vector<double> row_p = to_vector(p.select(1, row));
        for (std::size_t i = 0; i < cells.size(); ++i) {
          expected[static_cast<std::size_t>(cells[i])] = row_p[i];
        }
        for (const double cell : to_vector((draws.select(1, row) * digits).sum(-1))) {
          ++observed[static_cast<std::size_t>(cell)];
        }
        EXPECT_GT(chi_square_p_value(observed, expected), kFalseAlarm) << k << " " << row;
      }
    }
  }
}

TEST(Subset, ShapesAndPrefixes) {
  const Subset q(Logits(at::arange(12, at::kFloat).view({2, 6}).cos()), 2);
  EXPECT_EQ(q.batch_shape(), IntArrayRef({2}));
  EXPECT_EQ(q.event_shape(), IntArrayRef({6}));
  const Stream stream{.seed = 3, .id = 8};
  const Tensor draws = q.sample({64}, stream);
  EXPECT_EQ(draws.scalar_type(), at::kFloat);
  EXPECT_TRUE(at::equal(draws.slice(0, 0, 32), q.sample({32}, stream)));
  EXPECT_TRUE(at::equal(draws.view({8, 8, 2, 6}), q.sample({8, 8}, stream)));
  const DistributionPtr more = q.expand({3, 2});
  EXPECT_EQ(more->sample({5}, stream).sizes(), IntArrayRef({5, 3, 2, 6}));
  EXPECT_EQ(more->log_prob(draws[0]).sizes(), IntArrayRef({3, 2}));
  EXPECT_EQ(more->mean().sizes(), IntArrayRef({3, 2, 6}));
  EXPECT_EQ(more->entropy().sizes(), IntArrayRef({3, 2}));
  EXPECT_EQ(q.log_prob(q.enumerate_support(false)).sizes(), IntArrayRef({15, 2}));
  EXPECT_EQ(q.to_string(), "Subset(logits: [2, 6], k: 2)");
}

TEST(Subset, Gradients) {
  const Tensor z = doubles({1, -2, 0.5, 3, 0, 35,  //
                            0.1, 0.2, 0, -0.3, 0, 0})
                       .view({2, 6});
  const Tensor weights = at::arange(1, 13, at::kDouble).view({2, 6}).sin();
  for (const std::int64_t k : {1, 2, 4, 6}) {
    const auto at = [&](const auto& t) { return Subset(Logits(t[0]), k); };
    const Tensor value = Subset(Logits(z), k).sample(Stream{.seed = 4});
    testing::expect_gradient([&](const auto& t) { return at(t).log_prob(value); }, {z});
    testing::expect_gradient([&](const auto& t) { return at(t).log_normalizer(); }, {z});
    testing::expect_gradient([&](const auto& t) { return at(t).mean() * weights; }, {z});
    testing::expect_gradient([&](const auto& t) { return at(t).variance() * weights; }, {z});
    testing::expect_gradient([&](const auto& t) { return at(t).entropy(); }, {z});
    const Subset other(Logits(z.flip(-1)), k);
    testing::expect_gradient([&](const auto& t) { return kl_divergence(at(t), other); }, {z});
    testing::expect_gradient([&](const auto& t) { return kl_divergence(other, at(t)); }, {z});
  }
}

/// The Hessian of the log-normalizer is the covariance of the set.
TEST(Subset, SecondDerivativesAreCovariances) {
  const Tensor z = doubles({1, -2, 0.5, 3, 0}).set_requires_grad(true);
  const Subset q(Logits(z), 2);
  const Tensor all = q.enumerate_support();
  const Tensor p = q.log_prob(all).exp().detach();
  const Tensor centered = all - q.mean().detach();
  const Tensor covariance = at::matmul(centered.t() * p, centered);
  const Tensor first = torch::autograd::grad({q.log_normalizer()}, {z}, {}, true, true)[0];
  EXPECT_TRUE(at::allclose(first, q.mean(), 1e-14));
  for (std::int64_t i = 0; i < 5; ++i) {
    const Tensor row = torch::autograd::grad({first[i]}, {z}, {}, true)[0];
    EXPECT_TRUE(at::allclose(row, covariance[i], 1e-12, 1e-15));
  }
  // The derivative of a product of the Hessian by the vector is the Hessian, too; by the logits
  // there is none.
  const Tensor v = at::ones({5}, at::kDouble).set_requires_grad(true);
  const Tensor product = torch::autograd::grad({q.mean()}, {z}, {v}, true, true)[0];
  EXPECT_TRUE(at::allclose(torch::autograd::grad({product[3]}, {v}, {}, true)[0], covariance[3],
                           1e-12, 1e-15));
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { torch::autograd::grad({product.square().sum()}, {z}); }),
      "logits: Subset: expected at most two derivatives of log_prob, or one of mean, "
      "variance, entropy or kl_divergence; this would be one more");
}

TEST(Subset, StableOverWideRanges) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const Tensor z =
        doubles({1e4, -1e4, 9999, 1e4, -kInfinity, 0, -9999, 8e3}).to(type).set_requires_grad(true);
    for (std::int64_t k = 0; k <= 7; ++k) {
      const Subset q(Logits(z), k);
      const Tensor log_p = q.log_prob(q.enumerate_support());
      EXPECT_NEAR(log_p.exp().sum().item<double>(), 1, type == at::kDouble ? 1e-12 : 1e-6);
      const Tensor finite = log_p.masked_fill(log_p == -kInfinity, 0);
      const Tensor sum = finite.sum() + q.entropy() + q.mean().square().sum();
      if (z.grad().defined()) z.mutable_grad().zero_();
      sum.backward();
      EXPECT_TRUE(z.grad().isfinite().all().item<bool>()) << k << "\n" << z.grad();
      EXPECT_EQ(z.grad()[4].item<double>(), 0);
      EXPECT_EQ(q.mean()[4].item<double>(), 0);
      EXPECT_EQ(q.mean().scalar_type(), type);
    }
    // All that is possible is certain.
    const Subset all(Logits(z), 7);
    EXPECT_EQ(all.log_prob(all.mode()).item<double>(), 0);
    EXPECT_EQ(all.entropy().item<double>(), 0);
    EXPECT_TRUE(at::equal(all.sample(Stream{}), all.mode()));
  }
}

TEST(Subset, SinglePrecisionLosesNothingToTheSums) {
  const Tensor z = (3 * Random(Stream{.seed = 7}).normal({5000}, at::kFloat)) + 100;
  const Subset narrow(Logits(z), 40);
  const Subset wide(Logits(z.to(at::kDouble)), 40);
  const Tensor sets = narrow.sample({20}, Stream{.seed = 8});
  EXPECT_TRUE(at::equal(sets.to(at::kDouble), wide.sample({20}, Stream{.seed = 8})));
  EXPECT_TRUE(at::allclose(narrow.log_prob(sets).to(at::kDouble),
                           wide.log_prob(sets.to(at::kDouble)), 1e-7));
  EXPECT_TRUE(at::allclose(narrow.mean().to(at::kDouble), wide.mean(), 1e-7, 0));
}

TEST(Subset, KlDivergence) {
  const Tensor a = doubles({1, -2, 0.5, 3, 0, -kInfinity});
  const Tensor b = doubles({0, 2, 0.5, -1, 30, 1});
  for (const std::int64_t k : {1, 3, 5}) {
    const Subset p(Logits(a), k);
    const Subset q(Logits(b), k);
    const Tensor all = p.enumerate_support();
    const Tensor log_p = p.log_prob(all);
    const Tensor terms = log_p.exp() * (log_p - q.log_prob(all));
    EXPECT_NEAR(kl_divergence(p, q).item<double>(), terms.nan_to_num(0).sum().item<double>(), 1e-12)
        << k;
    EXPECT_EQ(kl_divergence(q, p).item<double>(), kInfinity);
    EXPECT_EQ(kl_divergence(p, p).item<double>(), 0);
    EXPECT_EQ(kl_divergence(p, Subset(Logits(b), k - 1)).item<double>(), kInfinity);
  }
  EXPECT_THROW(kl_divergence(Subset(Logits(a), 2), Subset(Logits(b.slice(0, 0, 5)), 2)),
               InvalidArgument);
  EXPECT_EQ(kl_divergence(Subset(Logits(at::stack({b, b})), 2), Subset(Logits(b), 2)).sizes(),
            IntArrayRef({2}));
}

TEST(Subset, SaysWhatIsWrong) {
  const Tensor z = doubles({1, 2, -kInfinity});
  const auto message = [](const auto& f) { return message_of<InvalidArgument>(f); };
  EXPECT_EQ(message([&] { Subset(Logits(z), 4); }),
            "k: Subset: expected 0 to 3, the number of categories, got 4");
  EXPECT_EQ(message([&] { Subset(Logits(z), -1); }),
            "k: Subset: expected 0 to 3, the number of categories, got -1");
  EXPECT_EQ(message([&] { Subset(Logits(z), 3); }),
            "logits: Subset: expected logits in [-inf, +inf), 3 or more of them > -inf, got [1, 2, "
            "-inf]");
  EXPECT_EQ(message([&] {
              Subset(Logits(doubles({1, std::nan("")})), 1);
            }),
            "logits: Subset: expected logits in [-inf, +inf), 1 or more of them > -inf, got [1, "
            "nan]");
  const Subset q(Logits(z), 2);
  EXPECT_EQ(message([&] {
              q.log_prob(doubles({1, 0, 0}));
            }),
            "value: Subset(logits: [3], k: 2): expected 2 entries of 1, the others 0, got [1, 0, "
            "0]");
  EXPECT_EQ(message([&] {
              q.log_prob(doubles({1, 0.5, 0.5}));
            }),
            "value: Subset(logits: [3], k: 2): expected 2 entries of 1, the others 0, got [1, 0.5, "
            "0.5]");
  EXPECT_THROW(q.log_prob(doubles({1, 1})), InvalidArgument);
  EXPECT_EQ(Subset(Logits(z), 2, false).log_prob(doubles({1, 0, 0})).item<double>(), -kInfinity);
  const Subset large(Logits(at::zeros({40})), 20);
  EXPECT_FALSE(large.has_enumerate_support());
  EXPECT_EQ(message([&] { (void)large.enumerate_support(); }),
            "enumerate_support: not available for Subset: there are too many sets");
  EXPECT_NEAR(large.entropy().item<double>(), std::log(137846528820), 1e-5);
}

}  // namespace
}  // namespace partita::distributions
