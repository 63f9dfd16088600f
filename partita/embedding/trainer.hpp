// SPDX-License-Identifier: Apache-2.0
// Word vectors: skip-gram and CBOW (Mikolov, Sutskever, Chen, Corrado, Dean 2013, "Distributed
// representations of words and phrases and their compositionality").
//
//   partita::Corpus corpus("novels.txt.gz", {.min_count = 5});
//   partita::EmbeddingTrainer trainer(corpus, {.seed = 1}, {.dim = 100, .threads = 2});
//   trainer.train();
//   partita::save_word_vectors("novels.bin", words(corpus.vocabulary()), trainer.vectors());
//
// For a center word w and its context words c, with input vectors v and output vectors u, the
// losses are (D1 to D4 of the lecture's table; q is the noise distribution, unigram^0.75, and n are
// K draws from it)
//
//   negative sampling   -log sigmoid(u_w.v_c) - sum_n log sigmoid(-u_n.v_c)
//   NCE                 the same for u.v + b - log(K q): exp(u.v + b) becomes normalized
//   full                -(u_w.v_c + b_w) + log sum_i exp(u_i.v_c + b_i), over all words i
//
// As in word2vec, the context predicts the center: skip-gram from each context word by itself, CBOW
// from the mean of their vectors (with the gradient of a mean; word2vec leaves its factor out). One
// set of noise words serves a whole window, so that its gradient is a small matrix product (Ji,
// Satish, Li, Dubey 2016). A noise word that equals the center is ignored in negative sampling, but
// counts as noise in NCE, where leaving it out would be wrong.
//
// Biases b begin at the log of the word's share of the corpus, so that NCE's u.v need to learn only
// what the context adds.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>

#include "partita/base/group.hpp"
#include "partita/base/rows.hpp"
#include "partita/embedding/corpus.hpp"
#include "partita/random/stream.hpp"

namespace partita {

enum class EmbeddingModel : std::uint8_t { skip_gram, cbow };
enum class EmbeddingLoss : std::uint8_t { negative_sampling, nce, full };

/// With word2vec's names and defaults.
struct EmbeddingOptions {
  EmbeddingModel model = EmbeddingModel::skip_gram;
  EmbeddingLoss loss = EmbeddingLoss::negative_sampling;
  std::size_t dim = 100;   ///< length of a vector, 1 ... 65,536
  std::size_t window = 5;  ///< most words to each side, 1 ... 1000; each window draws 1 ... window
  std::size_t negative = 5;  ///< noise words per window, 1 ... 1000; unused by loss full
  double sample = 1e-3;      ///< threshold for subsampling frequent words; 0: none
  std::uint64_t epochs = 5;  ///< >= 1
  /// Initial learning rate; it falls linearly to 1e-4 of it. Default: 0.025, or 0.15 for CBOW,
  /// since word2vec's 0.05 gives each context word the whole gradient of the mean.
  std::optional<double> alpha = {};
  int threads = 1;  ///< >= 1
  /// With one thread, training is a function of corpus, stream, options and the width of the
  /// machine's vectors. More threads update the same weights without locks (Niu, Recht, Ré, Wright
  /// 2011, "Hogwild!"), and no two runs are the same, unless this is set: then ranges of 1024
  /// positions are trained on copies of the rows they touch, and the changes of eight ranges are
  /// combined (Maleki et al. 2021). The result does not depend on the number of threads; see
  /// benchmarks/results/embed.md for the cost. Loss full then runs on one thread.
  bool deterministic = false;
};

struct TrainingUpdate {
  std::uint64_t words;      ///< words passed in all epochs, including before a resume
  std::uint64_t total;      ///< words * epochs
  double words_per_second;  ///< since train() was called
  double seconds_left;      ///< what is left takes at that rate
  double learning_rate;
  double loss;  ///< mean loss per prediction since the last update
};

/// Called from the thread that called train(), a few times a second at most.
using TrainingProgress = std::function<void(const TrainingUpdate&)>;

struct TrainingRun {
  TrainingProgress progress = {};
  std::filesystem::path checkpoint = {};  ///< written every `checkpoint_seconds`; empty: never
  double checkpoint_seconds = 300;
  /// Processes that train together, each the part that its corpus holds (corpus.hpp), or a share of
  /// it where each holds all. They exchange what they have changed, the rows of frequent words
  /// often, those of rare ones seldom; with R of them alpha is min(R, 8)^0.7 times as large.
  /// Every rank then has the same vectors. They are a function of the number of ranks, too, where
  /// they are one of the other arguments. Only rank 0 reports and writes checkpoints, when all rows
  /// have been exchanged; all ranks resume from the same one. With as many ranks, that gives the
  /// same bits; with fewer or more, each goes on after the same share of its part.
  Group* group = &Group::alone();
};

class EmbeddingTrainer {
 public:
  /// Begins with initial weights: inputs uniform on (-1/2, 1/2) / dim, outputs 0. The corpus must
  /// outlive the trainer.
  /// @throws InvalidArgument for an option out of range, or a vocabulary of one word
  EmbeddingTrainer(const Corpus& corpus, const Stream& stream,
                   const EmbeddingOptions& options = {});
  ~EmbeddingTrainer();
  EmbeddingTrainer(const EmbeddingTrainer&) = delete;
  EmbeddingTrainer& operator=(const EmbeddingTrainer&) = delete;

  /// Continues from a checkpoint: with one thread, or deterministic, to the same bits as an
  /// uninterrupted run.
  /// @throws IoError; DataError if it is damaged, or from another corpus, stream or options
  void resume(const std::filesystem::path& checkpoint);

  /// Trains what is left. @throws IoError if a checkpoint cannot be written; Error if the weights
  /// are no longer finite; InvalidArgument if ranks differ in corpus, stream, options or checkpoint
  void train(const TrainingRun& run = {});

  /// The word vectors, [vocabulary, dim], by id.
  Rows vectors() const;
  /// The output vectors, likewise, and their biases, which are 0 for negative sampling.
  Rows output_vectors() const;
  std::span<const float> output_biases() const;

  /// Mean loss per prediction over all training so far, summed in double.
  double loss() const;
  /// Predictions so far: one for each center and context word in skip-gram, one per center in CBOW.
  std::uint64_t predictions() const;

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace partita
