// SPDX-License-Identifier: Apache-2.0
// What `partita seqgan` does: data, the phases of training, measurements. This header needs no
// libtorch, so that the report and the command line compile without it.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "apps/experiments/run.hpp"
#include "partita/io/text.hpp"

namespace partita::app {

/// The reward of a sequence, from the discriminator's D: D itself, as in the paper; or log D -
/// log(1 - D).
enum class SeqganReward : std::uint8_t { probability, log_odds };

inline constexpr auto kSeqganRewards = names<SeqganReward>(
    {{"probability", SeqganReward::probability}, {"log-odds", SeqganReward::log_odds}});

/// What the policy gradient subtracts; whether the generator's loss is its sequences' mean or sum;
/// whether the discriminator's batches hold as many real sequences as generated ones; how its
/// highway begins; and whether its last layer has one column or the two of a softmax.
enum class SeqganBaseline : std::uint8_t { leave_one_out, none };
enum class SeqganLoss : std::uint8_t { mean, sum };
enum class SeqganBatches : std::uint8_t { balanced, mixed };
enum class SeqganHighway : std::uint8_t { normal, glorot };
enum class SeqganColumns : std::uint8_t { one, two };

inline constexpr auto kSeqganBaselines = names<SeqganBaseline>(
    {{"leave-one-out", SeqganBaseline::leave_one_out}, {"none", SeqganBaseline::none}});
inline constexpr auto kSeqganLosses =
    names<SeqganLoss>({{"mean", SeqganLoss::mean}, {"sum", SeqganLoss::sum}});
inline constexpr auto kSeqganBatches =
    names<SeqganBatches>({{"balanced", SeqganBatches::balanced}, {"mixed", SeqganBatches::mixed}});
inline constexpr auto kSeqganHighways =
    names<SeqganHighway>({{"normal", SeqganHighway::normal}, {"glorot", SeqganHighway::glorot}});
inline constexpr auto kSeqganColumns =
    names<SeqganColumns>({{"one", SeqganColumns::one}, {"two", SeqganColumns::two}});

/// Convolutions of the discriminator: `count` filters over `width` tokens.
struct SeqganFilters {
  std::int64_t width;
  std::int64_t count;
};

struct SeqganOptions {
  // What is learned.
  std::int64_t vocabulary = 100;  // oracle
  std::int64_t sequences = 5000;  // oracle: to learn from, and as many held out
  std::string corpus;             // text: the file's name
  std::int64_t length = 20;
  double held_out = 0.05;  // text: share of the lines
  // Networks.
  std::int64_t hidden = 32;
  std::vector<SeqganFilters> filters = {{1, 32}, {2, 32}, {3, 32}, {4, 32}, {5, 32}};
  std::int64_t features = 32;
  double dropout = 0.25;
  SeqganHighway highway = SeqganHighway::normal;
  double gate_bias = -2;
  SeqganColumns columns = SeqganColumns::one;
  // Training.
  std::int64_t batch = 64;
  double mle_epochs = 25;
  std::uint64_t patience = 0;  // of each of the learners
  double mle_rate = 1e-2;
  double final_teacher = 0.9;  // oracle: scheduled sampling's
  std::uint64_t pretraining = 30;
  std::uint64_t iterations = 100;
  std::uint64_t evaluate_every = 5;
  SeqganReward reward = SeqganReward::log_odds;
  std::int64_t rollouts = 4;
  double update_rate = 0.8;
  std::int64_t g_steps = 4;
  std::int64_t d_steps = 1;
  std::int64_t d_epochs = 1;
  std::int64_t negatives = 1280;
  double g_rate = 1e-3;
  double d_rate = 1e-3;
  double penalty = 0.2;
  double clip_norm = 5;
  double d_clip_norm = 5;
  double final_rate = 0.1;  // of mle_rate and g_rate
  SeqganBaseline baseline = SeqganBaseline::leave_one_out;
  SeqganLoss loss = SeqganLoss::mean;
  SeqganBatches d_batches = SeqganBatches::balanced;
  // The run.
  std::int64_t samples = 2000;  // drawn for a measurement
  RunOptions run;
  std::string output;  // text: file for the generator; empty: none
  std::uint64_t seed = 0;
  int threads = 1;
};

/// The settings of Yu et al. (2017) and their code.
SeqganOptions seqgan_paper_preset();
/// The same with the small discriminator and sets of 2,000 sequences: an hour or two on two cores.
SeqganOptions seqgan_paper_lite_preset();
/// Defaults for words.
SeqganOptions seqgan_text_defaults();
/// Defaults for trajectories.
SeqganOptions seqgan_continuous_defaults();

/// Values over the steps of a phase.
struct SeqganCurve {
  std::string name;
  std::vector<double> step = {};
  std::vector<double> value = {};
};

struct SeqganPhase {
  std::string name;
  std::uint64_t steps = 0;
  double seconds = 0;
  std::vector<SeqganCurve> curves = {};
};

/// The curve of that name; without points if there is none.
SeqganCurve curve_of(const SeqganPhase& phase, const std::string& name);

/// How good and how diverse a generator's samples are.
struct SeqganQuality {
  std::string name;
  double oracle_nll = 0;        // nats per element
  double oracle_nll_error = 0;  // standard error over the sequences
  double held_out_nll = 0;      // oracle data under the generator; NaN if unknown
  double distinct = 0;          // share of the samples that differ from all before them
};

/// A generator at falling temperatures of its softmax: Caccia, Caccia, Fedus, Larochelle, Pineau,
/// Charlin (2020), "Language GANs falling short", which trade diversity for quality.
struct SeqganSweep {
  std::string name;
  std::vector<double> temperatures = {};
  std::vector<SeqganQuality> quality = {};  // as many
};

struct SeqganOracleResult {
  std::vector<SeqganQuality> quality = {};  // oracle, random, MLE, scheduled sampling, SeqGAN
  std::vector<SeqganSweep> sweeps = {};     // of the three generators
  std::vector<SeqganPhase> phases = {};
};

/// @throws InvalidArgument, IoError, DataError
SeqganOracleResult run_seqgan_oracle(const SeqganOptions& options, const Phases& phases = {});

struct SeqganTextQuality {
  std::string name = {};
  double held_out_nll = 0;  // nats per token
  double distinct = 0;
  double in_corpus = 0;  // share of the samples that are lines of the corpus
  double held_out = 0;   // share that are held-out lines
  std::vector<std::string> samples = {};
};

struct SeqganTextResult {
  std::uint64_t lines = 0;                      // number learned from
  std::uint64_t too_long = 0;                   // number left out
  std::uint64_t tokens = 0;                     // number of kinds, the end included
  std::vector<SeqganTextQuality> quality = {};  // MLE, SeqGAN
  std::vector<SeqganPhase> phases = {};
};

/// @param text the lines of options.corpus
/// @throws InvalidArgument, IoError, DataError
SeqganTextResult run_seqgan_text(const TextLines& text, const SeqganOptions& options,
                                 const Phases& phases = {});

/// Trajectories in the plane, and how near a generator comes to those of an oracle.
struct SeqganContinuousQuality {
  std::string name;
  double oracle_nll = 0;        // nats per point
  double oracle_nll_error = 0;  // standard error over the trajectories
  double held_out_nll = 0;      // trajectories of the oracle under the generator
  double mean_distance = 0;     // of the mean trajectory from the oracle's, averaged over time
  std::vector<double> x = {};   // points of some trajectories
  std::vector<double> y = {};
  std::vector<double> mean_x = {};  // the mean trajectory
  std::vector<double> mean_y = {};
};

struct SeqganContinuousResult {
  std::vector<SeqganContinuousQuality> quality = {};  // oracle, untrained, MLE, SeqGAN
  std::vector<SeqganPhase> phases = {};
};

/// @throws InvalidArgument, IoError, DataError
SeqganContinuousResult run_seqgan_continuous(const SeqganOptions& options,
                                             const Phases& phases = {});

}  // namespace partita::app
