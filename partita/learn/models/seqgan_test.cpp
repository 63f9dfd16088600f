#include "partita/learn/models/seqgan.hpp"

#include <ATen/ATen.h>
#include <ATen/Parallel.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <torch/csrc/autograd/autograd.h>

#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "statistics.hpp"
#include "temporary_directory.hpp"

namespace partita::models {
namespace {

using partita::testing::chi_square_p_value;
using partita::testing::kFalseAlarm;
using partita::testing::kFiveSigma;
using partita::testing::message_of;
using partita::testing::TemporaryDirectory;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr std::int64_t kVocabulary = 3;
constexpr std::int64_t kLength = 4;

std::shared_ptr<TokenPolicy> tiny(std::uint64_t id = 1, TokenPolicyOptions options = {}) {
  const auto network = std::make_shared<LstmLanguageModel>(
      LstmOptions{.vocabulary = kVocabulary, .dim = 4, .tied = false}, Stream{.seed = 7, .id = id});
  const at::NoGradGuard no_grad;
  for (const Tensor& weight : network->parameters()) weight.mul_(4);  // far from uniform
  return std::make_shared<TokenPolicy>(network, options);
}

/// All 81 sequences, the last element changing fastest.
Tensor all_sequences() {
  std::vector<Tensor> digits;
  const Tensor index = at::arange(81, at::kLong);
  for (std::int64_t t = 0, unit = 27; t < kLength; ++t, unit /= 3) {
    digits.push_back(at::div(index, unit, "floor").remainder(3));
  }
  return at::stack(digits, 1);
}
Tensor index_of(const Tensor& sequences) {
  return (sequences * at::tensor({27, 9, 3, 1}, at::kLong)).sum(-1);
}

/// A reward without structure, in (0, 1).
Tensor reward_table() { return Random(Stream{.seed = 8}).uniform({81}, at::kFloat); }
Tensor reward(const Tensor& sequences) {
  return reward_table().index_select(0, index_of(sequences));
}

std::vector<double> numbers(const Tensor& tensor) {
  const Tensor flat = tensor.detach().to(at::kDouble).flatten().contiguous();
  return {flat.data_ptr<double>(), flat.data_ptr<double>() + flat.numel()};
}

TEST(TokenPolicy, SamplesFollowItsProbabilities) {
  for (const double temperature : {1.0, 0.6}) {
    const auto policy = tiny(1, {.start_token = 2, .temperature = temperature});
    const Tensor probability = policy->log_prob(all_sequences()).sum(-1).exp();
    EXPECT_NEAR(probability.sum().item<double>(), 1, 1e-5);
    constexpr std::int64_t kDrawn = 20'000;
    const Tensor drawn = sample(*policy, kDrawn, kLength, {.seed = 1});
    const Tensor counts = at::bincount(index_of(drawn), {}, 81);
    EXPECT_GT(chi_square_p_value(numbers(counts), numbers(probability * kDrawn)), kFalseAlarm);
    const auto other = tiny(1, {.start_token = 2, .temperature = 0.8 * temperature});
    const Tensor wrong = other->log_prob(all_sequences()).sum(-1).exp();
    EXPECT_LT(chi_square_p_value(numbers(counts), numbers(wrong * kDrawn)), kFalseAlarm);
  }
}

TEST(TokenPolicy, NothingFollowsAnEnd) {
  const auto policy = tiny(1, {.start_token = 0, .end_token = 0});
  const Tensor y = sample(*policy, 500, kLength, {.seed = 2});
  const Tensor ended = (y == 0).to(at::kLong).cumsum(1) - (y == 0).to(at::kLong) > 0;
  EXPECT_GT(ended.sum().item<std::int64_t>(), 100);
  EXPECT_TRUE((y.masked_select(ended) == 0).all().item<bool>());
  EXPECT_TRUE((policy->log_prob(y).masked_select(ended) == 0).all().item<bool>());
  EXPECT_TRUE((policy->log_prob(y).masked_select(ended.logical_not()) < 0).all().item<bool>());
  // The probabilities of what can be drawn sum to 1.
  const Tensor all = all_sequences();
  const Tensor ends = (all == 0).to(at::kLong);
  const Tensor possible = ((ends.cumsum(1) - ends > 0) & (all != 0)).any(1).logical_not();
  EXPECT_NEAR(policy->log_prob(all).sum(-1).exp().masked_select(possible).sum().item<double>(), 1,
              1e-5);
  // NLL is a mean over what is not padding.
  const double tokens = ended.logical_not().sum().item<double>();
  EXPECT_NEAR(nll_of(*policy, y), -policy->log_prob(y).sum().item<double>() / tokens, 1e-5);
}

TEST(TokenPolicy, ADrawIsAFunctionOfItsPlace) {
  const auto policy = tiny();
  const Tensor many = sample(*policy, 300, kLength, {.seed = 3, .id = 5});
  EXPECT_TRUE(at::equal(sample(*policy, 7, kLength, {.seed = 3, .id = 5}), many.slice(0, 0, 7)));
  EXPECT_TRUE(at::equal(sample(*policy, 300, 2, {.seed = 3, .id = 5}), many.slice(1, 0, 2)));
  EXPECT_FALSE(at::equal(sample(*policy, 300, kLength, {.seed = 3, .id = 6}), many));
  const int threads = at::get_num_threads();
  at::set_num_threads(threads == 1 ? 2 : 1);
  EXPECT_TRUE(at::equal(sample(*policy, 300, kLength, {.seed = 3, .id = 5}), many));
  at::set_num_threads(threads);
}

TEST(ScheduledSampling, ReadsTheTrueTokenOrAnOwnOne) {
  const auto policy = tiny();
  const Tensor real = at::ones({4000, kLength}, at::kLong);
  const Tensor truth = policy->inputs_of(real);
  EXPECT_TRUE(at::equal(scheduled_inputs(*policy, real, 1, {.seed = 4}), truth));
  EXPECT_TRUE(at::equal(policy->log_prob(real, truth), policy->log_prob(real)));
  // Free-running, it reads what it would have drawn.
  const Tensor own = scheduled_inputs(*policy, real, 0, {.seed = 4}).slice(1, 1);
  const Tensor all = all_sequences();
  const Tensor of_three =
      policy->log_prob(all).slice(1, 0, 3).sum(-1).exp().view({27, 3}).select(1, 0);
  const Tensor at = (own * at::tensor({9, 3, 1}, at::kLong)).sum(-1);
  EXPECT_GT(chi_square_p_value(numbers(at::bincount(at, {}, 27)), numbers(of_three * 4000)),
            kFalseAlarm);
  // In between, the first token it may choose is its own with probability 1 - teacher.
  const Tensor mixed = scheduled_inputs(*policy, real, 0.7, {.seed = 4}).select(1, 1);
  const double p1 = policy->log_prob(all).select(1, 0).exp()[40].item<double>();  // 1111
  const double expected = 0.7 + 0.3 * p1;
  const double share = (mixed == 1).to(at::kDouble).mean().item<double>();
  EXPECT_NEAR(share, expected, kFiveSigma * std::sqrt(expected * (1 - expected) / 4000));
  EXPECT_THROW(scheduled_inputs(*policy, real, 1.5, {}), InvalidArgument);
}

/// E[reward | y_1 ... y_t] under the policy.
std::vector<double> exact_values(const TokenPolicy& policy, const Tensor& sequence) {
  const Tensor all = all_sequences();
  const Tensor log_prob = policy.log_prob(all).to(at::kDouble);
  std::vector<double> q;
  for (std::int64_t t = 1; t <= kLength; ++t) {
    const Tensor same = (all.slice(1, 0, t) == sequence.slice(0, 0, t)).all(1).to(at::kDouble);
    const Tensor p = log_prob.slice(1, t).sum(-1).exp() * same;  // of what follows
    EXPECT_NEAR(p.sum().item<double>(), 1, 1e-5);
    q.push_back((p * reward(all)).sum().item<double>());
  }
  return q;
}

TEST(RollOut, QIsTheEnumeratedExpectation) {
  const auto policy = tiny();
  const auto another = tiny(2);
  const Tensor y = at::tensor({0, 2, 1, 1, 2, 2, 0, 1}, at::kLong).view({2, kLength});
  constexpr std::int64_t kRollouts = 8000;
  const Tensor q = action_values(*policy, y, reward, kRollouts, {.seed = 5});
  ASSERT_THAT(q.sizes(), ElementsAre(2, kLength));
  const Tensor completed = roll_out(*policy, y, kRollouts, {.seed = 5});
  ASSERT_THAT(completed.sizes(), ElementsAre(kLength - 1, 2, kRollouts, kLength));
  int told_apart = 0;
  for (std::int64_t b = 0; b < 2; ++b) {
    const std::vector<double> exact = exact_values(*policy, y[b]);
    const std::vector<double> wrong = exact_values(*another, y[b]);
    for (std::int64_t t = 1; t < kLength; ++t) {
      const Tensor of_prefix = completed[t - 1][b];
      EXPECT_TRUE((of_prefix.slice(1, 0, t) == y[b].slice(0, 0, t)).all().item<bool>());
      const auto i = static_cast<std::size_t>(t - 1);
      const double error =
          reward(of_prefix).std().item<double>() / std::sqrt(static_cast<double>(kRollouts));
      EXPECT_NEAR(q[b][t - 1].item<double>(), exact[i], kFiveSigma * error) << b << ' ' << t;
      if (std::abs(wrong[i] - exact[i]) > 2 * kFiveSigma * error) ++told_apart;
    }
    EXPECT_FLOAT_EQ(q[b][kLength - 1].item<float>(), reward(y)[b].item<float>());
  }
  EXPECT_GE(told_apart, 3);  // another policy's Q would fail
}

TEST(RollOut, AllAtOnceIsOneByOne) {
  const auto policy = tiny();
  const Tensor y = sample(*policy, 6, kLength, {.seed = 6});
  const Tensor together = roll_out(*policy, y, 5, {.seed = 6});
  // A smaller batch has the same completions.
  EXPECT_TRUE(
      at::equal(roll_out(*policy, y.slice(0, 0, 2), 5, {.seed = 6}), together.slice(1, 0, 2)));
  // And the law is that of a plain loop: read a prefix afresh, draw the rest.
  constexpr std::int64_t kRollouts = 6000;
  const Tensor batched = roll_out(*policy, y.slice(0, 0, 1), kRollouts, {.seed = 6});
  for (std::int64_t t = 1; t < kLength; ++t) {
    SequencePolicy::State state = policy->start(kRollouts);
    std::vector<Tensor> elements;
    for (std::int64_t s = 0; s < kLength; ++s) {
      elements.push_back(s < t ? y[0][s].expand({kRollouts})
                               : policy->draw(state, element_streams({.seed = 60}, s, kRollouts)));
      policy->read(elements.back(), state);
    }
    const auto counts = [](const Tensor& sequences) {
      return at::bincount(index_of(sequences), {}, 81).to(at::kDouble);
    };
    const Tensor a = counts(batched[t - 1][0]);
    const Tensor b = counts(at::stack(elements, 1));
    // Two samples of one size: sum of (a - b)^2 / (a + b).
    const Tensor seen = (a + b) > 10;
    const double statistic = ((a - b).square() / (a + b)).masked_select(seen).sum().item<double>();
    const double cells = seen.sum().item<double>();
    EXPECT_GT(partita::testing::gamma_q((cells - 1) / 2, statistic / 2), kFalseAlarm) << t;
  }
}

/// The estimates of many batches against sum p(y) R(y) grad log p(y).
void expect_unbiased(const SequencePolicy& generator, const Reward& of, const Tensor& objective,
                     std::int64_t length, int batches) {
  const std::vector<Tensor> parameters = generator.parameters();
  const auto exact = torch::autograd::grad({objective}, parameters, {}, c10::nullopt, false, true);
  std::vector<std::vector<Tensor>> estimates(parameters.size());
  for (int i = 0; i < batches; ++i) {
    const auto [surrogate, value] = rollout_policy_gradient(
        generator, generator, of, {.batch = 16, .length = length, .rollouts = 2},
        {.seed = 9, .id = static_cast<std::uint64_t>(i)});
    const auto gradient = torch::autograd::grad({surrogate}, parameters);
    for (std::size_t p = 0; p < parameters.size(); ++p) estimates[p].push_back(gradient[p]);
  }
  double largest = 0;
  double widest = 0;
  for (std::size_t p = 0; p < parameters.size(); ++p) {
    const Tensor all = at::stack(estimates[p]).to(at::kDouble);
    // Over some hundred entries at once: 6 sigma keeps the false alarm under 1e-6.
    const Tensor interval = 6 * all.std(0) / std::sqrt(batches) + 1e-6;
    EXPECT_TRUE(((all.mean(0) - exact[p]).abs() <= interval).all().item<bool>())
        << p << '\n'
        << all.mean(0) << "\nexact\n"
        << exact[p];
    largest = std::max(largest, exact[p].abs().max().item<double>());
    widest = std::max(widest, interval.max().item<double>());
  }
  EXPECT_LT(widest, 0.35 * largest);
}

TEST(RolloutPolicyGradient, IsTheEnumeratedGradient) {
  const auto policy = tiny();
  const Tensor all = all_sequences();
  const Tensor objective = (policy->log_prob(all).sum(-1).exp() * reward(all)).sum();
  expect_unbiased(*policy, reward, objective, kLength, 1500);
}

TEST(RolloutPolicyGradient, OfAGaussiansParametersIsWithoutBias) {
  const GaussianPolicy policy({.hidden = 3}, Stream{.seed = 10});
  const auto of = [](const Tensor& y) {  // [R, 2, 1]
    return (y.select(1, 0) * 1.5 - y.select(1, 1)).squeeze(-1).sin() +
           0.3 * y.select(1, 1).squeeze(-1);
  };
  // E[R] over a grid of two standard normals, by the trapezoid rule, differentiable in the policy.
  constexpr std::int64_t kPoints = 161;
  const Tensor x = at::linspace(-8, 8, kPoints);
  const Tensor w = (-x.square() / 2).exp() * (16.0 / (kPoints - 1)) / std::sqrt(2 * M_PI);
  SequencePolicy::State state = policy.start(kPoints);
  const auto first = policy.next(state);
  const Tensor y1 = first.loc() + first.scale() * x.unsqueeze(-1);
  policy.read(y1, state);
  const auto second = policy.next(state);
  const Tensor y2 = second.loc() + second.scale() * x;  // [first, second]
  const Tensor y = at::stack({y1.expand({kPoints, kPoints}), y2}, -1).view({-1, 2, 1});
  const Tensor objective = (at::outer(w, w).flatten() * of(y)).sum();
  EXPECT_NEAR(at::outer(w, w).sum().item<double>(), 1, 1e-5);
  expect_unbiased(policy, of, objective, 2, 1500);
}

TEST(GaussianPolicy, DrawsWhatItsDensitySays) {
  const GaussianPolicy policy({.features = 2, .hidden = 5}, Stream{.seed = 11});
  constexpr std::int64_t kDrawn = 20'000;
  const Tensor y = sample(policy, kDrawn, 3, {.seed = 1});
  ASSERT_THAT(y.sizes(), ElementsAre(kDrawn, 3, 2));
  EXPECT_TRUE(at::equal(sample(policy, 5, 3, {.seed = 1}), y.slice(0, 0, 5)));
  // Read one by one, each element has the density of next(), and its noise is standard normal.
  SequencePolicy::State state = policy.start(kDrawn);
  for (std::int64_t t = 0; t < 3; ++t) {
    const auto normal = policy.next(state);
    const Tensor noise = (y.select(1, t) - normal.loc()) / normal.scale();
    EXPECT_GT(partita::testing::ks_p_value(
                  numbers(noise), [](double x) { return std::erfc(-x / std::sqrt(2)) / 2; }),
              kFalseAlarm);
    EXPECT_TRUE(at::allclose(policy.log_prob(y).select(1, t),
                             normal.log_prob(y.select(1, t)).sum(-1), 1e-4, 1e-5));
    policy.read(y.select(1, t), state);
  }
}

SequenceDiscriminatorOptions small_discriminator() {
  return {.vocabulary = kVocabulary, .features = 5, .filters = {{1, 4}, {2, 6}, {4, 3}}};
}

TEST(SequenceDiscriminator, ShapesAndProbabilities) {
  const SequenceDiscriminator of_tokens(small_discriminator(), Stream{.seed = 12});
  const Tensor all = all_sequences();
  ASSERT_THAT(of_tokens.logits(all).sizes(), ElementsAre(81));
  const Tensor many = all.repeat({10, 1});  // more than one block
  EXPECT_TRUE(at::allclose(of_tokens.probability(many).view({10, 81}),
                           of_tokens.logits(all).sigmoid().expand({10, 81}), 1e-5, 1e-6));
  EXPECT_FALSE(of_tokens.probability(all).requires_grad());
  const auto dropped = [&](std::uint64_t seed) {
    return of_tokens.logits(all, Random(Stream{.seed = seed}));
  };
  EXPECT_TRUE(at::equal(dropped(1), dropped(1)));
  EXPECT_FALSE(at::equal(dropped(1), dropped(2)));

  const SequenceDiscriminator of_vectors({.features = 2, .filters = {{2, 3}}}, Stream{.seed = 12});
  ASSERT_THAT(of_vectors.logits(at::randn({7, 5, 2})).sizes(), ElementsAre(7));
}

/// The network of the paper written out: windows, their maximum, the highway.
TEST(SequenceDiscriminator, IsItsFormula) {
  const SequenceDiscriminator network(small_discriminator(), Stream{.seed = 12});
  std::map<std::string, Tensor> w;
  for (const auto& item : network.named_parameters()) w[item.key()] = item.value().detach();
  const Tensor y = at::tensor({2, 0, 1, 1}, at::kLong);
  const Tensor x = w["embedding"].index_select(0, y);
  std::vector<Tensor> features;
  for (const auto& [name, width] : {std::pair("convolution0_1", 1), std::pair("convolution1_2", 2),
                                    std::pair("convolution2_4", 4)}) {
    const Tensor weight = w[name + std::string("_weight")];
    const Tensor bias = w[name + std::string("_bias")];
    Tensor most = at::zeros_like(bias);
    for (std::int64_t at = 0; at + width <= 4; ++at) {
      const Tensor window = x.slice(0, at, at + width).t();  // [features, width]
      most = at::maximum(most, (weight * window).sum(at::IntArrayRef{1, 2}) + bias);
    }
    features.push_back(most);
  }
  const Tensor h = at::cat(features);
  const Tensor gate = (at::mv(w["highway_gate_weight"], h) + w["highway_gate_bias"]).sigmoid();
  const Tensor out =
      gate * (at::mv(w["highway_weight"], h) + w["highway_bias"]).relu() + (1 - gate) * h;
  const Tensor logit = at::mv(w["output_weight"], out) + w["output_bias"];
  EXPECT_NEAR(network.logits(y.unsqueeze(0)).item<double>(), logit.item<double>(), 1e-5);
  EXPECT_NEAR(
      network.penalty().item<double>(),
      (w["output_weight"].square().sum() + w["output_bias"].square().sum()).item<double>() / 2,
      1e-6);
}

TEST(SequenceDiscriminator, RefusesWhatCannotBe) {
  const auto made = [](SequenceDiscriminatorOptions options) {
    return [options] { SequenceDiscriminator(options, Stream{}); };
  };
  EXPECT_THAT(message_of<InvalidArgument>(made({.filters = {}})), HasSubstr("filters"));
  EXPECT_THAT(message_of<InvalidArgument>(made({.dropout = 1})), HasSubstr("dropout"));
  const SequenceDiscriminator network(small_discriminator(), Stream{});
  EXPECT_THAT(message_of<InvalidArgument>([&] {
                network.logits(at::zeros({2, 3}, at::kLong));
              }),
              HasSubstr("one is 4 wide, the sequences are 3 long"));
}

struct Gan {
  std::shared_ptr<TokenPolicy> generator = tiny(1);
  std::shared_ptr<TokenPolicy> rollout_policy = tiny(2);
  std::shared_ptr<SequenceDiscriminator> discriminator =
      std::make_shared<SequenceDiscriminator>(small_discriminator(), Random(Stream{.seed = 13}));
  Tensor real = sample(*tiny(3), 200, kLength, {.seed = 14});
  SeqGan gan;

  explicit Gan(SeqGanOptions options = {})
      : gan(generator, rollout_policy, discriminator, real, settings(options)) {}

  static SeqGanOptions settings(SeqGanOptions options) {
    options.batch = 16;
    options.negatives = 64;
    options.rollouts = 2;
    options.d_steps = 2;
    options.d_epochs = 1;
    options.discriminator_learning_rate = 1e-2;
    options.seed = 15;
    return options;
  }

  static Tensor weights(const torch::nn::Module& module) {
    std::vector<Tensor> all;
    for (const Tensor& each : module.parameters()) all.push_back(each.detach().flatten());
    return at::cat(all).clone();
  }
};

TEST(SeqGan, EachStepMovesItsOwnNetwork) {
  Gan one;
  const Tensor theta = Gan::weights(*one.generator);
  const Tensor phi = Gan::weights(*one.discriminator);
  EXPECT_TRUE(at::equal(Gan::weights(*one.rollout_policy), theta));  // beta <- theta

  one.gan.discriminator_step({.seed = 1});
  EXPECT_TRUE(at::equal(Gan::weights(*one.generator), theta));
  const Tensor trained = Gan::weights(*one.discriminator);
  EXPECT_FALSE(at::equal(trained, phi));

  one.gan.generator_step({.seed = 1});
  EXPECT_FALSE(at::equal(Gan::weights(*one.generator), theta));
  EXPECT_TRUE(at::equal(Gan::weights(*one.discriminator), trained));
  EXPECT_TRUE(at::equal(Gan::weights(*one.rollout_policy), theta));  // delayed
  for (const auto& part : one.gan.parts()) {
    for (const Tensor& p : part.module->parameters()) EXPECT_FALSE(p.grad().defined());
  }
}

TEST(SeqGan, TheRolloutPolicyFollowsWithDelay) {
  Gan one({.update_rate = 0.8});
  const Tensor before = Gan::weights(*one.rollout_policy);
  one.gan.iteration(0);
  const Tensor theta = Gan::weights(*one.generator);
  EXPECT_FALSE(at::equal(theta, before));
  EXPECT_TRUE(
      at::allclose(Gan::weights(*one.rollout_policy), 0.8 * before + 0.2 * theta, 1e-5, 1e-7));
  one.gan.update_rollout_policy(0);
  EXPECT_TRUE(at::equal(Gan::weights(*one.rollout_policy), theta));
}

/// From far away, the generator comes to draw what the oracle draws; by its own objective alone.
TEST(SeqGan, FindsTheLawOfATinyOracle) {
  at::set_num_threads(1);
  Gan one(
      {.reward = GeneratorReward::log_odds, .update_rate = 0.5, .generator_learning_rate = 3e-2});
  const Tensor all = all_sequences();
  const auto probability = [&](const TokenPolicy& p) {
    return p.log_prob(all).detach().sum(-1).exp();
  };
  const Tensor target = probability(*tiny(3));
  const auto distance = [&] {
    return (probability(*one.generator) - target).abs().sum().item<double>() / 2;
  };
  const double before = distance();
  one.gan.pretrain_discriminator(20, {});
  one.gan.train(120, {});
  EXPECT_GT(before, 0.3);
  EXPECT_LT(distance(), 0.5 * before);
}

TEST(MaximumLikelihood, FindsTheLawAndKeepsTheBest) {
  at::set_num_threads(1);
  const auto oracle = tiny(3);
  const Tensor real = sample(*oracle, 2000, kLength, {.seed = 16});
  const Tensor held_out = sample(*oracle, 2000, kLength, {.seed = 17});
  const double entropy = nll_of(*oracle, held_out);
  for (const double teacher : {1.0, 0.5}) {
    const auto policy = tiny(4);
    const auto result = train_maximum_likelihood(
        policy, real, held_out,
        {.epochs = 40, .patience = teacher == 1 ? 3U : 0U, .final_teacher = teacher, .seed = 18},
        {}, [] {
          return training::Values{{"more", 1}};
        });
    // What scheduled sampling converges to is near the law, and not the law (Huszar 2015).
    EXPECT_NEAR(nll_of(*policy, held_out), entropy, teacher == 1 ? 0.01 : 0.05) << teacher;
    EXPECT_GT(result.history.front().values[1].second, entropy + 0.05);
    EXPECT_EQ(result.history.front().values.back().first, "more");
  }
  const auto gaussian =
      std::make_shared<GaussianPolicy>(GaussianPolicyOptions{}, Stream{.seed = 19});
  const Tensor line =
      3 + 0.2 * sample(GaussianPolicy({.hidden = 4}, Stream{.seed = 20}), 500, 5, {.seed = 21});
  const double before = nll_of(*gaussian, line);
  train_maximum_likelihood(gaussian, line, line, {.epochs = 5}, {});
  EXPECT_LT(nll_of(*gaussian, line), before - 1);
  EXPECT_THROW(train_maximum_likelihood(gaussian, line, line, {.final_teacher = 0.5}, {}),
               InvalidArgument);
}

TEST(SeqGan, TrainsAPolicyOfVectors) {
  const GaussianPolicy source({.features = 2, .hidden = 4}, Stream{.seed = 22});
  const auto policy = [](std::uint64_t id) {
    return std::make_shared<GaussianPolicy>(GaussianPolicyOptions{.features = 2, .hidden = 4},
                                            Stream{.seed = 23, .id = id});
  };
  const auto generator = policy(1);
  SeqGan gan(generator, policy(2),
             std::make_shared<SequenceDiscriminator>(
                 SequenceDiscriminatorOptions{.features = 2, .filters = {{1, 4}, {3, 4}}},
                 Random(Stream{.seed = 24})),
             sample(source, 100, 6, {.seed = 25}), {.batch = 8, .rollouts = 2, .negatives = 16});
  const Tensor before = Gan::weights(*generator);
  const auto result = gan.train(2, {.log_every = 1});
  EXPECT_FALSE(at::equal(Gan::weights(*generator), before));
  EXPECT_THAT(result.history.front().values,
              ElementsAre(::testing::Pair("reward", ::testing::Gt(0.0)),
                          ::testing::Pair("discriminator", ::testing::Gt(0.0))));
}

// Stopped anywhere in any phase and taken up again: the same bits as without a break.
TEST(SeqGan, Resumes) {
  at::set_num_threads(1);
  const TemporaryDirectory directory;
  const auto finished = [&](const std::string& name, bool interrupted) {
    const auto loop = [&](const std::string& phase) {
      return training::LoopOptions{.checkpoint = directory / (name + phase),
                                   .checkpoint_seconds = 0};
    };
    std::vector<Tensor> weights;
    struct Killed {};
    for (const int stop : interrupted ? std::vector<int>{2, 5, 99} : std::vector<int>{99}) {
      int left = stop;
      const Progress progress = [&](const ProgressUpdate&) {};
      const training::Evaluate kill = [&]() -> training::Values {
        if (left-- == 0) throw Killed();
        return {{"left", 0}};
      };
      try {
        const auto generator = tiny(4);
        const Tensor real = sample(*tiny(3), 128, kLength, {.seed = 14});
        train_maximum_likelihood(generator, real, real, {.epochs = 3, .batch = 32}, loop(".mle"),
                                 kill, progress);
        const auto discriminator = std::make_shared<SequenceDiscriminator>(
            small_discriminator(), Random(Stream{.seed = 13}));
        SeqGan gan(generator, tiny(5), discriminator, real, Gan::settings({}));
        gan.pretrain_discriminator(3, loop(".d"));
        training::LoopOptions last = loop(".gan");
        last.evaluate_every = 1;
        gan.train(4, last, kill);
        weights = {Gan::weights(*generator), Gan::weights(*discriminator)};
      } catch (const Killed&) {
      }
    }
    return weights;
  };
  const auto whole = finished("whole", false);
  const auto broken = finished("broken", true);
  ASSERT_EQ(broken.size(), 2U);
  for (std::size_t i = 0; i < 2; ++i) EXPECT_TRUE(at::equal(whole[i], broken[i]));
}

TEST(SeqGan, RefusesWhatCannotBe) {
  const auto made = [](const SeqGanOptions& options) {
    return [options] {
      SeqGan(tiny(1), tiny(2),
             std::make_shared<SequenceDiscriminator>(small_discriminator(), Random(Stream{})),
             at::zeros({4, kLength}, at::kLong), options);
    };
  };
  EXPECT_THAT(message_of<InvalidArgument>(made({.batch = 1})),
              HasSubstr("batch: expected 2 or more"));
  EXPECT_THAT(message_of<InvalidArgument>(made({.rollouts = 0})), HasSubstr("rollouts: "));
  EXPECT_THAT(message_of<InvalidArgument>(made({.update_rate = 1})),
              HasSubstr("update_rate: expected 0 <= u < 1, got 1"));
  EXPECT_THAT(message_of<InvalidArgument>(made({.negatives = 10})), HasSubstr("negatives: "));
  const auto same = tiny(1);
  EXPECT_THAT(
      message_of<InvalidArgument>([&] {
        SeqGan(same, same,
               std::make_shared<SequenceDiscriminator>(small_discriminator(), Random(Stream{})),
               at::zeros({4, kLength}, at::kLong), {});
      }),
      HasSubstr("rollout_policy: "));
  EXPECT_THROW(tiny(1, {.start_token = 3}), InvalidArgument);
  EXPECT_THROW(tiny(1, {.temperature = 0}), InvalidArgument);
  EXPECT_THROW(roll_out(*tiny(), at::zeros({2, 4}, at::kLong), 0, {}), InvalidArgument);
  EXPECT_THROW(roll_out(*tiny(), at::zeros({2, 1}, at::kLong), 1, {}), InvalidArgument);
}

}  // namespace
}  // namespace partita::models
