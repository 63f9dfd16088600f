// SPDX-License-Identifier: Apache-2.0
// H: noise with an address, and what can be done with it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <string>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "apps/tour/conditional_texts.hpp"
#include "apps/tour/perturbed_sets.hpp"
#include "apps/tour/sequence_sets.hpp"
#include "apps/tour/small_texts.hpp"
#include "apps/tour/subsets.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/noise/speculative.hpp"
#include "partita/noise/watermark.hpp"
#include "partita/random/addressed_noise.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

/// `n` draws from each of two distributions that share their noise: the share that agrees.
double agreement(std::span<const double> p, std::span<const double> q, std::size_t n,
                 const Stream& stream) {
  std::vector<std::int64_t> drawn[2];
  for (const auto& [row, out] : {std::pair{p, &drawn[0]}, {q, &drawn[1]}}) {
    std::vector<double> logits;
    for (const double x : row) logits.push_back(std::log(x));
    *out = addressed_gumbel_max({logits.data(), n, logits.size(), 0}, stream);
  }
  double same = 0;
  for (std::size_t i = 0; i < n; ++i) same += drawn[0][i] == drawn[1][i] ? 1 : 0;
  return same / static_cast<double>(n);
}

Finding addressed_noise(const TourContext& context) {
  const std::size_t n = context.choose(200'000U, 40'000U);
  constexpr std::array kP = {0.5, 0.3, 0.15, 0.05};
  std::vector<double> z;
  for (const double p : kP) z.push_back(std::log(p));
  const auto drawn = addressed_gumbel_max({z.data(), n, z.size(), 0}, context.stream(0));
  std::vector<double> observed(kP.size());
  std::vector<double> expected;
  for (const std::int64_t c : drawn) ++observed[static_cast<std::size_t>(c)];
  for (const double p : kP) expected.push_back(static_cast<double>(n) * p);

  // By the definition: every category's Gumbel at its address.
  constexpr std::size_t kWide = 5000;
  std::vector<double> wide(kWide);
  std::size_t different = 0;
  for (std::uint64_t row = 0; row < 50; ++row) {
    const Stream address = context.stream(1).child(row);
    const AddressedNoise noise(address);
    std::vector<double> sums(kWide);
    for (std::uint32_t i = 0; i < kWide; ++i) {
      wide[i] = 3 * context.stream(2).child(row).normal(i);
      sums[i] = wide[i] + noise.gumbel(i);
    }
    const auto best = std::max_element(sums.begin(), sums.end()) - sums.begin();
    different += addressed_gumbel_max(row_of(wide), std::span(&address, 1))[0] != best ? 1 : 0;
  }

  Series measured{.name = "shared noise"};
  Series least{.name = "(1 − TV) / (1 + TV)", .mark = Mark::line, .dashed = true};
  Series most{.name = "1 − TV", .mark = Mark::line, .dashed = true};
  double lowest = kInfinity;
  double highest = -kInfinity;
  const double error = kFiveSigma / std::sqrt(4.0 * static_cast<double>(n));
  for (int step = 0; step <= 10; ++step) {  // from equal distributions to disjoint ones
    const double t = step / 10.0;
    const std::array p = {0.25 + 0.25 * t, 0.25 + 0.25 * t, 0.25 - 0.25 * t + 1e-12,
                          0.25 - 0.25 * t + 1e-12};
    const std::array q = {p[3], p[2], p[1], p[0]};
    const double share = agreement(p, q, n, context.stream(3 + static_cast<std::uint64_t>(step)));
    for (Series* series : {&measured, &least, &most}) series->x.push_back(t);
    measured.y.push_back(share);
    least.y.push_back((1 - t) / (1 + t));
    most.y.push_back(1 - t);
    lowest = std::min(lowest, share - least.y.back());
    highest = std::max(highest, share - most.y.back());
  }
  return {{not_rejected("draws with addressed noise against softmax, χ²",
                        chi_square_p_value(observed, expected)),
           equal("draws of 50 rows of 5,000 that are not the arg max by definition",
                 static_cast<double>(different), 0, 0),
           at_least("agreement of two rows, above (1 − TV) / (1 + TV)", lowest, -error),
           at_most("and above 1 − TV", highest, error)},
          {{to_svg({.title = "Agreement of two draws",
                    .x = {.label = "total variation distance"},
                    .y = {.label = "drawn alike"},
                    .series = {measured, least, most}}),
            "How often two distributions that share their noise draw the same category."}}};
}

constexpr std::size_t kMarkedTexts = 40;
constexpr std::size_t kMarkedLength = 100;

/// Geometric mean over texts of the p-value of their first tokens.
double mean_p_value(const Watermark& mark, std::span<const Hypothesis> texts, std::size_t length) {
  double sum = 0;
  for (const Hypothesis& text : texts) {
    sum += std::log10(detect_watermark(mark, std::span(text.tokens).first(length)).p_value);
  }
  return std::pow(10, sum / static_cast<double>(texts.size()));
}

Finding watermarks(const TourContext& context) {
  const std::size_t n = context.choose(100'000U, 20'000U);
  struct Marked {
    WatermarkScheme scheme;
    const char* name;
  };
  constexpr std::array kAll = {Marked{WatermarkScheme::gumbel, "Gumbel"},
                               Marked{WatermarkScheme::tournament, "tournament"},
                               Marked{WatermarkScheme::green_list, "green list"}};
  const auto key = [&](std::uint64_t i) -> std::array<std::uint64_t, 2> {
    return {context.stream(0).bits(i), i};
  };
  Finding finding;
  // Unmarked texts of 20 tokens: p-values are uniform.
  const CallableModel model = random_model(30, 1);
  std::vector<double> p_values;
  for (std::uint64_t i = 0; i < n; ++i) {
    Sequence text;
    for (std::uint64_t t = 0; t < 20; ++t) {
      text.push_back(static_cast<Token>(context.stream(1).child(i).bits(t) % 3));
    }
    p_values.push_back(detect_watermark({.key = key(i), .context_width = 2}, text).p_value);
  }
  finding.checks.push_back(not_rejected("Gumbel: p-values of unmarked text, Kolmogorov-Smirnov",
                                        ks_p_value(p_values, [](double p) { return p; })));
  // Over random keys, the first three tokens have the model's distribution, or not.
  const CallableModel small = random_model(3, 1);
  const std::vector<double> expected = expected_texts(small, n);
  std::vector<Series> by_length;
  std::vector<Series> by_entropy;
  for (const auto& [scheme, name] : kAll) {
    std::vector<double> observed(expected.size());
    for (std::uint64_t i = 0; i < n; ++i) {
      const Watermark mark{.scheme = scheme, .key = key(i), .context_width = 1};
      const Sequence text =
          watermarked_samples(small, {}, 1, mark, {context.stream(2), i}, {.max_length = 3})[0]
              .tokens;
      ++observed[place_of(text)];
    }
    const double p = chi_square_p_value(observed, expected);
    finding.checks.push_back(
        scheme == WatermarkScheme::green_list
            ? at_most("green list: texts over random keys against the model, χ², p-value", p, 1e-6)
            : not_rejected(fmt::format("{}: texts over random keys against the model, χ²", name),
                           p));
    // Marked texts: p by length, and by entropy.
    const Watermark mark{.scheme = scheme, .key = key(7), .context_width = 2};
    const auto texts = watermarked_samples(model, {}, kMarkedTexts, mark, context.stream(3),
                                           {.max_length = kMarkedLength});
    Series& curve = by_length.emplace_back(Series{.name = name, .mark = Mark::line});
    for (std::size_t length = 5; length <= kMarkedLength; length += 5) {
      curve.x.push_back(static_cast<double>(length));
      curve.y.push_back(mean_p_value(mark, texts, length));
    }
    finding.checks.push_back(
        at_most(fmt::format("{}: p-value of a marked text of {} tokens, geometric mean", name,
                            kMarkedLength),
                curve.y.back(), 1e-6));
    Series& fall = by_entropy.emplace_back(Series{.name = name});
    constexpr std::size_t kHalf = kMarkedTexts / 2;
    for (const double sigma : {8.0, 5.0, 3.5, 2.5, 1.5, 1.0, 0.0}) {
      const CallableModel other = random_model(30, sigma);
      const auto drawn = watermarked_samples(other, {}, kHalf, mark, context.stream(4),
                                             {.max_length = kMarkedLength});
      double log_prob = 0;
      for (const Hypothesis& text : drawn) log_prob += text.log_prob;
      fall.x.push_back(-log_prob / (kHalf * kMarkedLength));
      fall.y.push_back(mean_p_value(mark, drawn, kMarkedLength));
    }
    finding.checks.push_back(at_most(
        fmt::format("{}: its exponent at the least entropy, over that at 3.4 nats a token", name),
        std::log(fall.y.front()) / std::log(fall.y.back()), 0.5));
  }
  finding.figures = {
      {to_svg({.title = "p-value against length",
               .x = {.label = "tokens"},
               .y = {.label = "p-value", .logarithmic = true},
               .series = by_length}),
       "What is left of doubt as a marked text grows: geometric mean over 40 texts of a model of "
       "30 tokens with 2.9 nats of entropy each."},
      {to_svg({.title = "p-value against entropy",
               .x = {.label = "nats a token"},
               .y = {.label = "p-value", .logarithmic = true},
               .series = by_entropy}),
       "And after 100 tokens, for models that are less sure or more sure of the next one."}};
  return finding;
}

Finding speculative_sampling(const TourContext& context) {
  const std::size_t n = context.choose(40'000U, 8'000U);
  // Texts of three tokens, drafted by another model: their law, and the coupling's texts.
  const CallableModel target = random_model(3, 1);
  const CallableModel draft(3, -1, [](std::span<const Token> prefix) {
    return std::vector<double>{0.3 * static_cast<double>(prefix.size()), 0.5, 0};
  });
  const SearchOptions three{.max_length = 3};
  const std::vector<double> expected = expected_texts(target, n);
  Finding finding;
  for (const SpeculativeMethod method :
       {SpeculativeMethod::rejection, SpeculativeMethod::coupling}) {
    for (const std::size_t drafts : {1U, 2U}) {
      std::vector<double> observed(expected.size());
      const auto drawn =
          speculative_samples(target, draft, {}, n, context.stream(drafts),
                              {.method = method, .draft_length = 2, .drafts = drafts}, three);
      for (const Hypothesis& text : drawn.sequences) ++observed[place_of(text.tokens)];
      finding.checks.push_back(not_rejected(
          fmt::format("{}, {}: texts against the target's law, χ²",
                      method == SpeculativeMethod::rejection ? "rejection" : "coupling",
                      drafts == 1 ? "one draft" : "two drafts"),
          chi_square_p_value(observed, expected)));
    }
  }
  const SpeculativeOptions coupling{.method = SpeculativeMethod::coupling};
  const auto one =
      speculative_samples(target, draft, {}, 50, context.stream(3), coupling, {.max_length = 50});
  const auto other =
      speculative_samples(target, target, {}, 50, context.stream(3), coupling, {.max_length = 50});
  finding.checks.push_back(equal("coupling: texts that another draft changed",
                                 one.sequences == other.sequences ? 0 : 1, 0, 0));
  // How often a draft is accepted, against the total variation distance.
  Series rejection[] = {{.name = "rejection"}, {.name = "rejection, 3 drafts"}};
  Series coupled[] = {{.name = "coupling"}, {.name = "coupling, 3 drafts"}};
  Series most{.name = "1 − TV", .mark = Mark::line, .dashed = true};
  double furthest = 0;
  double below = 0;
  const std::size_t draws = context.choose(4000U, 1000U);
  const double error = kFiveSigma / std::sqrt(4 * static_cast<double>(draws));
  for (std::uint64_t step = 1; step <= 8; ++step) {
    std::vector<double> z[2];
    for (std::uint64_t side : {0, 1}) {
      for (std::uint64_t i = 0; i < 50; ++i) {
        z[side].push_back(Stream{.seed = 2}.normal(i) +
                          0.25 * static_cast<double>(step) *
                              Stream{.seed = 3, .id = side}.normal(i));
      }
      log_softmax(row_of(z[side]), row_to(z[side]));
    }
    double tv = 0;
    for (std::size_t i = 0; i < 50; ++i) tv += std::abs(std::exp(z[0][i]) - std::exp(z[1][i])) / 2;
    most.x.push_back(tv);
    most.y.push_back(1 - tv);
    for (const std::size_t drafts : {1U, 3U}) {
      const auto candidates =
          gumbel_top_k({z[1].data(), draws, 50, 0}, drafts, context.stream(4).child(step)).indices;
      double judged = 0;
      double met = 0;
      for (std::size_t i = 0; i < draws; ++i) {
        const auto first = candidates.begin() + static_cast<std::ptrdiff_t>(i * drafts);
        const std::vector<Token> proposed(first, first + static_cast<std::ptrdiff_t>(drafts));
        const Stream stream = context.stream(5).child(step).child(i);
        judged += judge_drafts(row_of(z[0]), row_of(z[1]), proposed, stream).accepted ? 1 : 0;
        std::vector<Stream> addresses;
        for (std::uint64_t k = 0; k < drafts; ++k) addresses.push_back(stream.child(k));
        const auto drafted =
            addressed_gumbel_max({z[1].data(), drafts, 50, 0}, std::span<const Stream>(addresses));
        const Token token = coupled_draw(row_of(z[0]), addresses);
        met += std::find(drafted.begin(), drafted.end(), token) != drafted.end() ? 1 : 0;
      }
      const auto n_draws = static_cast<double>(draws);
      for (const auto& [series, sum] :
           {std::pair{&rejection[drafts / 2], judged}, {&coupled[drafts / 2], met}}) {
        series->x.push_back(tv);
        series->y.push_back(sum / n_draws);
      }
    }
    furthest = std::max(furthest, std::abs(rejection[0].y.back() - (1 - tv)));
    below = std::max(below, (1 - tv) / (1 + tv) - coupled[0].y.back());
  }
  finding.checks.push_back(
      at_most("rejection: share accepted of single drafts, from 1 − TV", furthest, error));
  finding.checks.push_back(
      at_most("coupling: that share, below (1 − TV) / (1 + TV)", below, error));
  finding.figures.push_back(
      {to_svg({.title = "Accepted drafts",
               .x = {.label = "total variation distance of draft and target"},
               .y = {.label = "share accepted", .min = 0},
               .series = {rejection[0], rejection[1], coupled[0], coupled[1], most}}),
       "How often a drafted token is accepted (of three: one of them), of 50."});
  return finding;
}

constexpr Claim kSharedNoiseClaims[] = {
    {"H1",
     "With addressed noise, rows of other logits draw alike nearly as often as is possible at all.",
     addressed_noise},
    {"H2", "Who has the key can tell a watermarked text, with exact p-values.", watermarks},
    {"H3",
     "Tokens drafted by another model are accepted as often as any judge can, and the text keeps "
     "the target's law.",
     speculative_sampling},
    {"H4",
     "What another model would have written with the same luck: its law, and no change without a "
     "reason.",
     counterfactuals},
    {"H5",
     "Rejection that learns dead prefixes draws a constraint's texts by the model's law; masking "
     "does not.",
     constrained_sampling},
    {"H6",
     "A beam that keeps a random set at each step has weights under which every mean is unbiased.",
     random_beams},
    {"H7",
     "Sets of k in proportion to the product of their weights: exact draws and marginals, and not "
     "the law of k draws without replacement.",
     fixed_size_subsets},
    {"H8", "Groups of a beam that pay for each other's tokens find sequences that differ.",
     diverse_beams},
    {"H9",
     "The text that agrees best with a sample is a better answer than the most likely one, which "
     "may agree with none.",
     choice_by_agreement},
    {"H10",
     "The k largest, under noise, are a smooth function of the logits: a softmax of sets, and a "
     "loss that learns from sets.",
     perturbed_sets},
};

}  // namespace

Chapter shared_noise_chapter() {
  return {"shared-noise", "H. When the noise is the point", kSharedNoiseClaims};
}

}  // namespace partita::app
