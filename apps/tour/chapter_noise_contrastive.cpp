// SPDX-License-Identifier: Apache-2.0
// D: a softmax whose sum is too large to compute, learned by telling data from noise.
#include <ATen/ATen.h>
#include <torch/csrc/autograd/autograd.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "apps/tour/largest_difference.hpp"
#include "apps/tour/score_table.hpp"
#include "apps/tour/step_cost.hpp"
#include "partita/embedding/principal_components.hpp"
#include "partita/embedding/similarity.hpp"
#include "partita/embedding/trainer.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/losses/in_batch.hpp"
#include "partita/learn/losses/nce.hpp"
#include "partita/learn/losses/sampled_softmax.hpp"
#include "partita/learn/minimize_functional.hpp"
#include "partita/learn/rows.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "temporary_directory.hpp"

namespace partita::app {
namespace {

using losses::NceLoss;
using losses::NoiseDistribution;
using losses::OutputBatch;
using losses::OutputLayer;
using losses::OutputLoss;
using losses::Reduction;

/// A model of V words with nothing special about it, and a batch for it.
struct SmallModel {
  OutputBatch batch;
  OutputLayer output;

  SmallModel(const Random& random, std::int64_t rows, std::int64_t words)
      : batch{random.normal({rows, 8}, at::kDouble).set_requires_grad(true),
              at::arange(rows, at::kLong).remainder(words)},
        output{random.normal({words, 8}, at::kDouble).set_requires_grad(true),
               random.normal({words}, at::kDouble).set_requires_grad(true)} {}

  Tensor scores() const { return losses::logits(batch.hidden, output); }

  /// The gradient in everything that is learned, concatenated.
  Tensor gradient(const Tensor& loss) const {
    std::vector<Tensor> flat;
    for (const Tensor& g :
         torch::autograd::grad({loss}, {batch.hidden, output.weight, output.bias})) {
      flat.push_back((g.is_sparse() ? g.to_dense() : g).flatten());
    }
    return at::cat(flat);
  }
};

constexpr std::int64_t kWords = 7;
constexpr std::int64_t kNoise = 3;

NoiseDistribution uneven_noise() {
  return NoiseDistribution(std::vector<double>{5, 1, 2, 0.3, 1, 4, 0.7});
}

Finding posterior(const TourContext& context) {
  const SmallModel model(Random(context.stream(0)), 40, kWords);
  const NoiseDistribution noise = uneven_noise();
  const Tensor q = noise.log_prob(at::arange(kWords), at::kDouble).exp();
  const Tensor u = model.scores().detach().exp();
  const Tensor kq = static_cast<double>(kNoise) * q;
  const Tensor is_data = u / (u + kq);
  const Tensor is_noise = kq / (u + kq);
  const Tensor drawn = noise.draw({40, kNoise}, context.stream(1));
  const Tensor expected = -is_data.gather(1, model.batch.targets.unsqueeze(1)).log().squeeze(1) -
                          is_noise.gather(1, drawn).log().sum(1);
  const NceLoss nce(noise, {.noise = kNoise});
  const Tensor loss = nce(model.batch, model.output, context.stream(1), Reduction::none);
  return {{at_most("loss of a row against its words' u/(u + kq)",
                   largest_difference(loss.detach(), expected), 1e-12)}};
}

Finding objective(const TourContext& context) {
  const SmallModel model(Random(context.stream(0)), 40, kWords);
  const NoiseDistribution noise = uneven_noise();
  const Tensor words =
      at::cat({model.batch.targets.unsqueeze(1), noise.draw({40, kNoise}, context.stream(1))}, 1);
  const Tensor delta =
      model.scores().gather(1, words) - noise.log_expected_count(words, kNoise, at::kDouble);
  const Tensor is_data = at::zeros_like(delta).index_fill(1, at::zeros({1}, at::kLong), 1);
  const Tensor entropy = losses::binary_cross_entropy_with_logits(delta, is_data, Reduction::sum);
  const NceLoss nce(noise, {.noise = kNoise});
  const Tensor loss = nce(model.batch, model.output, context.stream(1), Reduction::sum);
  const Tensor gradient = model.gradient(loss);

  // The batch's own words as noise, which come up as often as they are frequent.
  const Tensor log_q = noise.log_prob(model.batch.targets, at::kDouble);
  const Tensor keys = model.output.weight.detach().index_select(0, model.batch.targets);
  const Tensor queries = model.batch.hidden.detach();
  const Tensor in_batch = losses::in_batch_softmax(queries, keys, {.log_q = log_q});
  const Tensor by_hand =
      losses::cross_entropy(queries.matmul(keys.t()) - log_q, at::arange(40, at::kLong));

  // A step along the gradient changes the loss by its square, to second order.
  const auto moved = [&](double step) {
    const Tensor bias = model.output.bias.detach() + step * gradient.slice(0, -kWords);
    return nce(model.batch, {model.output.weight, bias}, context.stream(1), Reduction::sum)
        .item<double>();
  };
  const double square = gradient.slice(0, -kWords).square().sum().item<double>();
  return {{equal("loss over binary cross-entropy, data 1 and noise 0",
                 (loss / entropy).item<double>(), 1, 1e-13),
           at_most("their gradients, largest difference",
                   largest_difference(gradient, model.gradient(entropy)), 1e-12),
           equal("InfoNCE over the cross-entropy of scores less log q",
                 (in_batch / by_hand).item<double>(), 1, 1e-13),
           equal("slope along NCE's gradient over its square",
                 (moved(1e-6) - moved(-1e-6)) / 2e-6 / square, 1, 1e-6)}};
}

Finding negative_sampling(const TourContext& context) {
  double same = 0;
  double runs = 0;
  for (const std::int64_t words : {2, 7, 97, 1000}) {
    const SmallModel model(Random(context.stream(static_cast<std::uint64_t>(words))), 20, words);
    const NceLoss nce(NoiseDistribution::uniform(words), {.noise = words});
    const losses::NegativeSamplingLoss sampling(NoiseDistribution::uniform(words),
                                                {.noise = words});
    const auto of = [&](const OutputLoss& loss) {
      return loss(model.batch, model.output, context.stream(0), Reduction::none);
    };
    same += of(nce).equal(of(sampling)) ? 1 : 0;
    same += model.gradient(of(nce).sum()).equal(model.gradient(of(sampling).sum())) ? 1 : 0;
    runs += 2;
  }
  const SmallModel model(Random(context.stream(1)), 20, kWords);
  const auto loss = [&](const OutputLoss& of) {
    return of(model.batch, model.output, context.stream(0), Reduction::none).detach();
  };
  return {
      {equal("losses and gradients that are the same to the last bit, share", same / runs, 1, 0),
       at_least("with other noise they differ, in the row where most",
                largest_difference(
                    loss(NceLoss(uneven_noise(), {.noise = kNoise})),
                    loss(losses::NegativeSamplingLoss(uneven_noise(), {.noise = kNoise}))),
                0.1)}};
}

/// Lines about one of two topics, each with ten words of its own (a0 ... a9, b0 ...), and one word
/// that both share.
std::string two_topics(const Stream& stream, std::size_t lines) {
  std::string text;
  std::uint64_t position = 0;
  const auto below = [&](std::uint64_t n) { return stream.bits(position++) % n; };
  for (std::size_t line = 0; line < lines; ++line) {
    const char topic = below(2) == 0 ? 'a' : 'b';
    for (int i = 0; i < 12; ++i) {
      text += i % 6 == 5 ? std::string("the ")
                         : std::string(1, topic) + static_cast<char>('0' + below(10)) + ' ';
    }
    text += '\n';
  }
  return text;
}

Finding skip_gram(const TourContext& context) {
  const testing::TemporaryDirectory directory;
  write_file(directory / "text", two_topics(context.stream(0), context.choose(5000U, 1500U)));
  const Corpus corpus(directory / "text", {.min_count = 1});
  EmbeddingTrainer trainer(corpus, context.stream(1),
                           {.dim = 16, .sample = 1e-2, .epochs = 20, .alpha = 0.05});
  trainer.train();
  const Rows rows = trainer.vectors();
  WordVectors vectors;
  vectors.dim = rows.columns();
  for (std::size_t i = 0; i < rows.rows(); ++i) {
    vectors.words.emplace_back(corpus.vocabulary().word(static_cast<WordId>(i)));
    vectors.values.insert(vectors.values.end(), rows.row_data<float>(i),
                          rows.row_data<float>(i) + rows.columns());
  }
  const std::vector<Place> places = principal_components(vectors.rows());
  std::vector<Series> map = {{.name = "topic a", .mark = Mark::points},
                             {.name = "topic b", .mark = Mark::points},
                             {.name = "the", .mark = Mark::points}};
  for (std::size_t i = 0; i < places.size(); ++i) {
    const char topic = vectors.words[i].front();
    Series& of = map[topic == 'a' ? 0 : topic == 'b' ? 1 : 2];
    of.x.push_back(places[i].x);
    of.y.push_back(places[i].y);
  }
  const WordSimilarity similarity(vectors);
  double right = 0;
  double all = 0;
  for (const std::string& word : vectors.words) {
    if (word == "the") continue;
    for (const Neighbor& neighbor : similarity.nearest(word, 5)) {
      right += neighbor.word.front() == word.front() ? 1 : 0;
      ++all;
    }
  }
  return {{at_least("share of a word's five nearest that are of its topic (by chance 0.45)",
                    right / all, 0.9)},
          {{to_svg({.title = "Word vectors of two topics",
                    .x = {.label = "first principal component"},
                    .y = {.label = "second"},
                    .series = map}),
            "Words of two topics, told apart by the words around them."}}};
}

Finding self_normalization(const TourContext& context) {
  const ScoreTable table(Random(context.stream(0)), context.choose<std::int64_t>(2000, 500));
  const NoiseDistribution noise = NoiseDistribution::uniform(ScoreTable::kOutcomes);
  Finding finding;
  Series measured{.name = "NCE"};
  Series expected{.name = "its noise, in closed form", .mark = Mark::line, .dashed = true};
  for (const std::int64_t k : {2, 5, 10, 25}) {
    const Tensor log_z =
        table.fitted(NceLoss(noise, {.noise = k}), context.stream(static_cast<std::uint64_t>(k)))
            .logsumexp(1);
    const Tensor deviation = table.noise_deviation(k);
    const double size = log_z.square().mean().sqrt().item<double>();
    const double noise_size = deviation.square().mean().sqrt().item<double>();
    measured.x.push_back(static_cast<double>(k));
    measured.y.push_back(size);
    expected.x.push_back(static_cast<double>(k));
    expected.y.push_back(noise_size);
    if (k == 10) {
      // Over 60 independent numbers: a standard deviation of 0.09.
      finding.checks.push_back(
          equal("root mean square of log Z, k = 10, over its noise", size / noise_size, 1, 0.55));
    }
  }
  finding.checks.push_back(
      at_most("log Z at k = 25 over that at k = 2", measured.y.back() / measured.y.front(), 0.6));
  const double uniform = std::log(static_cast<double>(ScoreTable::kOutcomes));
  const auto add = [&](const std::string& name, const OutputLoss& loss) {
    const Tensor log_z = table.fitted(loss, context.stream(1)).logsumexp(1);
    finding.checks.push_back(at_least(name + ": least log Z, which began as log |V|",
                                      log_z.min().item<double>(), uniform - 1e-6));
    finding.checks.push_back(at_least(name + ": mean log Z over NCE's, k = 25",
                                      log_z.mean().item<double>() / measured.y.back(), 20));
    return log_z.mean().item<double>();
  };
  const double likelihood = add("maximum likelihood", losses::FullSoftmaxLoss());
  add("sampled softmax", losses::SampledSoftmaxLoss(noise, {.noise = 10}));
  const Series other{.name = "maximum likelihood",
                     .x = {2, 25},
                     .y = {likelihood, likelihood},
                     .mark = Mark::line};
  finding.figures.push_back(
      {to_svg({.title = "log Z against the number of noise draws",
               .x = {.label = "noise draws per datum", .logarithmic = true},
               .y = {.label = "size of log Z", .logarithmic = true},
               .series = {measured, expected, other}}),
       "NCE learns to sum to one; maximum likelihood leaves the sum where it began."});
  return finding;
}

Finding best_ratio(const TourContext& context) {
  constexpr std::int64_t kDraws = 25;
  const auto words = static_cast<double>(ScoreTable::kOutcomes);
  const ScoreTable table(Random(context.stream(0)), context.choose<std::int64_t>(2000, 500));
  const NoiseDistribution noise = NoiseDistribution::uniform(ScoreTable::kOutcomes);
  const Tensor p = table.empirical();
  const Tensor log_p = table.fitted(NceLoss(noise, {.noise = kDraws}), context.stream(1));
  // With m draws of a word among all the noise, the optimum is k q p̃ / (its share of them): off by
  // the relative deviation sqrt((1 - q) / (m q)), about 1 % in a full tour and 2 % in a quick one.
  const std::int64_t each = table.words.size(0) / ScoreTable::kContexts;
  const auto draws = static_cast<double>(each * kDraws);
  const double deviation = std::sqrt((1 - 1 / words) * words / draws);
  const Tensor off = ((log_p.exp() / p - 1) / deviation).flatten();
  // A row of words has one degree of freedom less.
  constexpr double kFree = ScoreTable::kContexts * (ScoreTable::kOutcomes - 1);
  Series found{.name = "exp(s)", .mark = Mark::points};
  Series ratio{.name = "G = νq/exp(s)", .mark = Mark::points};
  found.x = ratio.x = to_vector(p.flatten());
  found.y = to_vector(log_p.exp().flatten());
  ratio.y = to_vector((kDraws / words * (-log_p).exp()).flatten());
  const auto [least, most] = std::minmax_element(found.x.begin(), found.x.end());
  Series closed_form{.name = "νq/p̃", .mark = Mark::line};
  for (int i = 0; i <= 100; ++i) {
    closed_form.x.push_back(*least + (*most - *least) * i / 100);
    closed_form.y.push_back(kDraws / words / closed_form.x.back());
  }
  return {
      // 720 entries: 6 deviations are a chance of a millionth.
      {at_most("exp(s) of NceLoss against p̃, the worst entry, in deviations of the noise",
               off.abs().max().item<double>(), 6),
       equal("their root mean square", off.square().mean().sqrt().item<double>(), 1,
             kFiveSigma / std::sqrt(2 * kFree)),
       at_most("and their mean: no factor is left out", std::abs(off.mean().item<double>()), 0.25)},
      {{to_svg({.title = "What a free table of scores learns",
                .x = {.label = "p̃ of a word in its context"},
                .y = {.label = "exp(s), and noise over data", .logarithmic = true},
                .series = {found, ratio, closed_form}}),
        "Every score by itself: exp(s) is the data's distribution, and the ratio of noise to it "
        "the "
        "one that the functional asks for."}}};
}

Finding shortest_path(const TourContext& context) {
  constexpr std::int64_t kPoints = 33;
  const Tensor x = at::linspace(0, 4, kPoints, at::kDouble);
  const Tensor line = 1 + x / 2;
  const Tensor bumps = Random(context.stream(0)).normal({kPoints}, at::kDouble);
  const Tensor start = line + 1.5 * bumps * (x > 0).logical_and(x < 4);
  const auto length = [](const Tensor&, const Tensor&, const Tensor& slope) {
    return (1 + slope.square()).sqrt();
  };
  const FunctionalMinimum path = minimize_functional(length, x, start);
  // A functional of f as well: f'' = f between 0 and 1, by the equation of Euler and Lagrange.
  const Tensor unit = at::linspace(0, 1, kPoints, at::kDouble);
  const FunctionalMinimum chain =
      minimize_functional([](const Tensor&, const Tensor& f,
                             const Tensor& slope) { return slope.square() + f.square(); },
                          unit, unit.clone());
  return {
      {at_most("largest distance from the straight line", largest_difference(path.f, line), 1e-5),
       equal("length over that of the straight line", path.value / std::sqrt(20), 1, 1e-9),
       // The grid's own error is 1e-5.
       at_most("∫ f′² + f²: distance from sinh x / sinh 1, where f″ = f",
               largest_difference(chain.f, unit.sinh() / std::sinh(1)), 3e-5)},
      {{to_svg({.title = "The shortest path",
                .x = {.label = "x"},
                .y = {.label = "f(x)"},
                .series = {{.name = "start", .x = to_vector(x), .y = to_vector(start)},
                           {.name = "found", .x = to_vector(x), .y = to_vector(path.f)}}}),
        "A random path, shortened numerically."}}};
}

constexpr Claim kNoiseContrastiveClaims[] = {
    {"D1", "The posterior that a word is data and not noise is a sigmoid of its corrected score.",
     posterior},
    {"D2",
     "NCE is a logistic regression of data against noise: binary cross-entropy of the corrected "
     "scores.",
     objective},
    {"D3", "Negative sampling is NCE where kq = 1, to the last bit.", negative_sampling},
    {"D4", "Skip-gram with negative sampling learns which words occur together.", skip_gram},
    {"D5",
     "NCE's optimum is normalized without being asked, up to the randomness of its noise; those of "
     "maximum likelihood and of sampled softmax are not.",
     self_normalization},
    {"D6",
     "NCE's functional is maximized, point by point, by the ratio of noise to data: a free score "
     "of "
     "each word learns the data's probability.",
     best_ratio},
    {"D7", "The calculus behind it, on its best-known example: the shortest path is straight.",
     shortest_path},
    {"D8", "A step's cost does not depend on the number of words.", step_cost},
};

}  // namespace

Chapter noise_contrastive_chapter() {
  return {"noise-contrastive", "D. Noise-contrastive estimation", kNoiseContrastiveClaims};
}

}  // namespace partita::app
