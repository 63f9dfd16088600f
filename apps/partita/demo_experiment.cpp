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
  return decode_utf8(model.decode(h.tokens));
}

DrawnWords draw_words(const NgramModel& model, const WordSet& list, const SearchOptions& search,
                      const DemoOptions& options, std::uint64_t first_part) {
  DrawnWords out;
  const StochasticBeam beam =
      stochastic_beam_search(model, options.k, part(options, first_part)[0], search);
  out.kappa = beam.threshold;
  for (std::size_t i = 0; i < beam.sequences.size(); ++i) {
    const PerturbedHypothesis& h = beam.sequences[i];
    const std::string text = model.decode(h.tokens);
    out.beam.push_back(
        {text, h.log_prob, h.perturbed, beam.weights[i], list.contains(text), false});
  }
  WordSet seen;
  for (const Hypothesis& h :
       ancestral_samples(model, options.k, part(options, first_part + 1), search)) {
    const std::string text = model.decode(h.tokens);
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

/// The first k of `words` as an independent sample, and as a sample without replacement. One beam
/// of the largest k serves all sizes: a smaller beam is its prefix, with the next word's perturbed
/// log-probability for threshold.
void measure_errors(const NgramModel& model, const SearchOptions& search,
                    const DemoOptions& options, std::uint64_t first_part, Setting& setting) {
  const std::size_t n = statistics().size();
  std::vector<ErrorSums> ancestral(n);
  std::vector<ErrorSums> plain(n);
  std::vector<ErrorSums> normalized(n);
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
      const auto& beam = beams[r].sequences;
      std::vector<double> log_prob;
      for (const auto& h : beam) log_prob.push_back(h.log_prob);
      for (std::size_t size = 0; size < std::size(kSizes); ++size) {
        double sum = 0;
        for (std::size_t i = 0; i < std::min(kSizes[size], beam.size()); ++i)
          sum += std::exp(log_prob[i]);
        covered[size].add(sum);
      }
      for (std::size_t s = 0; s < n; ++s) {
        const double truth = setting.expectations[s].reference;
        std::vector<double> values;
        for (const auto& h : beam) values.push_back(statistics()[s].value(characters(model, h)));
        Moments independent;
        std::size_t read = 0;
        for (std::size_t size = 0; size < std::size(kSizes); ++size) {
          for (; read < kSizes[size]; ++read) {
            independent.add(statistics()[s].value(characters(model, samples[r * kLargest + read])));
          }
          ancestral[s].add(size, independent.mean() - truth);
          const std::size_t k = std::min(kSizes[size], beam.size());
          const double threshold = k < beam.size() ? beam[k].perturbed : beams[r].threshold;
          const Estimate e =
              estimate(std::span(log_prob).first(k), threshold, std::span(values).first(k));
          plain[s].add(size, e.plain - truth);
          normalized[s].add(size, e.normalized - truth);
        }
      }
    }
    meter.update({first + count, options.repetitions, "repetitions"});
  }
  for (std::size_t size = 0; size < std::size(kSizes); ++size) {
    setting.coverage.push_back({kSizes[size], covered[size].mean()});
  }
  for (std::size_t s = 0; s < n; ++s) {
    setting.expectations[s].estimators = {ancestral[s].finish("ancestral"),
                                          plain[s].finish("stochastic beam, plain"),
                                          normalized[s].finish("stochastic beam, normalized")};
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
        seen.insert(model.decode(words[trial * options.k + i].tokens));
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
    return train_ngram(text.lines, {.order = kOrder}, meter.progress());
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
