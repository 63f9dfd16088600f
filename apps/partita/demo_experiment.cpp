#include "demo_experiment.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <functional>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "partita/io/text.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/estimators.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "terminal.hpp"

namespace partita::app {
namespace {

constexpr int kOrder = 6;
constexpr std::size_t kLongestWord = 40;
constexpr double kTemperatures[] = {1.0, 0.1};
constexpr std::size_t kSizes[] = {10, 50, 250};
constexpr std::size_t kLargest = 250;

using WordSet = std::unordered_set<std::string>;

/// Every part of the demo draws from streams of its own: 2^40 of them.
Streams part(const DemoOptions& options, std::uint64_t number) {
  return {options.seed, number << 40U};
}

/// A function of a word whose expectation is estimated.
struct Statistic {
  std::string name;
  std::function<double(const std::u32string&)> value;
};

const std::vector<Statistic>& statistics() {
  static const std::vector<Statistic> all = {
      {"word length", [](const std::u32string& word) { return static_cast<double>(word.size()); }},
      {"P(ends in \"ing\")",
       [](const std::u32string& word) { return word.ends_with(U"ing") ? 1.0 : 0.0; }}};
  return all;
}

std::u32string characters(const NgramModel& model, const Hypothesis& h) {
  return decode_utf8(model.units().decode(h.tokens));
}

DrawnWords draw_words(const NgramModel& model, const WordSet& list, const SearchOptions& search,
                      const DemoOptions& options, std::uint64_t first_part) {
  DrawnWords out;
  const StochasticBeam beam =
      stochastic_beam_search(model, options.k, part(options, first_part)[0], search);
  out.kappa = beam.threshold;
  for (std::size_t i = 0; i < beam.sequences.size(); ++i) {
    const PerturbedHypothesis& h = beam.sequences[i];
    const std::string text = model.units().decode(h.tokens);
    out.beam.push_back(
        {text, h.log_prob, h.perturbed, beam.weights[i], list.contains(text), false});
  }
  WordSet seen;
  for (const Hypothesis& h :
       ancestral_samples(model, options.k, part(options, first_part + 1), search)) {
    const std::string text = model.units().decode(h.tokens);
    out.ancestral.push_back(
        {text, h.log_prob, 0, 0, list.contains(text), !seen.insert(text).second});
  }
  return out;
}

/// Sums for a mean and its standard error.
struct Moments {
  double n = 0;
  double sum = 0;
  double squares = 0;

  void add(double x) {
    n += 1;
    sum += x;
    squares += x * x;
  }
  double mean() const { return sum / n; }
  double variance() const { return std::max(0.0, squares / n - mean() * mean()); }
  double error() const { return std::sqrt(variance() / n); }
};

void count_length(std::vector<double>& counts, std::size_t length) {
  counts.resize(std::max(counts.size(), length + 1));
  counts[length] += 1;
}

void normalize(std::vector<double>& counts, std::size_t total) {
  for (double& count : counts) count /= static_cast<double>(total);
}

/// The expectations from many independent samples, which every estimate is compared with.
void measure_reference(const NgramModel& model, const SearchOptions& search,
                       const DemoOptions& options, std::uint64_t part_number, Setting& setting) {
  constexpr std::size_t kBatch = 50'000;
  std::vector<Moments> moments(statistics().size());
  Meter meter(fmt::format("reference at temperature {}", setting.temperature));
  for (std::size_t first = 0; first < options.reference_samples; first += kBatch) {
    const std::size_t n = std::min(kBatch, options.reference_samples - first);
    const Stream begin = part(options, part_number)[first];
    for (const Hypothesis& h : ancestral_samples(model, n, begin, search)) {
      const std::u32string word = characters(model, h);
      count_length(setting.length_share, word.size());
      for (std::size_t s = 0; s < moments.size(); ++s) moments[s].add(statistics()[s].value(word));
    }
    meter.update({first + n, options.reference_samples, "words"});
  }
  normalize(setting.length_share, options.reference_samples);
  for (std::size_t s = 0; s < moments.size(); ++s) {
    setting.expectations[s].reference = moments[s].mean();
    setting.expectations[s].reference_error = moments[s].error();
  }
}

/// Errors of one estimator of one expectation, one Moments of errors and of their squares a k.
struct ErrorSums {
  Moments errors[std::size(kSizes)];
  Moments squares[std::size(kSizes)];

  void add(std::size_t size, double error) {
    errors[size].add(error);
    squares[size].add(error * error);
  }
  Estimator finish(std::string name) const {
    Estimator out{std::move(name), {}};
    for (std::size_t i = 0; i < std::size(kSizes); ++i) {
      const double rmse = std::sqrt(squares[i].mean());
      out.errors.push_back(
          {kSizes[i], rmse, rmse > 0 ? squares[i].error() / (2 * rmse) : 0, errors[i].mean()});
    }
    return out;
  }
};

/// The errors of every estimator of one expectation.
struct EstimatorSums {
  ErrorSums ancestral;
  ErrorSums plain;
  ErrorSums normalized;
};

template <class Words>
std::vector<double> values_of(const NgramModel& model, const Statistic& statistic,
                              const Words& words) {
  std::vector<double> out;
  out.reserve(words.size());
  for (const Hypothesis& word : words) out.push_back(statistic.value(characters(model, word)));
  return out;
}

std::vector<double> log_probs(const StochasticBeam& beam) {
  std::vector<double> out;
  out.reserve(beam.sequences.size());
  for (const Hypothesis& word : beam.sequences) out.push_back(word.log_prob);
  return out;
}

/// The mean of the first k independent values, for each k.
void add_ancestral(std::span<const double> values, double truth, ErrorSums& ancestral) {
  Moments moments;
  for (std::size_t size = 0, read = 0; size < std::size(kSizes); ++size) {
    for (; read < kSizes[size]; ++read) moments.add(values[read]);
    ancestral.add(size, moments.mean() - truth);
  }
}

/// The estimates from the first k words of a beam, for each k: they are the beam of width k, and
/// the next word's perturbed log-probability is its threshold.
void add_beam(const StochasticBeam& beam, std::span<const double> log_prob,
              std::span<const double> values, double truth, EstimatorSums& sums) {
  for (std::size_t size = 0; size < std::size(kSizes); ++size) {
    const std::size_t k = std::min(kSizes[size], values.size());
    const double threshold = k < values.size() ? beam.sequences[k].perturbed : beam.threshold;
    const Estimate e = estimate(log_prob.first(k), threshold, values.first(k));
    sums.plain.add(size, e.plain - truth);
    sums.normalized.add(size, e.normalized - truth);
  }
}

void add_coverage(std::span<const double> log_prob, std::span<Moments> covered) {
  for (std::size_t size = 0; size < std::size(kSizes); ++size) {
    double sum = 0;
    for (const double l : log_prob.first(std::min(kSizes[size], log_prob.size())))
      sum += std::exp(l);
    covered[size].add(sum);
  }
}

/// Repeats both samplers, a group of repetitions at a time, and measures every estimator's error.
void measure_errors(const NgramModel& model, const SearchOptions& search,
                    const DemoOptions& options, std::uint64_t first_part, Setting& setting) {
  std::vector<EstimatorSums> sums(statistics().size());
  Moments covered[std::size(kSizes)];
  Meter meter(fmt::format("estimates at temperature {}", setting.temperature));
  const auto group = static_cast<std::size_t>(std::max(4, 2 * options.threads));
  for (std::size_t first = 0; first < options.repetitions; first += group) {
    const std::size_t count = std::min(group, options.repetitions - first);
    const auto beams = stochastic_beam_search(model, std::vector<Sequence>(count), kLargest,
                                              part(options, first_part)[first], search);
    const auto samples = ancestral_samples(model, count * kLargest,
                                           part(options, first_part + 1)[first * kLargest], search);
    for (std::size_t r = 0; r < count; ++r) {
      const std::vector<double> log_prob = log_probs(beams[r]);
      add_coverage(log_prob, covered);
      for (std::size_t s = 0; s < sums.size(); ++s) {
        const Statistic& statistic = statistics()[s];
        const double truth = setting.expectations[s].reference;
        add_ancestral(
            values_of(model, statistic, std::span(samples).subspan(r * kLargest, kLargest)), truth,
            sums[s].ancestral);
        add_beam(beams[r], log_prob, values_of(model, statistic, beams[r].sequences), truth,
                 sums[s]);
      }
    }
    meter.update({first + count, options.repetitions, "repetitions"});
  }
  for (std::size_t size = 0; size < std::size(kSizes); ++size) {
    setting.coverage.push_back({kSizes[size], covered[size].mean()});
  }
  for (std::size_t s = 0; s < sums.size(); ++s) {
    setting.expectations[s].estimators = {sums[s].ancestral.finish("ancestral"),
                                          sums[s].plain.finish("stochastic beam, plain"),
                                          sums[s].normalized.finish("stochastic beam, normalized")};
  }
}

/// How often independent samples repeat themselves, from cold to warm.
std::vector<DistinctAt> measure_distinct(const NgramModel& model, const SearchOptions& search,
                                         const DemoOptions& options, std::uint64_t part_number) {
  constexpr std::size_t kTrials = 100;
  std::vector<DistinctAt> out;
  for (int tenths = 1; tenths <= 10; ++tenths) {
    SearchOptions at = search;
    at.filter.temperature = tenths / 10.0;
    const auto words =
        ancestral_samples(model, kTrials * options.k, part(options, part_number), at);
    Moments distinct;
    for (std::size_t trial = 0; trial < kTrials; ++trial) {
      std::unordered_set<std::string> seen;
      for (std::size_t i = 0; i < options.k; ++i)
        seen.insert(model.units().decode(words[trial * options.k + i].tokens));
      distinct.add(static_cast<double>(seen.size()));
    }
    out.push_back({at.filter.temperature, distinct.mean(), distinct.error()});
  }
  return out;
}

}  // namespace

std::size_t count_repeats(std::span<const DrawnWord> words) {
  return static_cast<std::size_t>(
      std::count_if(words.begin(), words.end(), [](const DrawnWord& w) { return w.repeated; }));
}

std::size_t count_outside_list(std::span<const DrawnWord> words) {
  return static_cast<std::size_t>(
      std::count_if(words.begin(), words.end(), [](const DrawnWord& w) { return !w.in_list; }));
}

DemoResult run_demo(const DemoOptions& options) {
  const TextLines text = read_lines(options.words);
  for (const std::string& line : text.notes) note(line);
  const NgramModel model = [&] {
    Meter meter("counting");
    return train_ngram(TextUnits::learn(UnitKind::character, text.lines), text.lines,
                       {.order = kOrder}, meter.progress());
  }();
  const WordSet list(text.lines.begin(), text.lines.end());

  DemoResult result;
  result.lines = text.lines.size();
  result.characters = model.vocabulary_size() - 1;
  result.order = model.order();
  std::vector<Moments> list_moments(statistics().size());
  for (const std::string& line : text.lines) {
    const std::u32string word = decode_utf8(line);
    count_length(result.list_length_share, word.size());
    for (std::size_t s = 0; s < list_moments.size(); ++s)
      list_moments[s].add(statistics()[s].value(word));
  }
  normalize(result.list_length_share, text.lines.size());

  SearchOptions search;
  search.max_length = kLongestWord;
  search.threads = options.threads;
  result.distinct = measure_distinct(model, search, options, 1);
  std::uint64_t next_part = 2;
  for (const double temperature : kTemperatures) {
    Setting setting;
    setting.temperature = temperature;
    search.filter.temperature = temperature;
    for (std::size_t s = 0; s < statistics().size(); ++s) {
      setting.expectations.push_back({statistics()[s].name, list_moments[s].mean(), 0, 0, {}});
    }
    setting.words = draw_words(model, list, search, options, next_part);
    measure_reference(model, search, options, next_part + 2, setting);
    measure_errors(model, search, options, next_part + 3, setting);
    next_part += 5;
    result.settings.push_back(std::move(setting));
  }
  return result;
}

}  // namespace partita::app
