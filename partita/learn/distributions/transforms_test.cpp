// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributions/vector_transforms.hpp"

#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/test_support.hpp"

namespace partita::distributions {
namespace {

using partita::testing::message_of;
using testing::doubles;
using testing::kInfinity;

Tensor gradient(const Tensor& output, const Tensor& input) {
  return torch::autograd::grad({output}, {input}, {}, true)[0];
}

/// An elementwise transform: there and back, and its Jacobian is autograd's.
void expect_elementwise(const Transform& transform, const Tensor& values) {
  const Tensor x = values.clone().set_requires_grad(true);
  const Tensor y = transform(x);
  EXPECT_TRUE(transform.codomain().check(y).all().item<bool>()) << transform.name();
  EXPECT_TRUE(at::allclose(transform.inverse(y), x, 1e-12, 1e-13)) << transform.name();
  const Tensor slope = gradient(y.sum(), x);
  EXPECT_TRUE(at::allclose(transform.log_abs_det_jacobian(x, y), slope.abs().log(), 1e-10, 1e-12))
      << transform.name();
  EXPECT_TRUE((slope.sign() == transform.sign()).all().item<bool>()) << transform.name();
  const TransformPtr inverse = transform.inv();
  EXPECT_TRUE(at::allclose((*inverse)(y), x, 1e-12, 1e-13));
  EXPECT_TRUE(at::allclose(inverse->inverse(x), y));
  EXPECT_TRUE(
      at::allclose(inverse->log_abs_det_jacobian(y, x), -transform.log_abs_det_jacobian(x, y)));
  EXPECT_TRUE(inverse->inv()->equals(transform));
  EXPECT_FALSE(inverse->equals(transform));
}

TEST(Transforms, ElementwiseOnes) {
  const Tensor real = doubles({-7, -1.5, -0.1, 0.2, 1, 6});
  const Tensor positive = doubles({0.01, 0.5, 1, 3, 40});
  expect_elementwise(ExpTransform(), real);
  expect_elementwise(PowerTransform(2.5), positive);
  expect_elementwise(PowerTransform(-0.5), positive);
  expect_elementwise(SigmoidTransform(), real);
  expect_elementwise(TanhTransform(), doubles({-4, -0.3, 0.1, 2, 3.5}));
  expect_elementwise(AffineTransform(doubles({1}), -3.), real);
  expect_elementwise(ComposeTransform({AffineTransform(doubles({0.5}), 0.3), TanhTransform(),
                                       AffineTransform(doubles({2}), -1.5), ExpTransform()}),
                     real);
  expect_elementwise(*SigmoidTransform().inv(), doubles({0.01, 0.3, 0.9}));
}

TEST(Transforms, ExtremesAreNumbers) {
  for (const auto type : {at::kDouble, at::kFloat}) {
    const Tensor far = at::tensor({-kInfinity, -1e30, -200., 200., 1e30, kInfinity}).to(type);
    const Tensor unit = at::tensor({0., 1.}).to(type);
    const auto not_nan = [](const Tensor& x) { return !x.isnan().any().item<bool>(); };
    for (const AnyTransform& each :
         {AnyTransform(SigmoidTransform()), AnyTransform(TanhTransform())}) {
      const Transform& transform = *each.ptr();
      EXPECT_TRUE(not_nan(transform(far)));
      EXPECT_TRUE(not_nan(transform.log_abs_det_jacobian(far, transform(far))));
      EXPECT_TRUE(transform.inverse(unit).isfinite().all().item<bool>());
      EXPECT_TRUE(transform.inverse(transform(far)).isfinite().all().item<bool>());
    }
    EXPECT_TRUE(not_nan(PowerTransform(1.).log_abs_det_jacobian(unit, unit)));
    const StickBreakingTransform sticks;
    const Tensor y = sticks(far);
    EXPECT_TRUE(sticks.codomain().check(y).item<bool>());
    EXPECT_TRUE(not_nan(sticks.log_abs_det_jacobian(far, y)));
    EXPECT_TRUE(sticks.inverse(y).isfinite().all().item<bool>());
    EXPECT_TRUE(sticks.inverse(at::eye(5, at::TensorOptions(type))).isfinite().all().item<bool>());
  }
  // 1 - tanh(x)^2 = 4 e^-2x to rounding; the difference itself is 0 in double.
  EXPECT_DOUBLE_EQ(TanhTransform().log_abs_det_jacobian(doubles({50}), doubles({1})).item<double>(),
                   2 * std::log(2) - 100);
}

TEST(Transforms, StickBreaking) {
  const StickBreakingTransform sticks;
  EXPECT_TRUE(at::allclose(sticks(at::zeros({3}, at::kDouble)), at::full({4}, 0.25, at::kDouble)));
  const Tensor x = doubles({0.5, -2, 1.5}).set_requires_grad(true);
  const Tensor y = sticks(x);
  EXPECT_NEAR(y.sum().item<double>(), 1, 1e-15);
  EXPECT_TRUE(at::allclose(sticks.inverse(y), x, 1e-13));
  std::vector<Tensor> rows;
  for (int i = 0; i < 3; ++i) rows.push_back(gradient(y[i], x));
  EXPECT_NEAR(sticks.log_abs_det_jacobian(x, y).item<double>(),
              at::stack(rows).det().abs().log().item<double>(), 1e-13);
  EXPECT_EQ(sticks.forward_shape({5, 3}), (Shape{5, 4}));
  EXPECT_EQ(sticks.inverse_shape({5, 4}), (Shape{5, 3}));
  // Small remainders keep their digits: 1 minus the sum of the others would not.
  const Tensor thin = doubles({1, 1e-30, 3e-30});
  EXPECT_TRUE(at::allclose(sticks(sticks.inverse(thin)), thin, 1e-12, 0));
}

TEST(Transforms, ThoseWithoutInverse) {
  const Tensor x = doubles({0.5, -2, 1.5});
  const Tensor p = SoftmaxTransform()(x);
  EXPECT_TRUE(at::allclose(p, at::softmax(x, -1)));
  EXPECT_TRUE(at::allclose(SoftmaxTransform()(SoftmaxTransform().inverse(p)), p));
  EXPECT_TRUE(AbsTransform()(x).equal(x.abs()));
  EXPECT_TRUE(AbsTransform().inverse(x.abs()).equal(x.abs()));

  const Tensor matrix = doubles({0.5, 9, -2, 1.5}).view({2, 2});
  const LowerCholeskyTransform cholesky;
  const Tensor lower = cholesky(matrix);
  EXPECT_TRUE(at::allclose(lower, doubles({std::exp(0.5), 0, -2, std::exp(1.5)}).view({2, 2})));
  EXPECT_TRUE(cholesky.codomain().check(lower).item<bool>());
  EXPECT_TRUE(at::allclose(cholesky(cholesky.inverse(lower)), lower));

  EXPECT_EQ(message_of<InvalidArgument>([&] { (void)AbsTransform().sign(); }),
            "sign: not available for AbsTransform");
  EXPECT_EQ(
      message_of<InvalidArgument>([&] { (void)SoftmaxTransform().log_abs_det_jacobian(x, p); }),
      "log_abs_det_jacobian: not available for SoftmaxTransform");
  EXPECT_FALSE(ComposeTransform({ExpTransform(), AbsTransform()}).bijective());
}

TEST(Transforms, EventDimensions) {
  const Tensor x = at::linspace(-1, 1, 12, at::kDouble).view({3, 4});
  const AffineTransform vectors(doubles({1}), 2., 1);
  EXPECT_EQ(vectors.domain().event_dim, 1);
  EXPECT_TRUE(at::allclose(vectors.log_abs_det_jacobian(x, vectors(x)),
                           at::full({3}, 4 * std::log(2), at::kDouble)));
  const IndependentTransform independent(ExpTransform(), 1);
  EXPECT_TRUE(at::allclose(independent.log_abs_det_jacobian(x, independent(x)), x.sum(-1)));
  // Exp acts on numbers, StickBreaking on vectors: together on vectors.
  const ComposeTransform both({AffineTransform(doubles({0}), 0.5), StickBreakingTransform()});
  EXPECT_EQ(both.domain().event_dim, 1);
  EXPECT_EQ(both.codomain().event_dim, 1);
  EXPECT_EQ(both.forward_shape({3, 4}), (Shape{3, 5}));
  EXPECT_EQ(both.inverse_shape({3, 5}), (Shape{3, 4}));
  EXPECT_TRUE(at::allclose(
      both.log_abs_det_jacobian(x, both(x)),
      StickBreakingTransform().log_abs_det_jacobian(x / 2, both(x)) + 4 * std::log(0.5)));
  const ComposeTransform identity({});
  EXPECT_TRUE(identity(x).equal(x));
  EXPECT_TRUE(identity.log_abs_det_jacobian(x, x).equal(at::zeros_like(x)));
}

TEST(Transforms, EqualIfOfTheSameKindAndParameters) {
  EXPECT_TRUE(ExpTransform().equals(ExpTransform()));
  EXPECT_FALSE(ExpTransform().equals(SigmoidTransform()));
  EXPECT_TRUE(AffineTransform(1, 2).equals(AffineTransform(1, 2)));
  EXPECT_FALSE(AffineTransform(1, 2).equals(AffineTransform(1, 3)));
  EXPECT_FALSE(PowerTransform(2).equals(PowerTransform(3)));
  EXPECT_TRUE(ComposeTransform({ExpTransform(), PowerTransform(2)})
                  .equals(ComposeTransform({ExpTransform(), PowerTransform(2)})));
  EXPECT_FALSE(ComposeTransform({ExpTransform()}).equals(ComposeTransform({})));
  EXPECT_FALSE(
      IndependentTransform(ExpTransform(), 1).equals(IndependentTransform(ExpTransform(), 2)));
}

TEST(Transforms, NumbersKeepTheirDigitsAndTheTypeOfValues) {
  EXPECT_EQ(AffineTransform(0.1, 0.3)(doubles({1})).item<double>(), 0.1 + 0.3);
  EXPECT_EQ(AffineTransform(0.1, 0.3)(at::ones({}, at::kFloat)).scalar_type(), at::kFloat);
  EXPECT_EQ(PowerTransform(0.3)(at::ones({}, at::kFloat)).scalar_type(), at::kFloat);
}

TEST(Transforms, NameWhatIsWrong) {
  EXPECT_EQ(message_of<InvalidArgument>([] { AffineTransform(0, 0); }),
            "scale: AffineTransform: expected a number other than 0, got 0");
  EXPECT_EQ(message_of<InvalidArgument>([] { PowerTransform(0); }),
            "exponent: PowerTransform: expected a number other than 0, got 0");
}

}  // namespace
}  // namespace partita::distributions
