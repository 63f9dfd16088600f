// G: sampling without replacement, of categories and of whole sequences.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/tour.hpp"
#include "partita/gumbel/gumbel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/text/ngram.hpp"

namespace partita::app {
namespace {

constexpr std::array kLogits = {1.0, 0.0, -0.7, 0.4, -1.5};
constexpr std::size_t kCategories = kLogits.size();

/// The same row `n` times.
Rows repeated(std::size_t n) { return {kLogits.data(), n, kCategories, 0}; }

std::array<double, kCategories> log_probabilities() {
  std::array<double, kCategories> phi{};
  log_softmax(repeated(1), row_to(phi));
  return phi;
}

/// P of an ordered sample without replacement, by the formula.
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

Finding maximum_and_arg_max(const TourContext& context) {
  const std::size_t n = context.choose(1'000'000U, 200'000U);
  const TopKSample sample = gumbel_top_k(repeated(n), 1, context.stream(0));
  const auto phi = log_probabilities();
  constexpr std::size_t kParts = 8;  // of the maximum's range, equally likely
  std::vector<double> observed(kCategories * kParts);
  std::vector<double> expected(observed.size());
  for (std::size_t i = 0; i < n; ++i) {
    const auto part =
        std::min(kParts - 1, static_cast<std::size_t>(kParts * gumbel_cdf(sample.perturbed[i])));
    ++observed[static_cast<std::size_t>(sample.indices[i]) * kParts + part];
  }
  for (std::size_t c = 0; c < kCategories; ++c) {
    for (std::size_t part = 0; part < kParts; ++part) {
      expected[c * kParts + part] = static_cast<double>(n) * std::exp(phi[c]) / kParts;
    }
  }
  return {{not_rejected("maximum against Gumbel(LSE), Kolmogorov-Smirnov",
                        ks_p_value(sample.perturbed, [](double g) { return gumbel_cdf(g); })),
           not_rejected("arg max and eighth of the maximum against independence, χ²",
                        chi_square_p_value(observed, expected))}};
}

Finding ordered_samples(const TourContext& context) {
  const std::size_t n = context.choose(1'000'000U, 200'000U);
  const auto phi = log_probabilities();
  Finding finding;
  for (const std::size_t k : {2U, 3U}) {
    const TopKSample sample = gumbel_top_k(repeated(n), k, context.stream(k));
    std::map<std::vector<std::size_t>, double> counts;
    for (std::size_t r = 0; r < n; ++r) {
      std::vector<std::size_t> drawn(k);
      for (std::size_t j = 0; j < k; ++j) {
        drawn[j] = static_cast<std::size_t>(sample.indices[r * k + j]);
      }
      ++counts[drawn];
    }
    std::vector<double> observed;
    std::vector<double> expected;
    double total = 0;
    for (const auto& [drawn, count] : counts) {
      observed.push_back(count);
      total += ordered_probability(phi, drawn);
      expected.push_back(static_cast<double>(n) * ordered_probability(phi, drawn));
    }
    finding.checks.push_back(
        not_rejected(k == 2 ? "all ordered pairs of five, χ²" : "all ordered triples of five, χ²",
                     chi_square_p_value(observed, expected)));
    finding.checks.push_back(equal("their probabilities' sum", total, 1, 1e-12));
  }
  return finding;
}

Finding truncated(const TourContext& context) {
  const std::size_t n = context.choose(200'000U, 50'000U);
  const Stream stream = context.stream(0);
  Finding finding;
  for (const double location : {-3.0, 0.0, 3.0}) {
    std::vector<double> draws(n);
    for (std::size_t i = 0; i < n; ++i) {
      draws[i] = truncated_gumbel(stream.exponential(i), location, 0.5);
    }
    finding.checks.push_back(not_rejected(
        location < 0   ? "φ − T = −3.5, Kolmogorov-Smirnov"
        : location > 0 ? "φ − T = 2.5"
                       : "φ − T = −0.5",
        ks_p_value(draws, [&](double g) { return truncated_gumbel_cdf(g, location, 0.5); })));
  }
  // Where e^(φ-T) overflows or vanishes, the limits are known: T - E e^(T-φ), and φ - log E.
  finding.checks.push_back(equal("at φ − T = 700, E = 2: the distance below T, over E e⁻⁷⁰⁰",
                                 -truncated_gumbel(2, 700, 0) / (2 * std::exp(-700.0)), 1, 1e-12));
  finding.checks.push_back(equal("at φ − T = −700, E = 2: φ − log E", truncated_gumbel(2, -700, 0),
                                 -700 - std::log(2.0), 0));
  return finding;
}

Finding given_the_maximum(const TourContext& context) {
  const std::size_t n = context.choose(400'000U, 100'000U);
  constexpr double kMaximum = 0.3;
  const auto phi = log_probabilities();
  std::vector<double> counts[2];
  std::vector<double> others[2];
  double exact = 0;
  double in_order = 0;
  for (const int way : {0, 1}) {
    counts[way].resize(kCategories);
    Draws draws(context.stream(static_cast<std::uint64_t>(way)));
    std::array<double, kCategories> gumbels{};
    for (std::size_t i = 0; i < n; ++i) {
      if (way == 0) {
        sample_given_maximum(phi, kMaximum, draws, gumbels);
      } else {
        for (std::size_t c = 0; c < kCategories; ++c) gumbels[c] = phi[c] + draws.gumbel();
        const auto before = gumbels;
        condition_on_maximum(gumbels, kMaximum);
        bool kept = true;
        for (std::size_t c = 1; c < kCategories; ++c) {
          kept = kept && (before[c] < before[0]) == (gumbels[c] < gumbels[0]);
        }
        in_order += kept ? 1 : 0;
      }
      const auto top = std::max_element(gumbels.begin(), gumbels.end()) - gumbels.begin();
      ++counts[way][static_cast<std::size_t>(top)];
      exact += *std::max_element(gumbels.begin(), gumbels.end()) == kMaximum ? 1 : 0;
      if (top != 0) others[way].push_back(gumbels[0]);
    }
  }
  std::vector<double> expected;
  for (const double p : phi) expected.push_back(static_cast<double>(n) * std::exp(p));
  const auto law = [&](double g) { return truncated_gumbel_cdf(g, phi[0], kMaximum); };
  return {
      {not_rejected("choose and truncate: arg max, χ²", chi_square_p_value(counts[0], expected)),
       not_rejected("choose and truncate: the others", ks_p_value(others[0], law)),
       not_rejected("shift: arg max, χ²", chi_square_p_value(counts[1], expected)),
       not_rejected("shift: the others", ks_p_value(others[1], law)),
       equal("share whose maximum is exactly T", exact / (2.0 * static_cast<double>(n)), 1, 0),
       equal("share whose order the shift keeps", in_order / static_cast<double>(n), 1, 0)}};
}

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
  const auto law = [](double location) {
    return [location](double g) { return gumbel_cdf(g, location); };
  };
  return {{not_rejected("bottom-up: a branch's maximum against Gumbel(φ_S)",
                        ks_p_value(branch_up, law(branch[0]))),
           not_rejected("top-down: the branch", ks_p_value(branch_down, law(branch[0]))),
           not_rejected("top-down: a leaf against Gumbel(φ)", ks_p_value(leaf_down, law(phi[0])))}};
}

/// The same over a language model: of characters, learned from a word list.
Finding words(const TourContext& context) {
  constexpr std::size_t kWords = 20;
  constexpr std::size_t kLongestWord = 30;
  const auto lines = context.options.words;
  const NgramModel model = train_ngram(TextUnits::learn(UnitKind::character, lines), lines);
  const StochasticBeam drawn =
      stochastic_beam_search(model, {}, kWords, context.stream(1), {.max_length = kLongestWord});
  std::set<std::string> distinct;
  Axis names{.min = -0.5};
  Series likely{.name = "log-probability", .mark = Mark::points};
  Series perturbed{.name = "perturbed", .mark = Mark::points};
  for (auto word = drawn.sequences.rbegin(); word != drawn.sequences.rend(); ++word) {
    const std::string text = model.units().decode(word->tokens);
    distinct.insert(text);
    for (const auto& [series, value] :
         {std::pair{&likely, word->log_prob}, {&perturbed, word->perturbed}}) {
      series->x.push_back(value);
      series->y.push_back(static_cast<double>(names.categories.size()));
    }
    names.categories.push_back(text.empty() ? "(empty)" : text);
  }
  names.max = static_cast<double>(names.categories.size()) - 0.5;
  return {{equal(fmt::format("different words, {} drawn", kWords),
                 static_cast<double>(distinct.size()), kWords, 0)},
          {{to_svg({.title = "Words drawn without replacement",
                    .x = {.label = "nats"},
                    .y = names,
                    .series = {likely, perturbed},
                    .height = 420}),
            fmt::format("Different words from a 6-gram model of {} words, the first drawn on top: "
                        "in the order of their perturbed log-probabilities.",
                        lines.size())}}};
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

double root_mean_square(const std::vector<double>& values, double truth) {
  double sum = 0;
  for (const double v : values) sum += (v - truth) * (v - truth);
  return std::sqrt(sum / static_cast<double>(values.size()));
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
                             "Error of the mean length of a sequence, of 15 there are."});
  return finding;
}

constexpr Claim kClaims[] = {
    {"G1",
     "The maximum of perturbed logits and its arg max are independent, Gumbel and categorical.",
     maximum_and_arg_max},
    {"G2", "The k largest perturbed logits are an ordered sample without replacement.",
     ordered_samples},
    {"G3", "A Gumbel cut off above is drawn without cancellation, however far the cut.", truncated},
    {"G4", "A set of Gumbels is drawn given its maximum in two ways, which have one law.",
     given_the_maximum},
    {"G5",
     "The perturbed log-probability of a prefix is a Gumbel of its own: bottom-up and top-down are "
     "one law.",
     tree},
    {"G6", "A beam of perturbed log-probabilities is a sample of sequences without replacement.",
     beam},
    {"G7", "Importance weights make unbiased estimates of it, exact where it holds everything.",
     estimates},
};

}  // namespace

Chapter without_replacement_chapter() {
  return {"without-replacement", "G. Without replacement", kClaims};
}

}  // namespace partita::app
