// SPDX-License-Identifier: Apache-2.0
// H: noise with an address, and what can be done with it.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "apps/report/figure.hpp"
#include "apps/tour/claim.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/noise/watermark.hpp"
#include "partita/random/addressed_noise.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita::app {
namespace {

/// A model of `v` tokens that never ends: logits of standard deviation `sigma` after each token.
CallableModel random_model(std::size_t v, double sigma) {
  return {v, -1, [v, sigma](std::span<const Token> prefix) {
            const auto last = prefix.empty() ? v : static_cast<std::size_t>(prefix.back());
            std::vector<double> row(v);
            for (std::size_t i = 0; i < v; ++i) {
              row[i] = sigma * Stream{.seed = 1, .id = last}.normal(i);
            }
            return row;
          }};
}

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
  std::vector<double> expected;
  for (Token a = 0; a < 3; ++a) {
    for (Token b = 0; b < 3; ++b) {
      for (Token c = 0; c < 3; ++c) {
        double log_prob = 0;
        Sequence prefix;
        for (const Token token : {a, b, c}) {
          std::vector<double> row(3);
          small.next_logits({&prefix, 1}, nullptr, {row.data(), 1, 3});
          log_softmax(row_of(row), row_to(row));
          log_prob += row[static_cast<std::size_t>(token)];
          prefix.push_back(token);
        }
        expected.push_back(static_cast<double>(n) * std::exp(log_prob));
      }
    }
  }
  std::vector<Series> curves;
  for (const auto& [scheme, name] : kAll) {
    std::vector<double> observed(expected.size());
    for (std::uint64_t i = 0; i < n; ++i) {
      const Watermark mark{.scheme = scheme, .key = key(i), .context_width = 1};
      const Sequence text =
          watermarked_samples(small, {}, 1, mark, {context.stream(2), i}, {.max_length = 3})[0]
              .tokens;
      ++observed[static_cast<std::size_t>(9 * text[0] + 3 * text[1] + text[2])];
    }
    const double p = chi_square_p_value(observed, expected);
    finding.checks.push_back(
        scheme == WatermarkScheme::green_list
            ? at_most("green list: texts over random keys against the model, χ², p-value", p, 1e-6)
            : not_rejected(fmt::format("{}: texts over random keys against the model, χ²", name),
                           p));
    // Marked texts: the mean of log10 p by length.
    constexpr std::size_t kTexts = 40;
    constexpr std::size_t kLength = 100;
    const Watermark mark{.scheme = scheme, .key = key(7), .context_width = 2};
    const auto texts = watermarked_samples(model, {}, kTexts, mark, context.stream(3),
                                           {.max_length = kLength + 2});
    Series& curve = curves.emplace_back(Series{.name = name, .mark = Mark::line});
    for (std::size_t length = 5; length <= kLength; length += 5) {
      double sum = 0;
      for (const Hypothesis& text : texts) {
        sum += std::log10(detect_watermark(mark, std::span(text.tokens).first(length + 2)).p_value);
      }
      curve.x.push_back(static_cast<double>(length));
      curve.y.push_back(std::pow(10, sum / kTexts));
    }
    finding.checks.push_back(
        at_most(fmt::format("{}: p-value of a marked text of 100 tokens, geometric mean", name),
                curve.y.back(), 1e-6));
  }
  finding.figures.push_back(
      {to_svg({.title = "p-value against length",
               .x = {.label = "tokens"},
               .y = {.label = "p-value", .logarithmic = true},
               .series = curves}),
       "What is left of doubt as a marked text grows: geometric mean over 40 texts of a model of "
       "30 tokens with 2.9 nats of entropy each."});
  return finding;
}

constexpr Claim kSharedNoiseClaims[] = {
    {"H1",
     "With addressed noise, rows of other logits draw alike nearly as often as is possible at all.",
     addressed_noise},
    {"H2", "Who has the key can tell a watermarked text, with exact p-values.", watermarks},
};

}  // namespace

Chapter shared_noise_chapter() {
  return {"shared-noise", "H. When the noise is the point", kSharedNoiseClaims};
}

}  // namespace partita::app
