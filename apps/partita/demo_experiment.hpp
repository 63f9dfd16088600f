// What `partita demo` measures, apart from how it is shown: words drawn by two samplers, and how
// well each estimates two expectations under the model.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <unordered_set>
#include <vector>

#include "partita/text/ngram.hpp"

namespace partita::app {

struct DemoOptions {
  std::string words;
  std::string report;
  std::size_t k = 25;
  std::size_t reference_samples = 1'000'000;
  std::size_t repetitions = 200;
  std::uint64_t seed = 0;
  int threads = 1;
};

struct DrawnWord {
  std::string text;
  double log_prob = 0;
  double gumbel = 0;  ///< stochastic beam only
  double weight = 0;  ///< stochastic beam only
  bool in_list = false;
  bool repeated = false;  ///< was drawn before
};

/// k words by each sampler.
struct DrawnWords {
  std::vector<DrawnWord> beam;
  double kappa = 0;
  std::vector<DrawnWord> ancestral;
};
std::size_t count_repeats(std::span<const DrawnWord> words);
std::size_t count_outside_list(std::span<const DrawnWord> words);

/// The error of an estimator at one k, over repetitions.
struct EstimatorError {
  std::size_t k = 0;
  double rmse = 0;
  double rmse_error = 0;  ///< standard error of rmse
  double bias = 0;
};

struct Estimator {
  std::string name;
  std::vector<EstimatorError> errors;  ///< one a k
};

/// One expectation under the model.
struct Expectation {
  std::string name;
  double in_list = 0;          ///< its value over the word list itself
  double reference = 0;        ///< from many independent samples
  double reference_error = 0;  ///< standard error
  std::vector<Estimator> estimators;
};

/// How much of the model's probability the first k words of a beam hold, on average.
struct Coverage {
  std::size_t k = 0;
  double share = 0;
};

/// All that is done at one temperature.
struct Setting {
  double temperature = 1;
  DrawnWords words;
  std::vector<Expectation> expectations;
  std::vector<Coverage> coverage;
  std::vector<double> length_share;  ///< [i]: probability of i characters, from the reference
};

/// How many of k independent words are different, on average.
struct DistinctAt {
  double temperature = 1;
  double mean = 0;
  double error = 0;  ///< standard error
};

struct DemoResult {
  std::size_t lines = 0;
  std::size_t characters = 0;
  int order = 0;
  std::vector<double> list_length_share;  ///< [i]: share of the list's words with i characters
  std::vector<Setting> settings;
  std::vector<DistinctAt> distinct;
};

/// Notes on the word list, and progress, go to standard error.
/// @throws IoError, DataError if the word list cannot be used
DemoResult run_demo(const DemoOptions& options);

}  // namespace partita::app
