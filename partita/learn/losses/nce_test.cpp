// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/losses/nce.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>
#include <torch/optim/lbfgs.h>

#include <cmath>
#include <functional>
#include <vector>

#include "errors.hpp"
#include "output_loss_test_support.hpp"
#include "partita/base/error.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::losses {
namespace {

using partita::testing::message_of;
using testing::gradients;
using testing::integers;
using testing::largest_difference;
using testing::leaf;
using testing::SmallModel;

const std::vector<double>& weights() {
  static const std::vector<double> it = {5, 1, 2, 0.3, 1, 4, 0.7};
  return it;
}
NoiseDistribution noise() { return NoiseDistribution(weights()); }

Tensor log_q() { return noise().log_prob(at::arange(7), at::kDouble); }

/// One row, many times over.
OutputBatch copies(const Tensor& row, std::int64_t target, std::int64_t rows) {
  return {leaf(row.expand({rows, row.size(0)})), at::full({rows}, target, at::kLong)};
}

// D1: the loss's sigmoid is the posterior u / (u + k q).
TEST(NceLoss, ItsLogitIsThePosteriorOfData) {
  const SmallModel model;
  const std::int64_t k = 3;
  const Tensor s = model.batch.hidden.mm(model.output.weight.t()) + model.output.bias;
  const Tensor u = s.exp();
  const Tensor posterior = u / (u + static_cast<double>(k) * log_q().exp());
  const Tensor drawn = noise().draw({5, k}, Stream{.seed = 1});
  const Tensor expected = -posterior.gather(1, model.batch.targets.unsqueeze(1)).log().squeeze(1) -
                          (1 - posterior).gather(1, drawn).log().sum(1);
  const NceLoss nce(noise(), {.noise = k});
  EXPECT_LT(largest_difference(nce(model.batch, model.output, Stream{.seed = 1}, Reduction::none),
                               expected),
            1e-13);
}

// D2: binary cross-entropy with label 1 on the target and 0 on the noise.
TEST(NceLoss, IsBinaryCrossEntropy) {
  const SmallModel model;
  const std::int64_t k = 6;
  const Tensor words =
      at::cat({model.batch.targets.unsqueeze(1), noise().draw({5, k}, Stream{.seed = 2})}, 1);
  const Tensor s = model.batch.hidden.mm(model.output.weight.t()) + model.output.bias;
  const Tensor logits = (s - log_q() - std::log(k)).gather(1, words);
  const Tensor labels = at::zeros_like(logits).index_fill(1, integers({0}), 1);
  const auto by_entropy = [&] {
    return losses::binary_cross_entropy_with_logits(logits, labels, Reduction::sum);
  };
  const NceLoss nce(noise(), {.noise = k});
  const auto by_nce = [&] {
    return nce(model.batch, model.output, Stream{.seed = 2}, Reduction::sum);
  };
  EXPECT_NEAR(by_nce().item<double>(), by_entropy().item<double>(), 1e-13);
}

// D3: k q = 1.
TEST(NegativeSamplingLoss, IsNceWithUniformNoiseAndAsManyDrawsToTheLastBit) {
  for (const std::int64_t v : {1, 2, 3, 7, 10, 97, 1000}) {
    for (const bool shared : {false, true}) {
      const SmallModel model(20, v, 5);
      const NceLoss nce(NoiseDistribution::uniform(v), {.noise = v, .shared_noise = shared});
      const NegativeSamplingLoss negative_sampling(NoiseDistribution::uniform(v),
                                                   {.noise = v, .shared_noise = shared});
      const Stream stream{.seed = 3, .id = 4};
      EXPECT_TRUE(nce(model.batch, model.output, stream, Reduction::none)
                      .equal(negative_sampling(model.batch, model.output, stream, Reduction::none)))
          << v;
      const auto a =
          gradients([&] { return nce(model.batch, model.output, stream); }, model.leaves());
      const auto b = gradients([&] { return negative_sampling(model.batch, model.output, stream); },
                               model.leaves());
      for (std::size_t i = 0; i < a.size(); ++i) EXPECT_TRUE(a[i].equal(b[i])) << v;
    }
  }
}

TEST(NceLoss, ExtremeScoresStayFinite) {
  const OutputLayer output{leaf(at::tensor({1.0, -1.0}, at::kDouble).unsqueeze(1))};
  for (const double h : {1e3, -1e3, 1e30}) {
    const OutputBatch batch = copies(at::tensor({h}, at::kDouble), 0, 3);
    const NceLoss nce(NoiseDistribution::uniform(2), {.noise = 2});
    const Tensor each = nce(batch, output, Stream{}, Reduction::none);
    EXPECT_TRUE(each.isfinite().all().item<bool>()) << h;
    for (const Tensor& g :
         gradients([&] { return nce(batch, output, Stream{}); }, {batch.hidden, output.weight})) {
      EXPECT_TRUE(g.isfinite().all().item<bool>()) << h;
    }
  }
}

// The mean of many gradients is the gradient of the expectation over noise, which is a sum over V.
TEST(NceLoss, GradientsAreUnbiased) {
  constexpr std::int64_t kRows = 100'000;
  const SmallModel model(1, 7, 3);
  const Tensor row = model.batch.hidden.detach()[0];
  for (const std::int64_t k : {1, 5}) {
    for (const bool masked : {false, true}) {
      const NceLoss nce(noise(), {.noise = k, .mask_accidental_hits = masked});
      const OutputBatch batch = copies(row, 2, kRows);
      const Tensor each = nce(batch, model.output, Stream{.seed = 5}, Reduction::sum);
      const Tensor estimates = torch::autograd::grad({each}, {batch.hidden})[0];

      const auto expectation = [&](double sign) {
        const Tensor h = leaf(row);
        const Tensor delta = model.output.weight.detach().mv(h) + model.output.bias.detach() -
                             sign * (log_q() + std::log(k));
        Tensor q = log_q().exp();
        if (masked) q[2] = 0;
        const Tensor loss = -at::log_sigmoid(delta[2]) -
                            (static_cast<double>(k) * q * at::log_sigmoid(-delta)).sum();
        return torch::autograd::grad({loss}, {h})[0];
      };
      double farthest_from_wrong = 0;
      for (std::int64_t i = 0; i < 3; ++i) {
        const auto sample = to_vector(estimates.select(1, i));
        EXPECT_LT(z_score(sample, expectation(1)[i].item<double>()), kFiveSigma);
        farthest_from_wrong =
            std::max(farthest_from_wrong, z_score(sample, expectation(-1)[i].item<double>()));
      }
      EXPECT_GT(farthest_from_wrong, 2 * kFiveSigma);  // with the wrong sign of log k q
    }
  }
}

TEST(NceLoss, SharedNoiseHasTheSameMean) {
  constexpr std::uint64_t kRuns = 4000;
  const SmallModel model(2, 7, 3);
  const NceLoss own(noise(), {.noise = 3});
  const NceLoss shared(noise(), {.noise = 3, .shared_noise = true});
  std::vector<double> difference;
  for (std::uint64_t run = 0; run < kRuns; ++run) {
    const at::NoGradGuard no_grad;
    difference.push_back((own(model.batch, model.output, Stream{.seed = 6, .id = run}) -
                          shared(model.batch, model.output, Stream{.seed = 7, .id = run}))
                             .item<double>());
  }
  EXPECT_LT(z_score(difference, 0), kFiveSigma);
}

/// A log-linear model of seven outcomes: scores features . theta, whose log Z is to be learned.
struct LogLinear {
  Tensor features = testing::normal({7, 2}, 30, 0.8);  // [V, 2]
  Tensor theta = at::tensor({0.7, -1.1}, at::kDouble);

  Tensor scores() const { return features.mv(theta); }
  Tensor probs() const { return scores().softmax(0); }
  Tensor log_z() const { return scores().logsumexp(0); }
  /// theta, then log Z.
  Tensor parameters() const { return at::cat({theta, log_z().unsqueeze(0)}); }
};

/// Minimizes a smooth convex function of the leaves.
void minimize(const std::vector<Tensor>& leaves, const std::function<Tensor()>& loss) {
  torch::optim::LBFGS optimizer(leaves, torch::optim::LBFGSOptions(1)
                                            .max_iter(200)
                                            .tolerance_grad(1e-9)
                                            .tolerance_change(1e-13)
                                            .line_search_fn("strong_wolfe"));
  optimizer.step([&] {
    optimizer.zero_grad();
    const Tensor value = loss();
    value.backward();
    return value;
  });
}

/// (theta, log Z) fitted by NCE to targets, [3].
Tensor fit_nce(const LogLinear& model, const Tensor& targets, std::int64_t k,
               const Stream& stream) {
  const Tensor theta = leaf(at::zeros({2}, at::kDouble));
  const Tensor log_z = leaf(at::zeros({}, at::kDouble));
  const NceLoss nce(noise(), {.noise = k, .log_z = log_z});
  minimize({theta, log_z}, [&] {
    return nce({theta.expand({targets.size(0), 2}), targets}, {model.features}, stream);
  });
  return at::cat({theta, log_z.unsqueeze(0)}).detach();
}

Tensor fit_maximum_likelihood(const LogLinear& model, const Tensor& targets) {
  const Tensor theta = leaf(at::zeros({2}, at::kDouble));
  minimize({theta}, [&] {
    return FullSoftmaxLoss()({theta.expand({targets.size(0), 2}), targets}, {model.features},
                             Stream{});
  });
  return theta.detach();
}

/// sum_w weight(w) x_w x_w^T.
Tensor outer_products(const Tensor& weight, const Tensor& x) {
  return (weight.unsqueeze(1) * x).t().mm(x);
}

/// The covariance of sqrt(n) (estimate - truth), by enumeration: H^-1 S H^-1, where H is the
/// expected Hessian and S the covariance of a row's gradient (Gutmann and Hyvarinen 2012, theorem
/// 3).
Tensor asymptotic_covariance(const LogLinear& model, std::int64_t k) {
  const Tensor x = at::cat({model.features, at::full({7, 1}, -1.0, at::kDouble)}, 1);
  const Tensor p = model.probs();
  const Tensor kq = static_cast<double>(k) * log_q().exp();
  const Tensor posterior = p / (p + kq);
  const Tensor hessian = outer_products((p + kq) * posterior * (1 - posterior), x);
  const Tensor data_mean = x.t().mv(p * (1 - posterior));
  const Tensor noise_mean = x.t().mv(kq * posterior) / static_cast<double>(k);
  const Tensor gradient = outer_products(p * (1 - posterior).square(), x) -
                          at::outer(data_mean, data_mean) +
                          outer_products(kq * posterior.square(), x) -
                          static_cast<double>(k) * at::outer(noise_mean, noise_mean);
  const Tensor inverse = hessian.inverse();
  return inverse.mm(gradient).mm(inverse);
}

TEST(NceLoss, RecoversParametersAndZWithinTheirStandardErrors) {
  constexpr std::int64_t kRows = 4000;
  constexpr std::uint64_t kRuns = 40;
  const LogLinear model;
  for (const std::int64_t k : {1, 10}) {
    const Tensor precision =
        (asymptotic_covariance(model, k) / static_cast<double>(kRows)).inverse();
    double statistic = 0;  // chi-square of 3 degrees of freedom a run
    for (std::uint64_t run = 0; run < kRuns; ++run) {
      const Tensor targets = testing::sample_categories(model.probs(), kRows, 100 * run + 1);
      const Tensor off = fit_nce(model, targets, k, {.seed = 40, .id = run}) - model.parameters();
      statistic += off.dot(precision.mv(off)).item<double>();
    }
    const double above = gamma_q(3 * kRuns / 2.0, statistic / 2);
    EXPECT_GT(above, kFalseAlarm) << k << ": " << statistic;      // no bias, no larger errors
    EXPECT_LT(above, 1 - kFalseAlarm) << k << ": " << statistic;  // and no smaller ones
  }
}

TEST(NceLoss, ApproachesMaximumLikelihoodAsKGrows) {
  const LogLinear model;
  const Tensor targets = testing::sample_categories(model.probs(), 2000, 77);
  const Tensor best = fit_maximum_likelihood(model, targets);
  const auto distance = [&](std::int64_t k) {
    const Tensor theta = fit_nce(model, targets, k, {.seed = 50}).narrow(0, 0, 2);
    return (theta - best).norm().item<double>();
  };
  const double far = distance(1);
  const double near = distance(1000);
  // Its variance exceeds that of maximum likelihood by a part that falls as 1 / k.
  EXPECT_GT(far, 8 * near);
  EXPECT_LT(near, 0.005);
}

TEST(NceLoss, RefusesWhatDoesNotFit) {
  const SmallModel model;
  const auto refusal = [&](const std::function<void()>& action) {
    return message_of<InvalidArgument>(action);
  };
  EXPECT_EQ(refusal([] { NceLoss(noise(), {.noise = 0}); }),
            "noise: expected 1 or more (draws), got 0");
  EXPECT_EQ(refusal([] { NegativeSamplingLoss(noise(), {.noise = -1}); }),
            "noise: expected 1 or more (draws), got -1");
  EXPECT_EQ(refusal([] {
              NceLoss(noise(), {.log_z = at::zeros({2, 2})});
            }),
            "log_z: expected one number, or [C] for C contexts, got [2, 2]");
  EXPECT_EQ(
      refusal([&] { NceLoss(NoiseDistribution::uniform(6))(model.batch, model.output, Stream{}); }),
      "noise: expected 7 (categories, one for each row of weight), got 6");
  const NceLoss per_context(noise(), {.log_z = at::zeros({3}, at::kDouble)});
  EXPECT_EQ(refusal([&] { per_context(model.batch, model.output, Stream{}); }),
            "contexts: required, since log_z has one number for each context");
  EXPECT_EQ(refusal([&] {
              per_context({model.batch.hidden, model.batch.targets, integers({0, 1, 2, 3, 0})},
                          model.output, Stream{});
            }),
            "contexts: row 3: expected 0..2, got 3");
  const NceLoss impossible(NoiseDistribution(std::vector<double>{1, 1, 1, 0, 1, 1, 1}));
  EXPECT_EQ(refusal([&] { impossible(model.batch, model.output, Stream{}); }),
            "targets: row 1: category 3 has probability 0 as noise");
}

}  // namespace
}  // namespace partita::losses
