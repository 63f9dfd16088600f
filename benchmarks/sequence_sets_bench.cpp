// SPDX-License-Identifier: Apache-2.0
// What k sequences say about a model, at equal cost: ./dev bench sequence_sets [WORDS]
//
// The cost is the number of prefixes that the model reads. For each budget, every method gets as
// many sequences as it affords, and estimates the mean length and the entropy of the model's
// sequences, many times over. Both are known exactly, as an n-gram model depends on its last tokens
// alone. The model is one of characters, learned from words that are made up here or from a file.
#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "compare.hpp"
#include "partita/io/text.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/conditional_poisson_beam.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/text/ngram.hpp"

namespace {

using namespace partita;
using namespace partita::benchmark;

constexpr int kOrder = 4;
const SearchOptions kSearch{.max_length = 30};

/// Words of one to five syllables, some of which are likelier than others.
std::vector<std::string> made_up_words() {
  constexpr std::array kSyllables = {"ka",  "lo", "mi",  "ren", "sta", "tu",  "vi", "pom",
                                     "shu", "ga", "bel", "o",   "ti",  "fra", "us", "ne"};
  std::vector<std::string> words;
  for (std::uint64_t i = 0; i < 5000; ++i) {
    Draws draws({.seed = 7, .id = i});
    std::string word;
    int syllables = 0;
    do {
      const double u = draws.uniform();
      word += kSyllables.at(static_cast<std::size_t>(16 * u * u));
    } while (++syllables < 5 && draws.uniform() < 0.6);
    words.push_back(std::move(word));
  }
  return words;
}

/// A model that counts what it reads.
class Counted final : public SequenceModel {
 public:
  explicit Counted(const SequenceModel& model) : model_(&model) {}
  std::size_t vocabulary_size() const override { return model_->vocabulary_size(); }
  Token end_token() const override { return model_->end_token(); }
  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override {
    prefixes_ += static_cast<double>(prefixes.size());
    ++calls_;
    model_->next_logits(prefixes, state, logits);
  }
  double prefixes() const { return prefixes_; }
  double calls() const { return calls_; }

 private:
  const SequenceModel* model_;
  mutable double prefixes_ = 0;
  mutable double calls_ = 0;
};

/// Mean length and entropy of the model's sequences, by following the probability of each context.
std::array<double, 2> truth_of(const SequenceModel& model) {
  std::array<double, 2> truth{};
  std::map<Sequence, double> contexts = {{{}, 1.0}};
  for (std::size_t step = 0; step < kSearch.max_length; ++step) {
    std::map<Sequence, double> following;
    for (const auto& [context, probability] : contexts) {
      std::vector<double> phi(model.vocabulary_size());
      const MutableRows row(phi.data(), 1, phi.size());
      model.next_logits({&context, 1}, nullptr, row);
      log_softmax(row, row);
      for (std::size_t i = 0; i < phi.size(); ++i) {
        const double p = probability * std::exp(phi[i]);
        truth[1] -= p * phi[i];
        if (static_cast<Token>(i) == model.end_token()) continue;
        truth[0] += p;
        Sequence next = context;
        next.push_back(static_cast<Token>(i));
        if (next.size() == kOrder) next.erase(next.begin());
        following[next] += p;
      }
    }
    contexts = std::move(following);
  }
  return truth;
}

/// What a method draws: sequences and their weights, which are 1 / n for samples of the model's
/// law.
struct Set {
  std::vector<Hypothesis> sequences;
  std::vector<double> weights;
};

Set evenly_weighted(std::vector<Hypothesis> sequences) {
  const std::size_t n = sequences.size();
  return {std::move(sequences), std::vector<double>(n, 1 / static_cast<double>(n))};
}

Set unique(const SequenceModel& model, std::size_t k, const Stream& stream) {
  UniqueSampler sampler(model, {}, stream, kSearch);
  Set out;
  for (std::size_t i = 0; i < k; ++i) out.sequences.push_back(*sampler.next());
  for (const Hypothesis& sequence : out.sequences) {
    out.weights.push_back(importance_weight(sequence.log_prob, sampler.threshold()));
  }
  return out;
}

using Method = std::function<Set(const SequenceModel&, std::size_t k, const Stream&)>;

const std::vector<std::pair<const char*, Method>> kMethods = {
    {"ancestral",
     [](const SequenceModel& model, std::size_t k, const Stream& stream) {
       return evenly_weighted(ancestral_samples(model, {}, k, stream, kSearch));
     }},
    {"arithmetic",
     [](const SequenceModel& model, std::size_t k, const Stream& stream) {
       return evenly_weighted(arithmetic_samples(model, {}, k, stream, kSearch));
     }},
    {"stochastic beam",
     [](const SequenceModel& model, std::size_t k, const Stream& stream) {
       StochasticBeam beam = stochastic_beam_search(model, {}, k, stream, kSearch);
       return Set{{beam.sequences.begin(), beam.sequences.end()}, std::move(beam.weights)};
     }},
    {"unique", unique},
    {"conditional Poisson beam",
     [](const SequenceModel& model, std::size_t k, const Stream& stream) {
       auto beam = conditional_poisson_beam_search(model, {}, k, stream, kSearch);
       return Set{std::move(beam.sequences), std::move(beam.weights)};
     }},
};

/// The largest k for which a set of the method costs no more than the budget, on average.
std::size_t affordable(const SequenceModel& model, const Method& method, double budget) {
  const auto costs = [&](std::size_t k) {
    constexpr std::size_t kTrials = 20;
    const Counted counted(model);
    for (std::size_t trial = 0; trial < kTrials; ++trial)
      method(counted, k, Stream{1}.child(trial));
    return counted.prefixes() / kTrials;
  };
  std::size_t low = 1;
  std::size_t high = 2;
  for (; costs(high) <= budget; high *= 2) low = high;
  while (high - low > 1) {
    const std::size_t middle = (low + high) / 2;
    (costs(middle) <= budget ? low : high) = middle;
  }
  return low;
}

void bench(const SequenceModel& model, const std::array<double, 2>& truth, double budget) {
  const auto sets = static_cast<std::size_t>(std::clamp(400'000 / budget, 500.0, 4000.0));
  for (const auto& [name, method] : kMethods) {
    const std::size_t k = affordable(model, method, budget);
    const Counted counted(model);
    double distinct = 0;
    std::array<double, 2> plain{};
    std::array<double, 2> normalized{};
    for (std::size_t i = 0; i < sets; ++i) {
      const Set set = method(counted, k, Stream{2}.child(i));
      std::set<std::pair<Sequence, bool>> different;
      std::array<std::vector<double>, 2> values;
      for (const Hypothesis& sequence : set.sequences) {
        different.insert({sequence.tokens, sequence.finished});
        values[0].push_back(static_cast<double>(sequence.tokens.size()));
        values[1].push_back(-sequence.log_prob);
      }
      distinct += static_cast<double>(different.size()) / static_cast<double>(sets);
      for (std::size_t q = 0; q < 2; ++q) {
        const Estimate of = estimate(set.weights, values[q]);
        plain[q] += std::pow(of.plain - truth[q], 2) / static_cast<double>(sets);
        normalized[q] += std::pow(of.normalized - truth[q], 2) / static_cast<double>(sets);
      }
    }
    const auto error = [](double square) { return fmt::format("{:.3f}", std::sqrt(square)); };
    print_row({name, fmt::format("{:.0f}", counted.prefixes() / static_cast<double>(sets)),
               fmt::format("{:.0f}", counted.calls() / static_cast<double>(sets)),
               fmt::format("{}", k), fmt::format("{:.1f}", distinct), error(plain[0]),
               error(normalized[0]), error(plain[1]), error(normalized[1])});
  }
}

}  // namespace

int main(int argc, char** argv) {
  const std::vector<std::string> words = argc > 1 ? read_lines(argv[1]).lines : made_up_words();
  const NgramModel model =
      train_ngram(TextUnits::learn(UnitKind::character, words), words, {.order = kOrder});
  const std::array<double, 2> truth = truth_of(model);
  fmt::print("mean length {:.4f}, entropy {:.4f} nats\n\n", truth[0], truth[1]);
  print_header({"method", "prefixes", "calls", "sequences", "distinct", "length: error",
                "normalized", "entropy: error", "normalized"});
  for (const double budget : {64.0, 256.0, 1024.0}) bench(model, truth, budget);
}
