// SPDX-License-Identifier: Apache-2.0
// What a language model's sequences look like on average, from few of them: the expected length and
// the entropy of a small LSTM, by estimators that never draw a sequence twice, against a long run
// of ordinary sampling.
//
//   example_sequence_estimators                  trains the LSTM on words made up here
//   example_sequence_estimators words.model      a model of `partita lm train --kind lstm`
//
// For each k the table shows the mean of the estimates over repeated samples of k sequences, and
// their root mean square error against the long run.
#include <ATen/ATen.h>
#include <ATen/Parallel.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <functional>
#include <span>
#include <string>
#include <vector>

#include "partita/learn/estimators/leave_one_out.hpp"
#include "partita/learn/language/text_training.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/stochastic_beam.hpp"

namespace {

using namespace partita;  // NOLINT(google-build-using-namespace)

constexpr std::size_t kLongRun = 100'000;  // sequences
const SearchOptions kSearch{.max_length = 40};

/// Words of one to four syllables, some of them likelier than others.
std::vector<std::string> made_up_words() {
  constexpr std::array kSyllables = {"ka", "lo", "mi", "ren", "sta", "tu", "vi", "pom"};
  std::vector<std::string> words;
  for (std::uint64_t i = 0; i < 2000; ++i) {
    Draws draws({.seed = 7, .id = i});
    std::string word;
    do {
      const double u = draws.uniform();
      word += kSyllables.at(static_cast<std::size_t>(8 * u * u));
    } while (draws.uniform() < 0.5 && word.size() < 12);
    words.push_back(std::move(word));
  }
  return words;
}

language::TextModel trained() {
  const std::vector<std::string> words = made_up_words();
  language::TextModel model =
      language::TextModel::make(TextUnits::learn(UnitKind::character, words),
                                language::LstmOptions{.dim = 32}, Stream{.seed = 1});
  train(model, words, losses::FullSoftmaxLoss(), {.seed = 1, .id = 1},
        {.epochs = 3, .batch = 32, .learning_rate = 1e-2});
  return model;
}

/// Estimates E f from k different sequences, given their log-probabilities, the values of f, and
/// how likely what was left out is.
using Estimator = double (*)(std::span<const double> log_prob, double kappa,
                             std::span<const double> values);

double importance_weighted(std::span<const double> log_prob, double kappa,
                           std::span<const double> values) {
  return estimate(log_prob, kappa, values).plain;
}
double normalized(std::span<const double> log_prob, double kappa, std::span<const double> values) {
  return estimate(log_prob, kappa, values).normalized;
}
double unordered_set(std::span<const double> log_prob, double /*kappa*/,
                     std::span<const double> values) {
  const Tensor log_p = at::tensor(at::ArrayRef<double>(log_prob.data(), log_prob.size()));
  const Tensor rest = at::log1p(-log_p.exp().sum().clamp_max(1));
  const Tensor weights =
      estimators::leave_one_out_ratios(log_p.unsqueeze(0), rest.view({1})).first[0];
  return weights.dot(at::tensor(at::ArrayRef<double>(values.data(), values.size()))).item<double>();
}

struct Named {
  const char* name;
  Estimator estimator;
};
constexpr std::array<Named, 3> kEstimators = {{{"importance-weighted", importance_weighted},
                                               {"normalized", normalized},
                                               {"unordered set", unordered_set}}};

using Function = std::function<double(const Hypothesis&)>;

struct Quantity {
  const char* name;
  Function f;
};

/// Mean and root mean square error of estimates.
class Summary {
 public:
  explicit Summary(double truth) : truth_(truth) {}
  void add(double estimate) {
    ++n_;
    sum_ += estimate;
    squares_ += (estimate - truth_) * (estimate - truth_);
  }
  double mean() const { return sum_ / n_; }
  double error() const { return std::sqrt(squares_ / n_); }

 private:
  double truth_;
  double n_ = 0;
  double sum_ = 0;
  double squares_ = 0;
};

}  // namespace

int main(int argc, char** argv) {  // NOLINT(bugprone-exception-escape): an error ends the example
  at::set_num_threads(1);          // small matrices
  const language::TextModel text = argc > 1 ? language::TextModel::load(argv[1]) : trained();
  const language::NeuralSequenceModel model = text.sequences();

  const std::array<Quantity, 2> quantities = {
      {{"length", [](const Hypothesis& h) { return static_cast<double>(h.tokens.size()); }},
       {"entropy", [](const Hypothesis& h) { return -h.log_prob; }}}};

  const auto run = ancestral_samples(model, {}, kLongRun, Stream{1}, kSearch);
  std::array<double, 2> truth{};
  for (std::size_t q = 0; q < 2; ++q) {
    for (const Hypothesis& h : run) truth[q] += quantities[q].f(h) / kLongRun;
    double variance = 0;
    for (const Hypothesis& h : run) variance += std::pow(quantities[q].f(h) - truth[q], 2);
    std::printf("%-8s %8.4f +- %.4f from %zu sequences\n", quantities[q].name, truth[q],
                std::sqrt(variance) / kLongRun, kLongRun);
  }

  std::printf("\n%4s  %-20s   %20s   %20s\n", "k", "", quantities[0].name, quantities[1].name);
  for (const std::size_t k : {4U, 16U, 64U, 256U}) {
    const std::size_t repetitions = 8192 / k;
    // As many searches side by side, each with a stream of its own.
    const auto beams = stochastic_beam_search(model, std::vector<Sequence>(repetitions), k,
                                              Stream{2}.child(k), kSearch);
    const auto print_row = [&](const char* name, const auto& estimates) {
      std::printf("%4zu  %-20s", k, name);
      for (std::size_t q = 0; q < quantities.size(); ++q) {
        Summary summary(truth[q]);
        for (std::size_t r = 0; r < repetitions; ++r) summary.add(estimates(r, quantities[q].f));
        std::printf("   %8.4f +- %8.4f", summary.mean(), summary.error());
      }
      std::printf("\n");
    };
    for (const auto& [name, estimator] : kEstimators) {
      print_row(name, [&, &with = estimator](std::size_t r, const Function& f) {
        std::vector<double> log_prob;
        std::vector<double> values;
        for (const Hypothesis& h : beams[r].sequences) {
          log_prob.push_back(h.log_prob);
          values.push_back(f(h));
        }
        return with(log_prob, beams[r].threshold, values);
      });
    }
    print_row("ordinary sampling", [&](std::size_t r, const Function& f) {
      double sum = 0;
      for (std::size_t i = 0; i < k; ++i) sum += f(run[r * k + i]);
      return sum / static_cast<double>(k);
    });
  }
}
