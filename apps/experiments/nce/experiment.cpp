// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/nce/experiment.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <torch/optim/adagrad.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <utility>

#include "apps/experiments/nce/contenders.hpp"
#include "partita/base/error.hpp"
#include "partita/base/group.hpp"
#include "partita/embedding/corpus.hpp"
#include "partita/learn/training/batches.hpp"
#include "partita/learn/training/run_facts.hpp"

namespace partita::app {
namespace {

using losses::NoiseDistribution;
using losses::OutputLayer;

constexpr std::int64_t kMostHeldOut = 2'000;
constexpr std::int64_t kLeastPairs = 20;
constexpr std::int64_t kCurvePoints = 12;
constexpr double kLearningRate = 0.1;

/// Pairs of words that follow each other; the last ones are held out.
struct Pairs {
  Tensor words;  // int64 [n + 1]
  std::int64_t train;
  std::int64_t held_out;
  std::vector<std::uint64_t> train_counts;  // how often each word is a target, + 1

  Tensor contexts(const Tensor& index) const { return words.index_select(0, index); }
  Tensor targets(const Tensor& index) const { return words.index_select(0, index + 1); }
  Tensor held_out_index() const { return at::arange(train, train + held_out); }
};

Pairs read_pairs(const NceExperimentOptions& options, const Progress& progress) {
  const Corpus corpus(options.corpus, {.min_count = 1, .max_size = options.vocabulary}, progress);
  std::vector<WordId> ids(corpus.size());
  corpus.read(0, ids);
  std::erase(ids, Corpus::kLineEnd);
  const auto pairs = static_cast<std::int64_t>(ids.size()) - 1;
  if (pairs < kLeastPairs) {
    throw DataError(options.corpus,
                    fmt::format("{} words, expected {} or more", ids.size(), kLeastPairs + 1));
  }
  const std::int64_t held_out = std::clamp<std::int64_t>(pairs / 20, 1, kMostHeldOut);
  Pairs out{.words = at::empty({pairs + 1}, at::kLong),
            .train = pairs - held_out,
            .held_out = held_out,
            .train_counts = std::vector<std::uint64_t>(corpus.vocabulary().size(), 1)};
  std::copy(ids.begin(), ids.end(), out.words.data_ptr<std::int64_t>());
  for (std::int64_t i = 1; i <= out.train; ++i)
    ++out.train_counts[ids[static_cast<std::size_t>(i)]];
  return out;
}

/// What all of them share.
struct Experiment {
  const NceExperimentOptions& options;
  Pairs pairs;
  Frequencies frequencies;

  losses::OutputBatch batch(const Model& model, const Tensor& index) const {
    return model.batch(pairs.contexts(index), pairs.targets(index));
  }
};

/// How much of the training is done, 0 to 1.
double done(const NceExperimentOptions& options, std::int64_t step, double seconds) {
  return options.seconds > 0 ? std::min(1.0, seconds / options.seconds)
                             : static_cast<double>(step) / static_cast<double>(options.steps);
}

/// Which of the evaluations is due: evenly spaced in the square root of what is done.
std::int64_t evaluation_at(double done) {
  return static_cast<std::int64_t>(std::floor(kCurvePoints * std::sqrt(done)));
}

losses::TargetLikelihood held_out(const Experiment& experiment, const Model& model,
                                  const Tensor& extra_bias = {}) {
  const at::NoGradGuard no_grad;
  OutputLayer output = model.output;
  if (extra_bias.defined()) output.bias = output.bias + extra_bias;
  return losses::evaluate(experiment.batch(model, experiment.pairs.held_out_index()), output);
}

CurvePoint curve_point(const Experiment& experiment, const Model& model, bool learns_log_z) {
  losses::TargetLikelihood now = held_out(experiment, model);
  if (learns_log_z) {  // exp(s - log_z) is to be normalized
    const Tensor contexts = experiment.pairs.contexts(experiment.pairs.held_out_index());
    now.log_z = now.log_z - model.log_z.detach().index_select(0, contexts);
  }
  return {.perplexity = now.perplexity(),
          .mean_log_z = now.mean_log_z(),
          .log_z_deviation = now.log_z_deviation()};
}

int trainer_of(std::size_t loss, const Group& group) {
  return static_cast<int>(loss % static_cast<std::size_t>(group.size()));
}

LossResult train(const Experiment& experiment, const Contender& contender, std::uint64_t id,
                 SharedProgress& progress) {
  const NceExperimentOptions& options = experiment.options;
  const Model model = model_for(contender.kind, experiment.frequencies, options.dim,
                                nce_stream(options, NceDraw::weights));
  const auto loss = contender.make(experiment.frequencies, model);
  torch::optim::Adagrad optimizer(model.parameters(), torch::optim::AdagradOptions(kLearningRate));
  training::Batches batches(experiment.pairs.train, options.batch,
                            nce_stream(options, NceDraw::order));
  const Stream stream = nce_stream(options, NceDraw::noise).child(id);
  LossResult result{.name = contender.name, .kind = contender.kind, .noise = contender.noise};
  double seconds = 0;
  std::int64_t evaluated = -1;
  for (std::int64_t step = 0;; ++step) {
    const double share = done(options, step, seconds);
    if (evaluation_at(share) > evaluated) {
      evaluated = evaluation_at(share);
      result.curve.push_back(curve_point(experiment, model, contender.kind == LossKind::nce_log_z));
      result.curve.back().step = step;
      result.curve.back().seconds = seconds;
      progress.one_more();
    }
    if (share == 1) break;
    const double start = thread_seconds();
    const auto number = static_cast<std::uint64_t>(step);
    (*loss)(experiment.batch(model, batches.at(number)), model.output, stream.child(number))
        .backward();
    optimizer.step();
    for (Tensor& parameter : optimizer.param_groups()[0].params())
      parameter.mutable_grad() = Tensor();
    seconds += thread_seconds() - start;
  }
  const Tensor log_q = missing_log_q(contender, experiment.frequencies);
  if (log_q.defined()) {
    result.corrected_perplexity = held_out(experiment, model, log_q).perplexity();
  }
  return result;
}

/// exp of the mean -log q of the held-out words.
double unigram_perplexity(const Pairs& pairs, const Tensor& log_unigram) {
  const Tensor targets = pairs.targets(pairs.held_out_index());
  return std::exp(-log_unigram.index_select(0, targets).mean().item<double>());
}

/// What the process that trained a loss has measured, on all of them.
void broadcast(LossResult& result, Group& group, int trained_by) {
  const std::string curve = broadcast_bytes({reinterpret_cast<const char*>(result.curve.data()),
                                             result.curve.size() * sizeof(CurvePoint)},
                                            trained_by, group);
  result.curve.resize(curve.size() / sizeof(CurvePoint));
  std::memcpy(result.curve.data(), curve.data(), curve.size());
  double corrected = result.corrected_perplexity.value_or(std::numeric_limits<double>::quiet_NaN());
  group.broadcast({&corrected, 1}, trained_by);
  if (!std::isnan(corrected)) result.corrected_perplexity = corrected;
}

/// Trains each loss on one thread of one process, so that results depend on the number of neither.
std::vector<LossResult> train_all(const Experiment& experiment, const Progress& progress) {
  const NceExperimentOptions& options = experiment.options;
  Group& group = *options.group;
  const std::vector<Contender> all = contenders();
  std::vector<LossResult> results(all.size());
  std::vector<std::size_t> own;
  for (std::size_t i = 0; i < all.size(); ++i) {
    results[i] = {all[i].name, all[i].kind, all[i].noise};
    if (trainer_of(i, group) == group.rank()) own.push_back(i);
  }
  SharedProgress shared(progress, own.size() * static_cast<std::size_t>(kCurvePoints + 1),
                        "evaluations");
  run_tasks(own.size(), options.threads, [&](std::size_t task) {
    results[own[task]] = train(experiment, all[own[task]], own[task], shared);
  });
  for (std::size_t i = 0; i < all.size(); ++i) {
    broadcast(results[i], group, trainer_of(i, group));
  }
  return results;
}

/// That the processes are about to do the same.
void check_same(const NceExperimentOptions& options, const Pairs& pairs) {
  training::RunFacts facts{{"words", training::digest(pairs.words)}};
  facts.add("vocabulary", options.vocabulary)
      .add("dim", options.dim)
      .add("batch", options.batch)
      .add("steps", options.steps)
      .add("seconds", options.seconds)
      .add("noise exponent", options.noise_exponent)
      .add("seed", options.seed);
  training::check_same_on_all_ranks(facts, *options.group);
}

}  // namespace

NceExperimentResult run_nce(const NceExperimentOptions& options, const Phases& phases) {
  use_threads(1);
  Pairs pairs = read_pairs(options, begin(phases, "reading"));
  check_same(options, pairs);
  const auto unigram = NoiseDistribution::unigram(pairs.train_counts, 1);
  const Tensor log_unigram = unigram.log_prob(at::arange(unigram.size()), at::kDouble);
  const auto noise = NoiseDistribution::unigram(pairs.train_counts, options.noise_exponent);
  std::vector<std::uint64_t> counts = std::move(pairs.train_counts);
  const Experiment experiment{.options = options,
                              .pairs = std::move(pairs),
                              .frequencies = {std::move(counts), noise, log_unigram}};
  NceExperimentResult result;
  result.vocabulary = static_cast<std::size_t>(unigram.size());
  result.train_pairs = experiment.pairs.train;
  result.held_out_pairs = experiment.pairs.held_out;
  result.unigram_perplexity = unigram_perplexity(experiment.pairs, log_unigram);
  result.losses = train_all(experiment, begin(phases, "training"));
  if (options.group->rank() == 0) result.step_times = time_steps(options, phases);
  return result;
}

}  // namespace partita::app
