// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/vae/vae.hpp"

#include <ATen/ATen.h>
#include <gtest/gtest.h>

#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "partita/learn/distributions/kl.hpp"
#include "partita/learn/distributions/multivariate_normal.hpp"
#include "partita/learn/estimators/elbo.hpp"
#include "partita/learn/estimators/pathwise.hpp"
#include "partita/learn/estimators/rebar.hpp"
#include "partita/learn/estimators/relaxation.hpp"
#include "partita/learn/estimators/score_function.hpp"
#include "partita/learn/estimators/unordered_set.hpp"
#include "partita/learn/vae/vae_training.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "temporary_directory.hpp"

namespace partita::vae {
namespace {

using distributions::MultivariateNormal;
using estimators::Estimator;
using estimators::Pathwise;
using partita::testing::message_of;
using partita::testing::TemporaryDirectory;

constexpr Stream kStream{.seed = 1};

/// x = W z + b + s e with orthogonal columns of W, as a Vae without hidden layers: its posterior is
/// a diagonal Gaussian with mean (W'W + s^2 I)^-1 W' (x - b), so that the encoder can be exact.
struct LinearGaussian {
  std::shared_ptr<Vae> vae = std::make_shared<Vae>(
      VaeOptions{.inputs = 4, .hidden = {}, .latent_dim = 2, .decoder = Decoder::gaussian},
      kStream);
  Tensor w = at::tensor({1., 0.5, 1., -0.5, -1., 0.5, 1., 0.5}, at::kDouble).view({4, 2});
  Tensor b = at::tensor({0.2, -0.1, 0., 1.}, at::kDouble);
  double s = 0.6;
  Tensor x = at::tensor({0.5, 1., -2., 0., 3., 0.1, -0.7, 1.}, at::kDouble).view({2, 4});

  LinearGaussian() {
    vae->to(at::kDouble);
    const at::NoGradGuard no_grad;
    auto named = vae->named_parameters();
    named["decoder.0.weight"].copy_(w);
    named["decoder.0.bias"].copy_(b);
    named["log_deviation"].fill_(std::log(s));
    const Tensor precision = w.square().sum(0) + s * s;  // times s^2
    const Tensor to_mean = w.t() / precision.unsqueeze(-1);
    named["encoder.0.weight"].copy_(at::cat({to_mean, at::zeros_like(to_mean)}));
    named["encoder.0.bias"].copy_(at::cat({-to_mean.mv(b), (s / precision.sqrt()).log()}));
  }

  Tensor log_evidence() const {
    const Tensor covariance = w.matmul(w.t()) + s * s * at::eye(4, at::kDouble);
    return MultivariateNormal(b, covariance).log_prob(x);
  }
};

TEST(Vae, IsExactOnALinearGaussianModel) {
  const LinearGaussian model;
  const Bounds seen = evaluate(*model.vae, model.x, kStream, {.samples = 3});
  // All importance weights are the evidence.
  EXPECT_TRUE(at::allclose(seen.bound, model.log_evidence(), 1e-10, 1e-10));
  const Bounds many = evaluate(*model.vae, model.x, kStream, {.samples = 200'000});
  EXPECT_TRUE(at::allclose(many.elbo(), model.log_evidence(), 0, 0.02)) << many.elbo();
}

TEST(Vae, BoundsTheEvidenceAndTheBoundRisesWithK) {
  const LinearGaussian model;
  {
    const at::NoGradGuard no_grad;
    model.vae->named_parameters()["encoder.0.bias"].add_(0.4);  // not the posterior any more
  }
  // Rows that repeat x, each with samples of its own.
  constexpr std::int64_t kRows = 4000;
  const Tensor x = model.x.slice(0, 0, 1).expand({kRows, 4});
  const double evidence = model.log_evidence()[0].item<double>();
  const auto mean_and_error = [&](const Tensor& v) {
    return std::pair(v.mean().item<double>(),
                     v.std().item<double>() / std::sqrt(static_cast<double>(kRows)));
  };
  const auto [elbo, elbo_error] =
      mean_and_error(evaluate(*model.vae, x, {}, {.samples = 1, .batch = 1000}).elbo());
  EXPECT_LT(elbo + kFiveSigma * elbo_error, evidence);
  double last = elbo;
  double last_error = elbo_error;
  for (const std::int64_t k : {4, 16, 64}) {
    const auto [bound, error] =
        mean_and_error(evaluate(*model.vae, x, {}, {.samples = k, .batch = 1000}).bound);
    EXPECT_GT(bound - last, kFiveSigma * std::hypot(error, last_error)) << k;
    EXPECT_LT(bound, evidence + kFiveSigma * error) << k;
    last = bound;
    last_error = error;
  }
  EXPECT_NEAR(last, evidence, 0.05);
}

TEST(Vae, AnalyticDivergenceIsTheMeanOfTheSampledOne) {
  for (const Latent latent : {Latent::gaussian, Latent::categorical}) {
    Vae vae({.inputs = 6, .hidden = {5}, .latent = latent, .latent_dim = 3, .categories = 4},
            kStream);
    const Tensor x = at::tensor({1., 0., 1., 1., 0., 1.}, at::kFloat).unsqueeze(0);
    const auto q = vae.posterior(x);
    const auto p = vae.prior();
    const Tensor z = q->sample({100'000}, Stream{2});
    const Tensor ratio = (q->log_prob(z) - p->log_prob(z)).to(at::kDouble);
    const auto exact = distributions::kl_divergence(*q, *p).item<double>();
    const double error = ratio.std().item<double>() / std::sqrt(1e5);
    EXPECT_NEAR(ratio.mean().item<double>(), exact, kFiveSigma * error);
    EXPECT_LT(4 * kFiveSigma * error, exact);
  }
}

TEST(Vae, EvaluationDoesNotDependOnItsBatch) {
  for (const Latent latent : {Latent::gaussian, Latent::categorical}) {
    Vae vae({.inputs = 12, .hidden = {8}, .latent = latent, .latent_dim = 3, .categories = 4},
            kStream);
    const Tensor x = binarize(at::full({9, 12}, 0.4), kStream);
    const auto with = [&](std::int64_t batch) {
      return evaluate(vae, x, kStream, {.samples = 700, .batch = batch});
    };
    const Bounds one = with(1);
    for (const std::int64_t batch : {4, 100}) {
      const Bounds other = with(batch);
      EXPECT_TRUE(at::allclose(one.reconstruction, other.reconstruction, 1e-5, 1e-5));
      EXPECT_TRUE(at::allclose(one.divergence, other.divergence, 1e-5, 1e-5));
      EXPECT_TRUE(at::allclose(one.bound, other.bound, 1e-5, 1e-5));
    }
  }
}

/// Images of 16 pixels of two kinds: the upper or the lower half is light.
Tensor halves(std::int64_t count) {
  const Tensor upper = (at::arange(count, at::kLong) % 2).unsqueeze(1);
  const Tensor is_upper = (at::arange(16, at::kLong) < 8).to(at::kLong).unsqueeze(0);
  return ((upper == is_upper).to(at::kLong) * 190 + 30).to(at::kByte);
}

VaeOptions small(Latent latent = Latent::gaussian) {
  return {.inputs = 16, .hidden = {16}, .latent = latent, .latent_dim = 2, .categories = 4};
}

TrainingOptions quick() {
  return {.epochs = 20, .batch = 20, .learning_rate = 1e-2, .log_every = 20};
}

struct Trained {
  std::shared_ptr<Vae> vae;
  TrainingResult result;
  double reconstruction = 0;  // mean over test images
  double kl = 0;
  double spread = 0;  // standard deviation of z over the test images
};

Trained trained(const VaeOptions& options, Estimator& estimator, const TrainingOptions& training) {
  Trained out{std::make_shared<Vae>(options, kStream), {}};
  out.result = train(out.vae, halves(400), estimator, {.seed = 3}, training);
  const Tensor x = evaluation_images(halves(200), options.decoder, Stream{9});
  const Bounds seen = evaluate(*out.vae, x, {}, {.samples = 20, .batch = 200});
  out.reconstruction = -seen.reconstruction.mean().item<double>();
  out.kl = seen.divergence.mean().item<double>();
  const at::NoGradGuard no_grad;
  out.spread = out.vae->posterior(x)->sample(Stream{5}).std(0).mean().item<double>();
  return out;
}

double value(const training::LogEntry& entry, const std::string& name) {
  for (const auto& [key, number] : entry.values) {
    if (key == name) return number;
  }
  ADD_FAILURE() << "no " << name;
  return 0;
}

// The lecture: without the regularizer images are recovered, but their codes do not form the prior;
// without reconstruction codes are the prior's whatever the image.
TEST(VaeTraining, EachAblationDoesWhatItsMissingTermPrevents) {
  const auto with = [](Objective objective) {
    Pathwise pathwise;
    TrainingOptions options = quick();
    options.objective = objective;
    return trained(small(), pathwise, options);
  };
  const Trained both = with(Objective::elbo);
  const Trained free = with(Objective::without_regularizer);
  const Trained blind = with(Objective::without_reconstruction);
  // The entropy of the pixels, and of which half is light.
  const double noise = 16 * (-220. / 255 * std::log(220. / 255) - 35. / 255 * std::log(35. / 255));
  EXPECT_LT(both.reconstruction, noise / 2 + 16 * 0.31);
  EXPECT_NEAR(both.kl, std::log(2), 0.6);
  EXPECT_NEAR(both.spread, 1, 0.2);

  EXPECT_LT(free.reconstruction, both.reconstruction);
  EXPECT_GT(free.kl, 5 * both.kl);
  EXPECT_GT(free.spread, 1.5);

  EXPECT_LT(blind.kl, 0.01);
  EXPECT_NEAR(blind.spread, 1, 0.15);
  EXPECT_GT(blind.reconstruction, both.reconstruction + 2);
}

TEST(VaeTraining, EveryEstimatorTrainsCategoricalCodes) {
  const Random random(kStream);
  const Tensor weight = (0.1 * random.normal({8}, at::kFloat)).set_requires_grad(true);
  const auto control = [&](const Tensor& z) { return z.flatten(2).tanh().matmul(weight); };
  std::vector<std::unique_ptr<Estimator>> all;
  all.push_back(std::make_unique<estimators::Concrete>());
  all.push_back(std::make_unique<estimators::StraightThroughGumbel>());
  all.push_back(std::make_unique<estimators::ScoreFunction>(estimators::ScoreFunctionOptions{
      .samples = 2, .baseline = estimators::baselines::LeaveOneOut{}}));
  all.push_back(std::make_unique<estimators::Rebar>());
  all.push_back(std::make_unique<estimators::Relax>(estimators::RelaxOptions{
      .control_variate = control, .parameters = {weight}, .temperature = 0.5}));
  all.push_back(std::make_unique<estimators::UnorderedSet>());
  for (const auto& estimator : all) {
    const std::vector<Tensor> before = [&] {
      std::vector<Tensor> copies;
      for (const Tensor& each : estimator->parameters()) copies.push_back(each.detach().clone());
      return copies;
    }();
    const Trained got = trained(small(Latent::categorical), *estimator, quick());
    const auto& history = got.result.loop.history;
    EXPECT_LT(value(history.back(), "loss"), value(history.front(), "loss") - 1)
        << estimator->name();
    EXPECT_GT(got.kl, 0.3) << estimator->name() << ": the codes tell nothing";
    for (std::size_t i = 0; i < before.size(); ++i) {
      EXPECT_FALSE(at::equal(before[i], estimator->parameters()[i])) << estimator->name();
    }
  }
}

TEST(VaeTraining, ImportanceWeightedBoundTrainsRelaxedCodes) {
  Pathwise pathwise;
  for (const bool straight_through : {false, true}) {
    TrainingOptions options = quick();
    options.objective = Objective::iwae;
    options.importance_samples = 3;
    options.relaxation = Relaxation{.straight_through = straight_through};
    options.epochs = 80;
    const Trained got = trained(small(Latent::categorical), pathwise, options);
    const auto& history = got.result.loop.history;
    EXPECT_LT(value(history.back(), "loss"), value(history.front(), "loss") - 1);
    // Codes tell of their image, less than by the ELBO: among three samples of the prior one is
    // often right, and a relaxed code that is sure costs more than log 4.
    EXPECT_GT(got.kl, 0.05);
    options.relaxation->temperature = 0;
    EXPECT_THROW(trained(small(Latent::categorical), pathwise, options), InvalidArgument);
    options.relaxation->temperature = 1;
    EXPECT_THROW(trained(small(), pathwise, options), InvalidArgument);
  }
}

TEST(VaeTraining, ImportanceWeightedBoundAndGaussianDecoderTrain) {
  Pathwise pathwise;
  TrainingOptions options = quick();
  options.objective = Objective::iwae;
  options.importance_samples = 4;
  options.binarization = Binarization::fixed;
  const auto bits = trained(small(), pathwise, options).result.loop.history;
  EXPECT_LT(value(bits.back(), "loss"), value(bits.front(), "loss") - 1);
  // The bound is above the ELBO of the same posterior.
  EXPECT_LT(value(bits.back(), "loss"),
            value(bits.back(), "reconstruction") + value(bits.back(), "kl"));

  VaeOptions grays = small();
  grays.decoder = Decoder::gaussian;
  const Trained gray = trained(grays, pathwise, quick());
  const Tensor deviation = gray.vae->named_parameters()["log_deviation"];
  EXPECT_LT(deviation.item<double>(), -1);  // it learns that there is little noise
  EXPECT_LT(gray.reconstruction, 0);        // a density above 1
}

TEST(VaeTraining, AResumedRunEndsWithTheSameWeights) {
  const TemporaryDirectory directory;
  const auto run = [&](double epochs, const std::string& checkpoint) {
    estimators::Rebar rebar;  // which has parameters of its own
    TrainingOptions options = quick();
    options.epochs = epochs;
    options.schedule = Schedule::iwae;
    options.held_out = 0.2;
    auto vae = std::make_shared<Vae>(small(Latent::categorical), kStream);
    train(vae, halves(200), rebar, {.seed = 3}, options,
          {.checkpoint = checkpoint.empty() ? "" : directory / checkpoint});
    std::vector<Tensor> weights = vae->parameters();
    for (const Tensor& each : rebar.parameters()) weights.push_back(each);
    return weights;
  };
  const auto whole = run(6, "");
  run(2.3, "half");
  const auto resumed = run(6, "half");
  ASSERT_EQ(whole.size(), resumed.size());
  for (std::size_t i = 0; i < whole.size(); ++i) EXPECT_TRUE(at::equal(whole[i], resumed[i]));
}

TEST(VaeTraining, StopsWhenHeldOutImagesGetNoBetter) {
  Pathwise pathwise;
  TrainingOptions options = quick();
  options.held_out = 0.25;
  options.patience = 2;
  options.epochs = 400;
  options.clip_norm = 5;
  const auto vae = std::make_shared<Vae>(small(), kStream);
  const auto result = train(vae, halves(200), pathwise, {.seed = 3}, options);
  EXPECT_TRUE(result.loop.stopped_early);
  EXPECT_LT(result.images, 180);
  EXPECT_GT(value(result.loop.history.back(), "held_out_kl"), 0);
}

TEST(VaeTraining, TheScheduleOfTheImportanceWeightedAutoencoders) {
  const auto factor = [](double epochs) { return schedule_factor(Schedule::iwae, epochs); };
  EXPECT_EQ(factor(0.99), 1);
  EXPECT_DOUBLE_EQ(factor(1), std::pow(10, -1 / 7.0));
  EXPECT_DOUBLE_EQ(factor(3.99), std::pow(10, -1 / 7.0));
  EXPECT_DOUBLE_EQ(factor(4), std::pow(10, -2 / 7.0));
  EXPECT_DOUBLE_EQ(factor(1092.9), std::pow(10, -6 / 7.0));
  EXPECT_DOUBLE_EQ(factor(1093), 0.1);
  EXPECT_DOUBLE_EQ(factor(3280), 0.1);
  EXPECT_EQ(schedule_factor(Schedule::constant, 100), 1);
}

TEST(VaeTraining, BitsAreOnesAsOftenAsTheirGray) {
  const Tensor images = at::arange(256, at::kLong).to(at::kByte).expand({20'000, 256});
  const Tensor bits = evaluation_images(images, Decoder::bernoulli, kStream);
  const Tensor p = at::arange(256, at::kDouble) / 255;
  const Tensor error = (bits.to(at::kDouble).mean(0) - p).abs();
  const Tensor deviation = (p * (1 - p) / 20'000).sqrt();
  EXPECT_TRUE((error <= 5.5 * deviation).all().item<bool>());
  // The bits of the first images are those of more of them.
  EXPECT_TRUE(at::equal(bits.slice(0, 0, 4500),
                        evaluation_images(images.slice(0, 0, 4500), Decoder::bernoulli, kStream)));
}

TEST(Vae, ComesBackFromAnArchive) {
  Vae vae(small(Latent::categorical), kStream);
  ArchiveWriter out("test", 1);
  write_vae(out, vae);
  const std::string bytes = out.bytes();
  ArchiveReader in = ArchiveReader::from_bytes("test", bytes, "test", 1);
  const auto back = read_vae(in);
  in.finish();
  EXPECT_EQ(back->options().categories, 4);
  for (const auto& item : vae.named_parameters()) {
    EXPECT_TRUE(at::equal(item.value(), back->named_parameters()[item.key()]));
  }
}

TEST(Vae, StartsFromTheMean) {
  Vae vae(small(), kStream);
  {
    const at::NoGradGuard no_grad;
    for (Tensor& weight : vae.parameters()) weight.zero_();
  }
  const Tensor mean = at::linspace(0.1, 0.9, 16);
  vae.start_from_mean(mean);
  EXPECT_TRUE(at::allclose(vae.likelihood(at::zeros({2}))->mean(), mean, 1e-5));
}

TEST(Vae, NamesWhatIsWrong) {
  EXPECT_THROW(Vae({.inputs = 0}, kStream), InvalidArgument);
  EXPECT_THROW(Vae({.hidden = {0}}, kStream), InvalidArgument);
  EXPECT_THROW(Vae({.latent = Latent::categorical, .categories = 1}, kStream), InvalidArgument);
  const auto vae = std::make_shared<Vae>(small(), kStream);
  EXPECT_EQ(message_of<InvalidArgument>([&] {
              evaluate(*vae, at::zeros({2, 3}), {});
            }),
            "x: expected shape [N, 16], got [2, 3]");
  EXPECT_THROW(evaluate(*vae, at::zeros({2, 16}), {}, {.samples = 0}), InvalidArgument);
  EXPECT_THROW(vae->start_from_mean(at::zeros({3})), InvalidArgument);
  Pathwise pathwise;
  const auto refused = [&](const Tensor& images, const TrainingOptions& options) {
    return message_of<InvalidArgument>([&] { train(vae, images, pathwise, {}, options); });
  };
  EXPECT_EQ(refused(at::zeros({5, 16}), {}), "images: expected uint8 [N, 16], got Float [5, 16]");
  EXPECT_EQ(refused(halves(4), {.epochs = 0}), "epochs: expected a number in (0, inf), got 0");
  EXPECT_EQ(refused(halves(4), {.patience = 1}), "patience: early stopping needs held-out images");
}

}  // namespace
}  // namespace partita::vae
