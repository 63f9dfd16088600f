// What `partita nce` measures, apart from how it is shown: one model of word pairs trained by
// several losses, what a step costs, and two variational problems solved by number.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "partita/random/stream.hpp"

namespace partita::app {

struct NceExperimentOptions {
  std::string corpus;
  std::string report;
  std::size_t vocabulary = 10'000;   ///< words at most, the most frequent ones
  std::int64_t dim = 64;             ///< size of the embeddings
  std::int64_t batch = 256;          ///< pairs per step
  std::int64_t steps = 2'000;        ///< steps per loss
  double noise_exponent = 1;         ///< noise is unigram^noise_exponent
  std::int64_t largest = 1'000'000;  ///< outputs up to which steps are timed
  std::uint64_t seed = 0;
  int threads = 1;
};

/// The children of the seed's stream.
enum class NceDraw : std::uint64_t { weights, order, noise, timed, ratio, path };

inline Stream nce_stream(const NceExperimentOptions& options, NceDraw draw) {
  return Stream{.seed = options.seed}.child(static_cast<std::uint64_t>(draw));
}

/// A model on the held-out pairs, after some steps.
struct CurvePoint {
  std::int64_t step = 0;
  double seconds = 0;  ///< spent training, without evaluations
  double perplexity = 0;
  double mean_log_z = 0;
  double log_z_deviation = 0;  ///< standard deviation over the contexts of the held-out pairs
};

/// A loss, and the model that it trains.
struct LossResult {
  std::string name;
  std::int64_t noise = 0;  ///< draws per pair; 0 for the full softmax
  std::vector<CurvePoint> curve = {};
  /// Negative sampling's perplexity when log(k q) is added to its scores.
  std::optional<double> corrected_perplexity = {};
};

/// Seconds of a training step with V outputs.
struct StepTime {
  std::int64_t outputs;
  double nce;
  double sampled_softmax;
  double full_softmax;
};

/// D6: the functional whose maximum NCE finds, J(G) = sum over a grid of p log(1 / (1 + G)) +
/// nu q log(G / (1 + G)), maximized over every value of G, and the closed form of that, nu q / p.
struct RatioCheck {
  double nu = 0;
  std::vector<double> x = {};
  std::vector<double> start = {};
  std::vector<double> found = {};
  std::vector<double> closed_form = {};
  double largest_error = 0;  ///< relative
};

/// D7: heights of a path over a grid, whose length was minimized.
struct PathCheck {
  std::vector<double> x = {};
  std::vector<double> start = {};
  std::vector<double> found = {};
  double length = 0;
  double straight_length = 0;
  double largest_error = 0;  ///< of a height, from the straight line
};

struct NceExperimentResult {
  std::size_t vocabulary = 0;
  std::int64_t train_pairs = 0;
  std::int64_t held_out_pairs = 0;
  double unigram_perplexity = 0;  ///< of the held-out words, without their contexts
  std::vector<LossResult> losses = {};
  std::vector<StepTime> step_times = {};
  RatioCheck ratio = {};
  PathCheck path = {};
};

inline constexpr std::int64_t kTimedBatch = 64;
inline constexpr std::int64_t kTimedNoise = 25;

/// Progress goes to standard error.
/// @throws IoError, DataError if the corpus cannot be read or has too few words
NceExperimentResult run_nce(const NceExperimentOptions& options);

// Its parts.
std::vector<StepTime> time_steps(const NceExperimentOptions& options);
RatioCheck check_ratio(const Stream& stream);
PathCheck check_path(const Stream& stream);

}  // namespace partita::app
