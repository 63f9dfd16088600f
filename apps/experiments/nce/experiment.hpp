// SPDX-License-Identifier: Apache-2.0
// What `partita nce` measures, apart from how it is shown: one model of word pairs trained by
// several losses, and what a step costs.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "apps/experiments/run.hpp"
#include "partita/random/stream.hpp"

namespace partita::app {

struct NceExperimentOptions {
  std::string corpus;
  std::size_t vocabulary = 10'000;   ///< words at most, the most frequent ones
  std::int64_t dim = 64;             ///< size of the embeddings
  std::int64_t batch = 256;          ///< pairs per step
  std::int64_t steps = 2'000;        ///< steps per loss
  double seconds = 0;                ///< > 0: processor time of each loss, whatever `steps` is
  double noise_exponent = 1;         ///< noise is unigram^noise_exponent
  std::int64_t largest = 1'000'000;  ///< outputs up to which steps are timed
  std::uint64_t seed = 0;
  int threads = 1;
  /// Processes among which the losses are divided: each trains some of them.
  std::shared_ptr<Group> group = {std::shared_ptr<Group>(), &Group::alone()};
};

/// The children of the seed's stream.
enum class NceDraw : std::uint64_t { weights, order, noise, timed };

inline Stream nce_stream(const NceExperimentOptions& options, NceDraw draw) {
  return Stream{.seed = options.seed}.child(static_cast<std::uint64_t>(draw));
}

/// A model's results on the held-out pairs after some steps.
struct CurvePoint {
  std::int64_t step = 0;
  double seconds = 0;  ///< processor time of training, without evaluations
  double perplexity = 0;
  double mean_log_z = 0;
  double log_z_deviation = 0;  ///< standard deviation over the contexts of the held-out pairs
};

enum class LossKind : std::uint8_t {
  full,
  nce,
  nce_log_z,  ///< learns one for each context
  negative_sampling,
  sampled,
  sampled_log_uniform,
  in_batch,
  info_nce,
  hierarchical,
};

/// A loss, and the model that it trains.
struct LossResult {
  std::string name;
  LossKind kind = LossKind::full;
  std::int64_t noise = 0;  ///< draws per pair; 0 for none
  std::vector<CurvePoint> curve = {};
  /// Negative sampling's and InfoNCE's perplexity when log q is added to their scores.
  std::optional<double> corrected_perplexity = {};
};

/// Seconds of a training step with V outputs.
struct StepTime {
  std::int64_t outputs;
  double nce;
  double sampled_softmax;
  double full_softmax;
  double hierarchical_softmax;
};

struct NceExperimentResult {
  std::size_t vocabulary = 0;
  std::int64_t train_pairs = 0;
  std::int64_t held_out_pairs = 0;
  double unigram_perplexity = 0;  ///< the held-out words', without their contexts
  std::vector<LossResult> losses = {};
  std::vector<StepTime> step_times = {};
};

inline constexpr std::int64_t kTimedBatch = 64;
inline constexpr std::int64_t kTimedNoise = 25;

/// Every process of the group gets what all have trained; only the first times steps.
/// @throws IoError, DataError if the corpus cannot be read or has too few words; InvalidArgument if
///         the processes differ in options or corpus
NceExperimentResult run_nce(const NceExperimentOptions& options, const Phases& phases = {});

/// The second part of run_nce(), which needs no corpus.
std::vector<StepTime> time_steps(const NceExperimentOptions& options, const Phases& phases = {});

}  // namespace partita::app
