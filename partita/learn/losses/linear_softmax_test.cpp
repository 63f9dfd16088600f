// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/linear_softmax.hpp"

#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <limits>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/learn/rows.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using ::testing::HasSubstr;

struct LinearExample {
  Tensor hidden, weight, bias, targets;

  LinearExample(std::int64_t n, std::int64_t v, std::int64_t d, at::ScalarType type = at::kFloat) {
    at::manual_seed(3);
    const auto leaf = [&](const Tensor& t) { return t.to(type).requires_grad_(); };
    hidden = leaf(at::randn({n, d}));
    weight = leaf(at::randn({v, d}) * 0.4);
    bias = leaf(at::randn({v}));
    targets = at::randint(v, {n}, at::kLong);
    targets[1] = -100;
  }
  OutputLayer output() const { return {weight, bias}; }

  /// The same in double, with gradients of its own.
  LinearExample wide() const {
    LinearExample out = *this;
    for (Tensor* t : {&out.hidden, &out.weight, &out.bias}) {
      *t = t->detach().to(at::kDouble).requires_grad_();
    }
    return out;
  }
  Tensor logits(double cap) const {
    const Tensor z = at::addmm(bias, hidden, weight.t());
    return cap > 0 ? cap * at::tanh(z / cap) : z;
  }
};

void expect_same_gradients(const LinearExample& x, const LinearExample& reference,
                           double tolerance) {
  for (const auto& [own, other] : {std::pair{x.hidden, reference.hidden},
                                   {x.weight, reference.weight},
                                   {x.bias, reference.bias}}) {
    ASSERT_EQ(own.grad().scalar_type(), own.scalar_type());
    const double scale = other.grad().abs().max().item<double>();
    EXPECT_LT((own.grad().to(at::kDouble) - other.grad()).abs().max().item<double>(),
              tolerance * scale);
  }
}

TEST(LinearCrossEntropy, IsThatOfTheLogits) {
  const Tensor row_weights = at::linspace(0.5, 2, 9);
  for (const double smoothing : {0.0, 0.1}) {
    for (const double z_loss : {0.0, 1e-2}) {
      for (const double cap : {0.0, 3.0}) {
        for (const bool weighted : {false, true}) {
          const LinearExample x(9, 700, 5);
          const Tensor loss =
              linear_cross_entropy(x.hidden, x.output(), x.targets,
                                   {.label_smoothing = smoothing,
                                    .z_loss = z_loss,
                                    .row_weights = weighted ? row_weights : Tensor(),
                                    .soft_cap = cap});
          loss.backward();
          const LinearExample wide = x.wide();
          const Tensor z = wide.logits(cap);
          const Tensor kept = x.targets != -100;
          const Tensor w =
              (weighted ? row_weights.to(at::kDouble) : at::ones({9}, at::kDouble)) * kept;
          Tensor each =
              at::cross_entropy_loss(z, x.targets, {}, at::Reduction::None, -100, smoothing);
          each = (each + z_loss * z.logsumexp(-1).square()) * w;
          const Tensor expected = each.sum() / w.sum();
          expected.backward();
          EXPECT_NEAR(loss.item<double>(), expected.item<double>(), 2e-6);
          expect_same_gradients(x, wide, 1e-5);
        }
      }
    }
  }
}

TEST(LinearCrossEntropy, OfHalfPrecision) {
  for (const at::ScalarType type : {at::kBFloat16, at::kHalf}) {
    const LinearExample x(9, 600, 16, type);
    linear_cross_entropy(x.hidden, x.output(), x.targets, {.reduction = Reduction::sum}).backward();
    const LinearExample wide = x.wide();
    at::cross_entropy_loss(wide.logits(0), x.targets, {}, at::Reduction::Sum).backward();
    expect_same_gradients(x, wide, type == at::kHalf ? 1e-3 : 8e-3);
  }
}

TEST(LinearSoftmaxTensors, AnyFunctionOfThemHasGradients) {
  const LinearExample x(6, 600, 4);
  const auto s = linear_softmax(x.hidden, x.output(), x.targets, {.entropy = true});
  const Tensor advantage = at::linspace(-1, 1, 6);
  (s.log_prob * advantage + 0.3 * s.entropy.square()).sum().backward();
  const LinearExample wide = x.wide();
  const Tensor log_p = wide.logits(0).log_softmax(-1);
  const Tensor entropy = -(log_p.exp() * log_p).sum(-1);
  const Tensor kept = x.targets != -100;
  const Tensor of_target =
      log_p.gather(-1, x.targets.clamp_min(0).unsqueeze(-1)).squeeze(-1) * kept;
  (of_target * advantage + 0.3 * entropy.square()).sum().backward();
  EXPECT_TRUE(at::allclose(s.entropy.to(at::kDouble), entropy, 0, 1e-5));
  EXPECT_TRUE(at::allclose(s.log_prob.to(at::kDouble), of_target, 0, 1e-5));
  expect_same_gradients(x, wide, 1e-5);

  const LinearExample only_hidden(6, 600, 4);
  const OutputLayer fixed{only_hidden.weight.detach(), {}};
  linear_softmax(only_hidden.hidden, fixed, x.targets).log_prob.sum().backward();
  EXPECT_TRUE(only_hidden.hidden.grad().defined());
  EXPECT_FALSE(only_hidden.weight.grad().defined());
}

TEST(LinearSoftmaxTensors, HaveNoSecondDerivatives) {
  const LinearExample x(6, 600, 4);
  const Tensor loss = linear_cross_entropy(x.hidden, x.output(), x.targets);
  EXPECT_THAT(message_of<Error>([&] {
                (void)torch::autograd::grad({loss}, {x.hidden}, {}, true, /*create_graph=*/true);
              }),
              HasSubstr("no second derivatives"));
}

TEST(LinearGumbelTopK, HasTheLogProbabilitiesOfTheLogits) {
  const LinearExample x(5, 1500, 8);
  const Stream stream{.seed = 4};
  const TopKSample s = linear_gumbel_top_k(x.hidden, x.output(), 3, stream);
  const Tensor log_p = x.wide().logits(0).log_softmax(-1);
  for (std::size_t i = 0; i < s.indices.size(); ++i) {
    EXPECT_NEAR(s.log_prob[i], log_p[static_cast<std::int64_t>(i / 3)][s.indices[i]].item<double>(),
                1e-5);
  }
}

TEST(LinearSoftmaxTensors, SayWhatDoesNotFit) {
  const LinearExample x(4, 10, 3);
  const auto refusal = [&](const Tensor& hidden, const OutputLayer& output, const Tensor& targets) {
    return message_of<InvalidArgument>([&] { (void)linear_softmax(hidden, output, targets); });
  };
  const LinearExample wide = x.wide();
  EXPECT_THAT(refusal(wide.hidden, wide.output(), x.targets),
              HasSubstr("weight: expected float, bfloat16 or half [V, d] on the CPU, got Double"));
  EXPECT_THAT(refusal(x.hidden.narrow(1, 0, 2), x.output(), x.targets), HasSubstr("hidden: "));
  EXPECT_THAT(refusal(x.hidden, x.output(), x.targets.narrow(0, 0, 3)), HasSubstr("targets: "));
  EXPECT_THAT(refusal(x.hidden, x.output(), x.targets + 20), HasSubstr("targets"));
  EXPECT_THAT(refusal(x.hidden, {x.weight, x.bias.narrow(0, 0, 5)}, x.targets),
              HasSubstr("bias: "));
}

}  // namespace
}  // namespace partita::losses
