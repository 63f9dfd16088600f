// SPDX-License-Identifier: Apache-2.0
#include "apps/tour/sequences.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/text/ngram.hpp"

namespace partita::app {

double ordered_probability(std::span<const double> log_prob, std::span<const std::size_t> drawn) {
  double left = 0;
  for (const double phi : log_prob) left += std::exp(phi);
  double p = 1;
  for (const std::size_t i : drawn) {
    p *= std::exp(log_prob[i]) / left;
    left -= std::exp(log_prob[i]);
  }
  return p;
}

namespace {

// A model of three tokens, the last of which ends a sequence, cut after three: 15 sequences.
constexpr std::size_t kLongest = 3;
constexpr Token kEnd = 2;

std::vector<double> next_token(std::span<const Token> prefix) {
  double state = 0.4;
  for (const Token token : prefix) state = 0.6 * state + (token == 0 ? 0.9 : -0.5);
  return {state, 0.3 - state, static_cast<double>(prefix.size()) - 1.2};
}

CallableModel small_model() { return {3, kEnd, next_token}; }

using Leaves = std::map<Sequence, double>;  // to log-probability

/// Every sequence of the model, by walking its tree.
void enumerate(Leaves& leaves, Sequence& prefix, double log_prob) {
  std::vector<double> phi = next_token(prefix);
  log_softmax(row_of(phi), row_to(phi));
  leaves[prefix] = log_prob + phi[kEnd];
  for (Token token = 0; token < kEnd; ++token) {
    prefix.push_back(token);
    const double child = log_prob + phi[static_cast<std::size_t>(token)];
    if (prefix.size() == kLongest) {
      leaves[prefix] = child;
    } else {
      enumerate(leaves, prefix, child);
    }
    prefix.pop_back();
  }
}

Leaves all_sequences() {
  Leaves leaves;
  Sequence prefix;
  enumerate(leaves, prefix, 0);
  return leaves;
}

/// The same over a character model learned from a word list: k different words, and how many of k
/// independent samples are different. These hold word y with probability 1 - (1 - p)^k; the sum
/// over all words is estimated from the k that the beam drew.
Finding words(const TourContext& context) {
  constexpr std::size_t kWords = 1000;
  constexpr std::size_t kShown = 20;
  const SearchOptions search{.max_length = 30};
  const auto lines = context.options.words;
  const NgramModel model = train_ngram(TextUnits::learn(UnitKind::character, lines), lines);
  const StochasticBeam drawn = stochastic_beam_search(model, {}, kWords, context.stream(1), search);
  std::set<Sequence> different;
  std::vector<double> log_prob;
  std::vector<double> share_seen;  // (1 - (1 - p)^k) / p: estimates weigh by p
  for (const auto& word : drawn.sequences) {
    different.insert(word.tokens);
    log_prob.push_back(word.log_prob);
    const double p = std::exp(word.log_prob);
    share_seen.push_back(-std::expm1(static_cast<double>(kWords) * std::log1p(-p)) / p);
  }
  std::set<Sequence> independent;
  for (const auto& word : ancestral_samples(model, {}, kWords, context.stream(2), search)) {
    independent.insert(word.tokens);
  }
  const auto count = static_cast<double>(independent.size());
  const double expected = estimate(log_prob, drawn.threshold, share_seen).plain;

  Axis names{.min = -0.5};
  Series likely{.name = "log-probability", .mark = Mark::points};
  Series perturbed{.name = "perturbed", .mark = Mark::points};
  for (std::size_t place = kShown; place-- > 0;) {
    const auto& word = drawn.sequences[place];
    const std::string text = model.units().decode(word.tokens);
    for (const auto& [series, value] :
         {std::pair{&likely, word.log_prob}, {&perturbed, word.perturbed}}) {
      series->x.push_back(value);
      series->y.push_back(static_cast<double>(names.categories.size()));
    }
    names.categories.push_back(text.empty() ? "(empty)" : text);
  }
  names.max = static_cast<double>(names.categories.size()) - 0.5;
  return {
      {equal(fmt::format("different words, {} drawn by stochastic beam search", kWords),
             static_cast<double>(different.size()), kWords, 0),
       at_most("different words among as many independent samples", count, kWords - 1),
       // Both sides are random; the ratio has a standard deviation of 0.05.
       equal("their number over the beam's estimate", count / expected, 1, 0.3)},
      {{to_svg({.title = "Words drawn without replacement",
                .x = {.label = "nats"},
                .y = names,
                .series = {likely, perturbed},
                .height = 420}),
        fmt::format("The first {} of {} different words from a 6-gram model of {} words, in the "
                    "order of their perturbed log-probabilities. As many independent samples "
                    "hold {:.0f} different ones.",
                    kShown, kWords, lines.size(), count)}}};
}

double root_mean_square(const std::vector<double>& values, double truth) {
  double sum = 0;
  for (const double v : values) sum += (v - truth) * (v - truth);
  return std::sqrt(sum / static_cast<double>(values.size()));
}

}  // namespace

Finding tree(const TourContext& context) {
  const std::size_t n = context.choose(200'000U, 50'000U);
  // Six leaves in three branches.
  const std::array phi = {-1.2, -2.0, -1.5, -2.4, -2.2, -1.9};
  std::array<double, 3> branch{};
  for (std::size_t b = 0; b < 3; ++b) {
    branch[b] = std::log(std::exp(phi[2 * b]) + std::exp(phi[2 * b + 1]));
  }
  const double root = std::log(std::exp(branch[0]) + std::exp(branch[1]) + std::exp(branch[2]));
  std::vector<double> branch_up(n);
  std::vector<double> branch_down(n);
  std::vector<double> leaf_down(n);
  Draws up(context.stream(0));
  Draws down(context.stream(1));
  for (std::size_t i = 0; i < n; ++i) {
    branch_up[i] = std::max(phi[0] + up.gumbel(), phi[1] + up.gumbel());
    std::array<double, 3> branches{};
    std::array<double, 2> leaves{};
    sample_given_maximum(branch, root + down.gumbel(), down, branches);
    sample_given_maximum(std::span(phi).first(2), branches[0], down, leaves);
    branch_down[i] = branches[0];
    leaf_down[i] = leaves[0];
  }
  const auto cdf_of = [](double location) {
    return [location](double g) { return gumbel_cdf(g, location); };
  };
  return {
      {not_rejected("bottom-up: a branch's maximum against Gumbel(φ_S)",
                    ks_p_value(branch_up, cdf_of(branch[0]))),
       not_rejected("top-down: the branch", ks_p_value(branch_down, cdf_of(branch[0]))),
       not_rejected("top-down: a leaf against Gumbel(φ)", ks_p_value(leaf_down, cdf_of(phi[0])))}};
}

Finding beam(const TourContext& context) {
  const std::size_t n = context.choose(100'000U, 20'000U);
  const CallableModel model = small_model();
  const Leaves leaves = all_sequences();
  std::vector<double> log_prob;
  std::map<Sequence, std::size_t> place;
  for (const auto& [sequence, phi] : leaves) {
    place[sequence] = log_prob.size();
    log_prob.push_back(phi);
  }
  std::map<std::vector<std::size_t>, double> counts;
  double distinct = 0;
  const std::vector<Sequence> prompts(n);
  for (const StochasticBeam& drawn :
       stochastic_beam_search(model, prompts, 2, context.stream(0), {.max_length = kLongest})) {
    const std::vector<std::size_t> pair = {place.at(drawn.sequences[0].tokens),
                                           place.at(drawn.sequences[1].tokens)};
    ++counts[pair];
    distinct += pair[0] != pair[1] ? 1 : 0;
  }
  std::vector<double> observed;
  std::vector<double> expected;
  for (std::size_t a = 0; a < log_prob.size(); ++a) {
    for (std::size_t b = 0; b < log_prob.size(); ++b) {
      if (a == b) continue;
      const std::array pair = {a, b};
      observed.push_back(counts[{a, b}]);
      expected.push_back(static_cast<double>(n) * ordered_probability(log_prob, pair));
    }
  }
  Finding finding = words(context);
  finding.checks.insert(
      finding.checks.end(),
      {equal("sequences of the model", static_cast<double>(leaves.size()), 15, 0),
       equal("samples of different sequences, share", distinct / static_cast<double>(n), 1, 0),
       not_rejected("ordered pairs of sequences against sampling without replacement, χ²",
                    chi_square_p_value(observed, expected))});
  return finding;
}

Finding estimates(const TourContext& context) {
  const std::size_t n = context.choose(40'000U, 8'000U);
  const CallableModel model = small_model();
  const SearchOptions search{.max_length = kLongest};
  double truth = 0;
  for (const auto& [sequence, phi] : all_sequences()) {
    truth += std::exp(phi) * static_cast<double>(sequence.size());
  }
  Series plain{.name = "weighted"};
  Series normalized{.name = "weighted, normalized"};
  Series ancestral{.name = "independent samples"};
  Finding finding;
  const std::vector<Sequence> prompts(n);
  for (const std::size_t k : {2U, 4U, 8U, 12U, 15U}) {
    std::vector<double> a(n);
    std::vector<double> b(n);
    std::vector<double> c(n);
    const auto beams = stochastic_beam_search(model, prompts, k, context.stream(k), search);
    const auto samples = ancestral_samples(model, {}, n * k, context.stream(2 * k + 1), search);
    for (std::size_t i = 0; i < n; ++i) {
      std::vector<double> log_prob;
      std::vector<double> length;
      for (const auto& s : beams[i].sequences) {
        log_prob.push_back(s.log_prob);
        length.push_back(static_cast<double>(s.tokens.size()));
      }
      const Estimate of = estimate(log_prob, beams[i].threshold, length);
      a[i] = of.plain;
      b[i] = of.normalized;
      for (std::size_t j = 0; j < k; ++j) {
        c[i] += static_cast<double>(samples[i * k + j].tokens.size()) / static_cast<double>(k);
      }
    }
    if (k == 4) finding.checks.push_back(unbiased("mean length from 4 sequences", a, truth));
    if (k == 15) {
      finding.checks.push_back(
          equal("from all 15: largest error", root_mean_square(a, truth), 0, 1e-12));
    } else {
      for (const auto& [series, values] : {std::pair{&plain, &a}, {&normalized, &b}}) {
        series->x.push_back(static_cast<double>(k));
        series->y.push_back(root_mean_square(*values, truth));
      }
    }
    ancestral.x.push_back(static_cast<double>(k));
    ancestral.y.push_back(root_mean_square(c, truth));
  }
  finding.checks.push_back(at_most("error at k = 12, normalized over independent samples",
                                   normalized.y.back() / ancestral.y[3], 0.5));
  finding.figures.push_back({to_svg({.title = "Error of the mean length",
                                     .x = {.label = "sequences drawn"},
                                     .y = {.label = "root mean square error", .logarithmic = true},
                                     .series = {plain, normalized, ancestral}}),
                             "Error of the mean length of a sequence, over the 15 there are."});
  return finding;
}

}  // namespace partita::app
