// SPDX-License-Identifier: Apache-2.0
// The transforms of parts and matrices, caching, and the transforms to constraints. Values:
// Python's torch.distributions 1.13.
#include "partita/learn/distributions/transform_to.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::number;

/// log |det| of the map from x [n] to the n entries of y that it is said to be of, by autograd.
double log_det(const Transform& transform, const Tensor& x,
               const std::function<Tensor(const Tensor&)>& entries) {
  const Tensor leaf = x.clone().set_requires_grad(true);
  const Tensor y = entries(transform(leaf));
  std::vector<Tensor> rows;
  for (std::int64_t i = 0; i < y.numel(); ++i) {
    rows.push_back(torch::autograd::grad({y[i]}, {leaf}, {}, true)[0].flatten());
  }
  return std::get<1>(at::linalg_slogdet(at::stack(rows))).item<double>();
}

TEST(CorrCholeskyTransform, IsPythons) {
  const CorrCholeskyTransform t;
  const Tensor x = doubles({0.3, -1.2, 0.8});
  const Tensor y = t(x);
  // CorrCholeskyTransform()(tensor([.3, -1.2, .8])), and its log_abs_det_jacobian
  const Tensor expected = doubles({1, 0, 0, 0.2913126124515909, 0.9566279119002483, 0,
                                   -0.8336546070121552, 0.36673831415055014, 0.41294431239747265})
                              .view({3, 3});
  EXPECT_TRUE(at::allclose(y, expected, 1e-14));
  EXPECT_NEAR(t.log_abs_det_jacobian(x, y).item<double>(), -2.451255575290681, 1e-13);
  EXPECT_TRUE(constraints::corr_cholesky().check(y).item<bool>());
  EXPECT_TRUE(at::allclose(t.inverse(y), x, 1e-12));
  EXPECT_NEAR(t.log_abs_det_jacobian(x, y).item<double>(),
              log_det(t, x,
                      [](const Tensor& m) {
                        return at::stack({m[1][0], m[2][0], m[2][1]});
                      }),
              1e-12);
  EXPECT_EQ(t.forward_shape({5, 6}), Shape({5, 4, 4}));
  EXPECT_EQ(t.inverse_shape({5, 4, 4}), Shape({5, 6}));
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { (void)t.forward_shape({4}); }),
      "shape: CorrCholeskyTransform: expected vectors of D (D - 1) / 2 numbers for a matrix of D "
      "rows, got 4");
  // At the boundary nothing is NaN, and there and back keeps what is left of the digits.
  const Tensor far = doubles({20, -300, 5});
  EXPECT_TRUE(t.inverse(t(far)).isfinite().all().item<bool>());
  EXPECT_TRUE(t.log_abs_det_jacobian(far, t(far)).isfinite().item<bool>());
}

TEST(SoftplusTransform, KeepsItsDigits) {
  const SoftplusTransform t;
  const Tensor x = doubles({-600, -30, -1, 0, 1, 25, 800}).set_requires_grad(true);
  const Tensor y = t(x);
  EXPECT_TRUE(at::allclose(t.inverse(y), x, 1e-13, 1e-13));
  const Tensor slope = torch::autograd::grad({y.sum()}, {x})[0];
  EXPECT_TRUE(at::allclose(t.log_abs_det_jacobian(x, y).exp(), slope, 1e-12, 0));
  EXPECT_NEAR(y[5].item<double>() / 25.00000000001388794386, 1, 1e-15);
}

TEST(PositiveDefiniteTransform, ThereAndBack) {
  const PositiveDefiniteTransform t;
  const Tensor x = doubles({0.3, 0, -1.2, 0.8}).view({2, 2});
  const Tensor y = t(x);
  EXPECT_TRUE(t.codomain().check(y).item<bool>());
  EXPECT_TRUE(at::allclose(t.inverse(y), x, 1e-12));
}

TEST(ReshapeTransform, ChangesNothingElse) {
  const ReshapeTransform t({6}, {2, 3});
  const Tensor x = at::arange(12, at::kDouble).view({2, 6});
  EXPECT_EQ(t(x).sizes(), IntArrayRef({2, 2, 3}));
  EXPECT_TRUE(t.inverse(t(x)).equal(x));
  EXPECT_EQ(t.log_abs_det_jacobian(x, t(x)).sizes(), IntArrayRef({2}));
  EXPECT_EQ(
      message_of<InvalidArgument>([] { ReshapeTransform({6}, {4}); }),
      "in_shape, out_shape: ReshapeTransform: expected as many entries in both, got [6] and [4]");
  const TransformedDistribution q(Normal(at::zeros({5, 6}), 1), {t});
  EXPECT_EQ(q.batch_shape(), IntArrayRef({5}));
  EXPECT_EQ(q.event_shape(), IntArrayRef({2, 3}));
  EXPECT_EQ(q.log_prob(q.sample(Stream{})).sizes(), IntArrayRef({5}));
}

TEST(CatTransform, EachOnItsStretch) {
  const CatTransform t({ExpTransform(), AffineTransform(1, 2), identity_transform()}, -1,
                       {2, 1, 2});
  const Tensor x = doubles({0, 1, 2, 3, 4});
  const Tensor y = t(x);
  EXPECT_TRUE(at::allclose(y, doubles({1, std::exp(1), 5, 3, 4})));
  EXPECT_TRUE(at::allclose(t.inverse(y), x));
  EXPECT_TRUE(at::allclose(t.log_abs_det_jacobian(x, y), doubles({0, 1, std::log(2), 0, 0})));
  EXPECT_TRUE(t.codomain().check(y).all().item<bool>());
  EXPECT_TRUE(t.equals(t));
  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)t(at::zeros({4})); }),
            "x: CatTransform: expected 5 along dimension -1, got [4]");
}

TEST(StackTransform, EachOnItsIndex) {
  const StackTransform t({ExpTransform(), AffineTransform(0, -3)}, 0);
  const Tensor x = doubles({0, 1, 2, 3}).view({2, 2});
  const Tensor y = t(x);
  EXPECT_TRUE(at::allclose(y, doubles({1, std::exp(1), -6, -9}).view({2, 2})));
  EXPECT_TRUE(at::allclose(t.inverse(y), x));
  EXPECT_TRUE(at::allclose(t.log_abs_det_jacobian(x, y),
                           doubles({0, 1, std::log(3), std::log(3)}).view({2, 2})));
}

TEST(CumulativeDistributionTransform, MakesUniform) {
  const Gamma gamma(number(0.7), number(2));
  const CumulativeDistributionTransform t(gamma);
  const Tensor x = gamma.sample({100'000}, Stream{.seed = 4});
  EXPECT_GT(testing::ks_p_value(Uniform(number(0), 1), t(x)), kFalseAlarm);
  const Tensor few = doubles({0.01, 0.3, 4});
  EXPECT_TRUE(at::allclose(t.inverse(t(few)), few, 1e-10));
  EXPECT_TRUE(at::allclose(t.log_abs_det_jacobian(few, t(few)), gamma.log_prob(few)));
  // A normal variable made gamma.
  const TransformedDistribution q(Normal(number(0), 1),
                                  {CumulativeDistributionTransform(Normal(number(0), 1)), t.inv()});
  EXPECT_TRUE(at::allclose(q.log_prob(few), gamma.log_prob(few), 1e-8));
  EXPECT_EQ(message_of<InvalidArgument>([] { CumulativeDistributionTransform(Poisson(2)); }),
            "distribution: CumulativeDistributionTransform: expected a univariate continuous "
            "distribution, got Poisson(rate: 2)");
}

TEST(Cache, RemembersTheLastPair) {
  const TransformPtr t = SigmoidTransform().with_cache();
  const Tensor x = doubles({60, -800}).set_requires_grad(true);  // sigmoid rounds or underflows
  const Tensor y = (*t)(x);
  EXPECT_TRUE(t->inverse(y).is_same(x));
  EXPECT_TRUE((*t)(x).is_same(y));
  EXPECT_FALSE(t->inverse(y.clone()).is_same(x));
  EXPECT_FALSE(SigmoidTransform().inverse(y).equal(x));
  EXPECT_TRUE(t->inv()->inverse(x).sizes() == x.sizes());
  const Tensor moved = doubles({1, 2});
  const Tensor before = (*t)(moved);
  moved.add_(1);
  EXPECT_FALSE((*t)(moved).is_same(before));
}

TEST(TransformTo, ReachesEveryConstraint) {
  const Tensor lower = doubles({-1, 2});
  const Constraint every[] = {
      constraints::real(),
      constraints::positive(),
      constraints::nonnegative(),
      constraints::unit_interval(),
      constraints::greater_than(lower, "lower"),
      constraints::greater_than_eq(lower, "lower"),
      constraints::less_than(lower, "upper"),
      constraints::interval(lower, lower + 3, "[lower, upper]"),
      constraints::half_open_interval(lower, lower + 3, "[lower, upper)"),
      constraints::real_vector(),
      constraints::independent(constraints::positive(), 1),
      constraints::simplex(),
      constraints::independent(constraints::simplex(), 1),
      constraints::cat({constraints::positive(), constraints::unit_interval()}, -1),
      constraints::stack({constraints::positive(), constraints::unit_interval()}, -1)};
  for (const Constraint& constraint : every) {
    for (const auto& to : {transform_to, biject_to}) {
      const TransformPtr t = to(constraint);
      const Tensor x = at::randn({3, 2, 2}, testing::torch_generator(1), at::kDouble);
      const Tensor y = (*t)(x);
      EXPECT_TRUE(constraint.check(y).all().item<bool>()) << constraint.description;
      EXPECT_EQ(t->codomain().event_dim, constraint.event_dim) << constraint.description;
      EXPECT_TRUE(constraint.check((*t)(t->inverse(y))).all().item<bool>());
      if (!t->bijective()) continue;
      EXPECT_TRUE(at::allclose(t->inverse(y), x, 1e-9, 1e-9)) << constraint.description;
      EXPECT_EQ(t->log_abs_det_jacobian(x, y).dim(), x.dim() - t->domain().event_dim);
    }
  }
  EXPECT_TRUE(biject_to(constraints::simplex())->bijective());
  for (const Constraint& constraint :
       {constraints::lower_cholesky(), constraints::positive_definite()}) {
    const Tensor y = (*transform_to(constraint))(at::randn({3, 2, 2}, testing::torch_generator(2)));
    EXPECT_TRUE(constraint.check(y).all().item<bool>());
    EXPECT_THROW(biject_to(constraint), InvalidArgument);
  }
  const Tensor l = (*biject_to(constraints::corr_cholesky()))(doubles({0.3, -2, 0.1}));
  EXPECT_TRUE(constraints::corr_cholesky().check(l).item<bool>());
  EXPECT_EQ(message_of<InvalidArgument>([] { transform_to(constraints::boolean()); }),
            "constraint: transform_to: no transform leads to 0 or 1");
}

TEST(TransformTo, ReachesTheSupports) {
  const DistributionPtr every[] = {std::make_shared<Normal>(0, 1),
                                   std::make_shared<Gamma>(2, 1),
                                   std::make_shared<Beta>(2, 1),
                                   std::make_shared<Uniform>(-1, 3),
                                   std::make_shared<Pareto>(2, 1),
                                   std::make_shared<TruncatedNormal>(0, 1, -1, 2),
                                   std::make_shared<TruncatedGumbel>(0, 1, 2),
                                   std::make_shared<GeneralizedPareto>(0, 1, 0.3),
                                   std::make_shared<GeneralizedPareto>(0, 1, -0.3)};
  for (const DistributionPtr& q : every) {
    const Tensor y = (*biject_to(q->support()))(at::tensor({-3., 0., 2.}));
    EXPECT_TRUE(q->log_prob(y).isfinite().all().item<bool>()) << q->to_string();
  }
}

TEST(Constraints, Matrices) {
  const Tensor singular = doubles({1, 1, 1, 1}).view({2, 2});
  EXPECT_TRUE(constraints::positive_semidefinite().check(singular).item<bool>());
  EXPECT_FALSE(constraints::positive_definite().check(singular).item<bool>());
  EXPECT_FALSE(constraints::positive_semidefinite().check(-singular).item<bool>());
  EXPECT_TRUE(constraints::symmetric().check(-singular).item<bool>());
  EXPECT_FALSE(constraints::square().check(at::zeros({3, 2})).item<bool>());
  EXPECT_FALSE(constraints::lower_triangular().check(singular).item<bool>());
  EXPECT_TRUE(constraints::multinomial(number(3), "n").check(doubles({1, 2, 0})).item<bool>());
  EXPECT_FALSE(constraints::multinomial(number(3), "n").check(doubles({1, 3, 0})).item<bool>());
  EXPECT_FALSE(constraints::positive_integer().check(number(0)).item<bool>());
}

}  // namespace
}  // namespace partita::distributions
