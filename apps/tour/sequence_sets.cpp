// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/sequence_sets.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <map>
#include <numeric>
#include <set>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/small_texts.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/conditional_poisson_beam.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/minimum_bayes_risk.hpp"
#include "partita/search/stochastic_beam.hpp"

namespace partita::app {
namespace {

double zeros(const Sequence& text) {
  return static_cast<double>(std::count(text.begin(), text.end(), 0));
}

/// An estimate of how many zeros there are in a text.
template <class Hypotheses>
Estimate mean_zeros(const Hypotheses& sequences, std::span<const double> weights) {
  std::vector<double> values;
  for (const Hypothesis& sequence : sequences) values.push_back(zeros(sequence.tokens));
  return estimate(weights, values);
}

/// One step of a beam of three over six tokens: its sets against the products of their odds, and
/// its weights against p / pi.
std::vector<Check> one_step(const TourContext& context) {
  const std::size_t n = context.choose(100'000U, 20'000U);
  const CallableModel model = random_model(6, 1);
  std::vector<double> p;
  for (const auto& [text, log_prob] : texts_of(model, 1)) p.push_back(std::exp(log_prob));
  std::map<std::size_t, double> expected;  // by the set, as a bit mask
  double sum = 0;
  for (std::size_t set = 0; set < 64; ++set) {
    if (std::popcount(set) != 3) continue;
    double weight = 1;
    for (std::size_t i = 0; i < 6; ++i) weight *= (set >> i & 1U) != 0 ? p[i] / (1 - p[i]) : 1;
    expected[set] = weight;
    sum += weight;
  }
  std::vector<double> pi(6);
  for (auto& [set, weight] : expected) {
    weight /= sum;
    for (std::size_t i = 0; i < 6; ++i) pi[i] += (set >> i & 1U) != 0 ? weight : 0;
  }
  std::map<std::size_t, double> counts;
  double largest = 0;
  for (const auto& beam : conditional_poisson_beam_search(model, std::vector<Sequence>(n), 3,
                                                          context.stream(0), {.max_length = 1})) {
    std::size_t set = 0;
    for (std::size_t i = 0; i < 3; ++i) {
      const auto token = static_cast<std::size_t>(beam.sequences[i].tokens[0]);
      set |= std::size_t{1} << token;
      largest = std::max(largest, std::abs(beam.weights[i] - p[token] / pi[token]));
    }
    ++counts[set];
  }
  std::vector<double> observed;
  std::vector<double> wanted;
  for (const auto& [set, probability] : expected) {
    observed.push_back(counts[set]);
    wanted.push_back(probability * static_cast<double>(n));
  }
  return {not_rejected("one step: all sets of three of six against the products of their odds, χ²",
                       chi_square_p_value(observed, wanted)),
          equal("its weights against p / π: largest difference", largest, 0, 1e-12)};
}

}  // namespace

Finding random_beams(const TourContext& context) {
  Finding finding{one_step(context)};
  const std::size_t n = context.choose(5'000U, 2'000U);
  const CallableModel model = random_model(3, 1);
  const SearchOptions five{.max_length = 5};
  const std::vector<Sequence> prompts(n);
  double truth = 0;
  for (const auto& [text, log_prob] : texts_of(model, 5)) truth += std::exp(log_prob) * zeros(text);
  for (const std::size_t hindsight : {0U, 2U}) {
    std::vector<double> means;
    for (const auto& beam :
         conditional_poisson_beam_search(model, prompts, 4, context.stream(1 + hindsight), five,
                                         {.hindsight_samples = hindsight})) {
      means.push_back(mean_zeros(beam.sequences, beam.weights).plain);
    }
    finding.checks.push_back(unbiased(
        fmt::format("five steps, beams of four, {} hindsight samples: mean number of zeros",
                    hindsight),
        means, truth));
  }

  std::vector<Series> errors = {{.name = "independent"},
                                {.name = "arithmetic"},
                                {.name = "stochastic beam, normalized"},
                                {.name = "conditional Poisson beam, normalized"}};
  const std::size_t sets = n / 10;
  for (const std::size_t k : {4U, 8U, 16U, 32U, 64U}) {
    std::vector<double> squares(errors.size());
    const auto add = [&](std::size_t method, double mean) {
      squares[method] += (mean - truth) * (mean - truth) / static_cast<double>(sets);
    };
    const std::vector<double> even(k, 1 / static_cast<double>(k));
    for (std::size_t i = 0; i < sets; ++i) {
      const Stream stream = context.stream(10 + k).child(i);
      add(0, mean_zeros(ancestral_samples(model, {}, k, stream.child(0), five), even).plain);
      add(1, mean_zeros(arithmetic_samples(model, {}, k, stream.child(1), five), even).plain);
      const auto beam = stochastic_beam_search(model, {}, k, stream.child(2), five);
      add(2, mean_zeros(beam.sequences, beam.weights).normalized);
      const auto random = conditional_poisson_beam_search(model, {}, k, stream.child(3), five);
      add(3, mean_zeros(random.sequences, random.weights).normalized);
    }
    for (std::size_t method = 0; method < errors.size(); ++method) {
      errors[method].x.push_back(static_cast<double>(k));
      errors[method].y.push_back(std::sqrt(squares[method]));
    }
  }
  finding.checks.push_back(at_most("error of 16 arithmetic samples over that of independent ones",
                                   errors[1].y[2] / errors[0].y[2], 0.9));
  finding.figures.push_back(
      {to_svg(
           {.title = "Error of a mean, by how the sequences were drawn",
            .x = {.label = "sequences", .logarithmic = true, .min = 3, .max = 80},
            .y = {.label = "root mean square error", .logarithmic = true, .min = 0.03, .max = 0.8},
            .series = errors}),
       "Mean number of zeros in the 243 texts of a model, from few of them."});
  return finding;
}

Finding diverse_beams(const TourContext& /*context*/) {
  const CallableModel two(2, -1, [](std::span<const Token>) {
    return std::vector<double>{std::log(0.6), std::log(0.4)};
  });
  const auto second_token = [&](double penalty) {
    return beam_search(two, {}, 2, {.max_length = 1},
                       {.num_beam_groups = 2, .diversity_penalty = penalty})[1]
        .tokens[0];
  };
  const CallableModel model = random_model(20, 2);
  const SearchOptions six{.max_length = 6};
  const auto first_tokens = [](const std::vector<Hypothesis>& found) {
    std::set<Token> firsts;
    for (const Hypothesis& sequence : found) firsts.insert(sequence.tokens[0]);
    return static_cast<double>(firsts.size());
  };
  const auto apart =
      beam_search(model, {}, 8, six, {.num_beam_groups = 8, .diversity_penalty = 1000});
  double difference = 0;
  for (const Hypothesis& sequence : apart) {
    double log_prob = 0;
    for (std::size_t t = 0; t < sequence.tokens.size(); ++t) {
      const Sequence prefix(sequence.tokens.begin(),
                            sequence.tokens.begin() + static_cast<std::ptrdiff_t>(t));
      std::vector<double> phi(20);
      model.next_logits({&prefix, 1}, nullptr, row_to(phi));
      log_softmax(row_of(phi), row_to(phi));
      log_prob += phi[static_cast<std::size_t>(sequence.tokens[t])];
    }
    difference = std::max(difference, std::abs(log_prob - sequence.log_prob));
  }

  Series price{.name = "groups, by the penalty"};
  const auto add = [&](const std::vector<Hypothesis>& found, Series& to) {
    double log_prob = 0;
    double differing = 0;
    for (const Hypothesis& a : found) {
      log_prob += a.log_prob / static_cast<double>(found.size());
      for (const Hypothesis& b : found) {
        for (std::size_t t = 0; t < 6; ++t) differing += a.tokens[t] != b.tokens[t] ? 1 : 0;
      }
    }
    to.x.push_back(log_prob);
    to.y.push_back(differing / static_cast<double>(found.size() * (found.size() - 1)));
  };
  for (const double penalty : {0.1, 0.2, 0.5, 1.0, 2.0, 4.0}) {
    add(beam_search(model, {}, 8, six, {.num_beam_groups = 8, .diversity_penalty = penalty}),
        price);
  }
  Series plain{.name = "one beam", .mark = Mark::points};
  const auto together = beam_search(model, {}, 8, six);
  add(together, plain);
  return {{equal("tokens .6 and .4, two groups, penalty .40: the second group's token",
                 second_token(0.40), 0, 0),
           equal("penalty .41, above log(.6 / .4)", second_token(0.41), 1, 0),
           at_most("first tokens of a beam of eight that differ", first_tokens(together), 7),
           equal("those of eight groups under a large penalty", first_tokens(apart), 8, 0),
           equal("log-probabilities against the model's: largest difference", difference, 0, 1e-12),
           at_least("mean number of places (of six) in which two differ, groups over one beam",
                    price.y.back() / plain.y[0], 1.5)},
          {{to_svg({.title = "What diversity costs",
                    .x = {.label = "mean log-probability"},
                    .y = {.label = "places in which two sequences differ"},
                    .series = {price, plain}}),
            "Eight sequences of six tokens, by one beam and by eight groups under penalties from "
            "0.1 to 4."}}};
}

Finding choice_by_agreement(const TourContext& context) {
  // An empty text is likelier than any other; the others mean the same, in many words.
  constexpr Token kNothing = 5;
  const CallableModel model(6, kNothing, [](std::span<const Token> prefix) {
    std::vector<double> row(6, std::log(0.11));
    row[prefix.size()] = std::log(0.56);
    row[kNothing] = prefix.empty() ? std::log(0.15 / 0.85) : -kInfinity;
    return row;
  });
  const auto texts = texts_of(model, 4);
  std::vector<Sequence> all;
  std::vector<double> p;
  for (const auto& [text, log_prob] : texts) {
    if (std::exp(log_prob) == 0) continue;
    all.push_back(text);
    p.push_back(std::exp(log_prob));
  }
  const MinimumBayesRisk exact = minimum_bayes_risk(all, p, kTokenF1);
  const auto likeliest = static_cast<std::size_t>(std::max_element(p.begin(), p.end()) - p.begin());
  const std::size_t n = context.choose(400U, 100U);
  double expected = 0;  // utility of what is chosen
  for (std::size_t i = 0; i < n; ++i) {
    const StochasticBeam beam =
        stochastic_beam_search(model, {}, 25, context.stream(0).child(i), {.max_length = 4});
    std::vector<Sequence> drawn;
    for (const Hypothesis& sequence : beam.sequences) drawn.push_back(sequence.tokens);
    const Sequence& chosen = drawn[minimum_bayes_risk(drawn, beam.weights, kTokenF1).choice];
    const auto place = std::find(all.begin(), all.end(), chosen) - all.begin();
    expected += exact.utilities[static_cast<std::size_t>(place)] / static_cast<double>(n);
  }
  return {
      {equal("tokens of the most likely text", static_cast<double>(all[likeliest].size()), 0, 0),
       equal("its expected F1", exact.utilities[likeliest], 0.15, 1e-12),
       at_least("that of the text chosen from all", exact.utilities[exact.choice], 0.5),
       at_least("that of one chosen from 25 texts, over it, on average",
                expected / exact.utilities[exact.choice], 0.95)}};
}

}  // namespace partita::app
