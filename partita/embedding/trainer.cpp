// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/trainer.hpp"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <limits>
#include <mutex>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/parallel.hpp"
#include "partita/embedding/internal/checkpoint.hpp"
#include "partita/embedding/internal/rank_exchange.hpp"
#include "partita/embedding/internal/row_copies.hpp"
#include "partita/embedding/internal/training_schedule.hpp"
#include "partita/embedding/internal/window_trainer.hpp"
#include "partita/random/fill.hpp"

namespace partita {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kParts = 8;             // per chunk in deterministic training, one copy each
constexpr double kBetweenUpdates = 0.1;       // seconds
constexpr std::uint64_t kRoundChunks = 32;    // of all ranks together, between two exchanges
constexpr std::size_t kPrefetchDistance = 2;  // windows
constexpr double kNoisePower = 0.75;

/// The children of a trainer's stream.
enum Purpose : std::uint64_t { kWeights, kWindows };

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

void check(const EmbeddingOptions& options) {
  check_between("dim", options.dim, 1, 65'536);
  check_between("window", options.window, 1, 1000);
  check_between("negative", options.negative, 1, 1000);
  check_between("epochs", options.epochs, 1, 1'000'000);
  check_at_least("threads", options.threads, 1);
  check_in("sample", options.sample, "[0, inf)");
  if (options.alpha) check_in("alpha", *options.alpha, "(0, inf)");
}

EmbeddingOptions completed(EmbeddingOptions options) {
  check(options);
  if (!options.alpha) options.alpha = options.model == EmbeddingModel::cbow ? 0.15 : 0.025;
  if (options.loss == EmbeddingLoss::full && options.deterministic) {
    options.deterministic = false;
    options.threads = 1;
  }
  return options;
}

std::vector<double> noise_weights(const Vocabulary& vocabulary) {
  std::vector<double> weights;
  weights.reserve(vocabulary.size());
  for (const std::uint64_t count : vocabulary.counts()) {
    weights.push_back(std::pow(static_cast<double>(count), kNoisePower));
  }
  return weights;
}

const Corpus& with_two_words(const Corpus& corpus) {
  if (corpus.vocabulary().size() < 2) {
    throw InvalidArgument("corpus",
                          "one word in the vocabulary, expected two or more: there is "
                          "nothing to predict");
  }
  return corpus;
}

}  // namespace

class EmbeddingTrainer::State {
 public:
  State(const Corpus& corpus, const Stream& stream, const EmbeddingOptions& options)
      : corpus_(with_two_words(corpus)),
        options_(completed(options)),
        stream_(stream),
        noise_(noise_weights(corpus.vocabulary())),
        sampler_(corpus, noise_, stream.child(kWindows),
                 {.window = options_.window,
                  .negative = options_.loss == EmbeddingLoss::full ? 0 : options_.negative,
                  .sample = options_.sample}),
        weights_{{corpus.vocabulary().size(), options_.dim},
                 {corpus.vocabulary().size(), options_.dim},
                 std::vector<float>(corpus.vocabulary().size())},
        schedule_(corpus, options_.epochs, *options_.alpha) {
    initialize();
  }

  void resume(const std::filesystem::path& path) {
    at_ = load_checkpoint(path, corpus_, stream_, options_, weights_);
  }

  void train(const TrainingRun& run) {
    Group& group = *run.group;
    if (group.size() > 1) check_same_on_all_ranks(corpus_, stream_, options_, at_, group);
    follow(TrainingSchedule(corpus_, options_.epochs,
                            *options_.alpha * RankExchange::rate(group.size()), group));
    if (group.size() > 1) return train_in_group(run, group);
    Reporter reporter(*this, run);
    while (at_.next_chunk < at_.chunks) {
      train_until(at_.chunks, reporter);
      check_finite(at_.loss);
      if (at_.next_chunk < at_.chunks && !run.checkpoint.empty()) {
        save_checkpoint(run.checkpoint, corpus_, stream_, options_, weights_, at_);
        reporter.checkpointed();
      }
    }
    reporter.finish();
  }

  const EmbeddingWeights& weights() const { return weights_; }
  const LossSum& loss() const { return at_.loss; }

 private:
  /// What one thread needs.
  struct Worker {
    Worker(const EmbeddingOptions& options, std::size_t stride, std::span<const float> log_noise)
        : trainer(options, stride, log_noise) {}

    WindowTrainer trainer;
    WindowBatch batch;
  };

  /// Tells the caller how far training is, and when a checkpoint is due.
  class Reporter {
   public:
    Reporter(const State& state, const TrainingRun& run)
        : state_(state), run_(run), began_at_(state.schedule_.words_before(state.at_.next_chunk)) {}

    bool checkpoint_is_due() const {
      return !run_.checkpoint.empty() && seconds_since(checkpointed_) >= run_.checkpoint_seconds;
    }
    void checkpointed() { checkpointed_ = Clock::now(); }

    void update(std::uint64_t chunk, const LossSum& loss) {
      check_finite(loss);
      recent_ += loss;
      if (run_.progress && seconds_since(updated_) >= kBetweenUpdates) report(chunk);
    }
    void finish() {
      if (run_.progress) report(state_.schedule_.chunks());
    }

   private:
    void report(std::uint64_t chunk) {
      updated_ = Clock::now();
      const TrainingSchedule& schedule = state_.schedule_;
      const std::uint64_t words = schedule.words_before(chunk);
      const std::uint64_t total = schedule.words_before(schedule.chunks());
      const double rate = static_cast<double>(words - began_at_) /
                          std::max(seconds_since(start_), std::numeric_limits<double>::min());
      if (recent_.predictions > 0) {
        mean_ = recent_.sum / static_cast<double>(recent_.predictions);
      }
      recent_ = {};
      run_.progress({.words = words,
                     .total = total,
                     .words_per_second = rate,
                     .seconds_left = rate > 0 ? static_cast<double>(total - words) / rate
                                              : std::numeric_limits<double>::infinity(),
                     .learning_rate =
                         schedule.learning_rate(schedule.epoch_of(chunk), schedule.first_of(chunk)),
                     .loss = mean_});
    }

    const State& state_;
    const TrainingRun& run_;
    std::uint64_t began_at_;  // words
    Clock::time_point start_ = Clock::now();
    Clock::time_point updated_ = Clock::now();
    Clock::time_point checkpointed_ = Clock::now();
    LossSum recent_;
    double mean_ = 0;
  };

  static void check_finite(const LossSum& loss) {
    if (!std::isfinite(loss.sum)) throw Error("the weights are no longer finite: lower alpha");
  }

  void initialize() {
    const Vocabulary& vocabulary = corpus_.vocabulary();
    const auto dim = static_cast<float>(options_.dim);
    for (WordId id = 0; id < vocabulary.size(); ++id) {
      const std::span row(weights_.inputs.row(id), options_.dim);
      fill_uniform(stream_.child(kWeights), id * options_.dim, row);
      for (float& x : row) x = (x - 0.5F) / dim;
    }
    log_noise_.resize(vocabulary.size());
    for (WordId id = 0; id < vocabulary.size(); ++id) {
      log_noise_[id] = static_cast<float>(noise_.log_prob(id) +
                                          std::log(static_cast<double>(options_.negative)));
      if (options_.loss != EmbeddingLoss::negative_sampling) {
        weights_.biases[id] = static_cast<float>(std::log(
            static_cast<double>(vocabulary.count(id)) / static_cast<double>(vocabulary.total())));
      }
    }
  }

  /// The windows with centers at [first, last) of an epoch.
  template <class RowSource>
  LossSum train_range(RowSource& rows, Worker& worker, std::uint64_t epoch, std::uint64_t first,
                      std::uint64_t last) const {
    WindowBatch& batch = worker.batch;
    sampler_.sample(epoch, first, last, batch);
    const std::size_t k = batch.windows.empty() ? 0 : batch.negatives.size() / batch.windows.size();
    const auto prefetch = [&](std::size_t i) {
      if (i >= batch.windows.size()) return;
      rows.prefetch_input(batch.words[batch.windows[i].last - 1]);  // the others were met before
      rows.prefetch_output(batch.words[batch.windows[i].center]);
      for (std::size_t j = 0; j < k; ++j) rows.prefetch_output(batch.negatives[i * k + j]);
    };
    LossSum loss;
    for (std::size_t i = 0; i < batch.windows.size(); ++i) {
      prefetch(i + kPrefetchDistance);
      const Window& window = batch.windows[i];
      loss += worker.trainer.train(
          rows, batch.words, window, std::span(batch.negatives).subspan(i * k, k),
          static_cast<float>(schedule_.learning_rate(epoch, window.position)));
    }
    return loss;
  }

  /// Until a checkpoint is due, or the chunks before `end` are done.
  void train_until(std::uint64_t end, Reporter& reporter) {
    if (options_.deterministic) {
      train_deterministic(end, reporter);
    } else {
      train_in_parallel(end, reporter);
    }
  }

  /// From where training is, in a schedule of as many epochs but perhaps of another group.
  void follow(const TrainingSchedule& schedule) {
    __extension__ using Wide = unsigned __int128;
    schedule_ = schedule;
    at_.next_chunk = static_cast<std::uint64_t>(static_cast<Wide>(at_.next_chunk) *
                                                schedule.chunks() / at_.chunks);
    at_.chunks = schedule.chunks();
  }

  /// In a round every rank trains a block of its part, and then they exchange what has changed.
  void train_in_group(const TrainingRun& run, Group& group) {
    const TrainingRun told{.progress = group.rank() == 0 ? run.progress : TrainingProgress()};
    Reporter reporter(*this, told);
    RankExchange ranks(weights_, group);
    // As many chunks in all, but one at least for each thread that shares weights.
    const std::uint64_t chunks = kRoundChunks / static_cast<std::uint64_t>(group.size());
    const auto threads = static_cast<std::uint64_t>(options_.deterministic ? 1 : options_.threads);
    const std::uint64_t block = std::max(chunks, threads);
    auto checkpointed = Clock::now();
    LossSum together = std::exchange(at_.loss, {});  // as of the last exchange of all words
    while (at_.next_chunk < at_.chunks) {
      train_until(std::min(at_.next_chunk + block, at_.chunks), reporter);
      check_finite(at_.loss);

      const std::uint64_t round = (at_.next_chunk + block - 1) / block;
      if (at_.next_chunk < at_.chunks && !ranks.all_after(round)) {
        ranks.begin_exchange(ranks.words_after(round));
        continue;
      }
      ranks.exchange_all();
      const double own[] = {at_.loss.sum, static_cast<double>(at_.loss.predictions)};
      const std::vector<double> losses = group.all_gather(own);
      for (std::size_t i = 0; i < losses.size(); i += 2) {
        together += {losses[i], static_cast<std::uint64_t>(losses[i + 1])};
      }
      at_.loss = together;
      if (group.rank() == 0 && !run.checkpoint.empty() && at_.next_chunk < at_.chunks &&
          seconds_since(checkpointed) >= run.checkpoint_seconds) {
        save_checkpoint(run.checkpoint, corpus_, stream_, options_, weights_, at_);
        checkpointed = Clock::now();
      }
      at_.loss = {};
    }
    at_.loss = together;
    reporter.finish();
  }

  Worker make_worker() const { return {options_, weights_.inputs.stride(), log_noise_}; }

  /// Hogwild. Chunks are handed out in order, and each one is finished, so the number of the next
  /// one is the whole state.
  void train_in_parallel(std::uint64_t end, Reporter& reporter) {
    std::atomic<std::uint64_t> next = at_.next_chunk;
    std::atomic<bool> stop = false;
    std::mutex mutex;
    LossSum unreported;
    const auto threads = static_cast<std::size_t>(options_.threads);
    while (workers_.size() < threads) workers_.push_back(make_worker());
    const auto work = [&](Worker& worker, bool reports) {
      SharedRows rows(weights_);
      while (!stop) {
        const std::uint64_t chunk = next++;
        if (chunk >= end) break;
        const LossSum loss = train_range(rows, worker, schedule_.epoch_of(chunk),
                                         schedule_.first_of(chunk), schedule_.last_of(chunk));
        const std::scoped_lock lock(mutex);
        at_.loss += loss;
        unreported += loss;
        if (reports) {
          reporter.update(chunk + 1, std::exchange(unreported, {}));
          if (reporter.checkpoint_is_due()) stop = true;
        }
      }
    };
    parallel_for(threads, options_.threads, [&](std::size_t thread, std::size_t) {
      try {
        work(workers_[thread], thread == 0);
      } catch (...) {
        stop = true;
        throw;
      }
    });
    at_.next_chunk = std::min<std::uint64_t>(next, end);
  }

  void train_deterministic(std::uint64_t end, Reporter& reporter) {
    if (at_.next_chunk >= end) return;
    constexpr std::uint64_t kPart = TrainingSchedule::kChunk / kParts;
    while (workers_.size() < kParts) {
      workers_.push_back(make_worker());
      copies_.emplace_back(weights_, kPart + 2 * options_.window, kPart * (1 + options_.negative));
    }
    do {
      const std::uint64_t epoch = schedule_.epoch_of(at_.next_chunk);
      const std::uint64_t begin = schedule_.first_of(at_.next_chunk);
      const std::uint64_t chunk_end = schedule_.last_of(at_.next_chunk);
      std::array<LossSum, kParts> losses{};
      parallel_for(kParts, options_.threads, [&](std::size_t first_part, std::size_t last_part) {
        for (std::size_t part = first_part; part < last_part; ++part) {
          const std::uint64_t first = std::min(chunk_end, begin + part * kPart);
          const std::uint64_t last = std::min(chunk_end, first + kPart);
          copies_[part].clear();
          losses[part] = train_range(copies_[part], workers_[part], epoch, first, last);
          copies_[part].subtract_shared();
        }
      });
      const auto threads = static_cast<std::size_t>(options_.threads);
      parallel_for(threads, options_.threads, [&](std::size_t thread, std::size_t) {
        add_changes(copies_, weights_, thread, threads);
      });
      LossSum loss;
      for (const LossSum& part : losses) loss += part;
      at_.loss += loss;
      ++at_.next_chunk;
      reporter.update(at_.next_chunk, loss);
    } while (at_.next_chunk < end && !reporter.checkpoint_is_due());
  }

  const Corpus& corpus_;
  EmbeddingOptions options_;
  Stream stream_;
  AliasTable noise_;
  WindowSampler sampler_;
  EmbeddingWeights weights_;
  TrainingSchedule schedule_;
  std::vector<float> log_noise_;  // log(K q)
  TrainingPosition at_;
  // Kept from round to round.
  std::vector<Worker> workers_;     // of each thread or, if deterministic, part
  std::vector<CopiedRows> copies_;  // of each part
};

EmbeddingTrainer::EmbeddingTrainer(const Corpus& corpus, const Stream& stream,
                                   const EmbeddingOptions& options)
    : state_(std::make_unique<State>(corpus, stream, options)) {}
EmbeddingTrainer::~EmbeddingTrainer() = default;

void EmbeddingTrainer::resume(const std::filesystem::path& checkpoint) {
  state_->resume(checkpoint);
}
void EmbeddingTrainer::train(const TrainingRun& run) { state_->train(run); }

Rows EmbeddingTrainer::vectors() const { return state_->weights().inputs.view(); }
Rows EmbeddingTrainer::output_vectors() const { return state_->weights().outputs.view(); }
std::span<const float> EmbeddingTrainer::output_biases() const { return state_->weights().biases; }

double EmbeddingTrainer::loss() const {
  const LossSum& loss = state_->loss();
  return loss.sum / static_cast<double>(std::max<std::uint64_t>(1, loss.predictions));
}
std::uint64_t EmbeddingTrainer::predictions() const { return state_->loss().predictions; }

}  // namespace partita
