// SPDX-License-Identifier: Apache-2.0
#include "partita/noise/watermark.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <numeric>
#include <tuple>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/noise/internal/sequential.hpp"
#include "partita/noise/internal/tournament.hpp"
#include "partita/random/addressed_noise.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita {
namespace {

/// The address of the noise after a context: distinct contexts have distinct paths.
Stream address_of(const Watermark& watermark, std::span<const Token> context) {
  Stream stream{.seed = watermark.key[0], .id = watermark.key[1]};
  for (const Token token : context) stream = stream.child(static_cast<std::uint64_t>(token));
  return stream;
}

void check_tokens(const char* argument, std::span<const Token> text) {
  for (const Token token : text) check_at_least(argument, token, 0);
}

bool before(const Stream& a, const Stream& b) {
  return std::tie(a.path, a.seed, a.id) < std::tie(b.path, b.seed, b.id);
}

bool is_green(const Watermark& watermark, const AddressedNoise& noise, std::uint32_t token) {
  return uniform_from_bits(noise.bits(token)) < watermark.green_fraction;
}

double score_of(const Watermark& watermark, const Stream& address, Token token) {
  const AddressedNoise noise(address);
  const auto i = static_cast<std::uint32_t>(token);
  switch (watermark.scheme) {
    case WatermarkScheme::gumbel:
      return exponential_from_bits(~noise.bits(i));  // -log(1 - u)
    case WatermarkScheme::green_list:
      return is_green(watermark, noise, i) ? 1 : 0;
    case WatermarkScheme::tournament:
      break;
  }
  const std::uint64_t unused = watermark.layers == 64 ? 0 : ~std::uint64_t{0} << watermark.layers;
  return std::popcount(noise.bits(i) & ~unused);
}

Token draw_one(Rows logits, const Stream& stream) {
  return static_cast<Token>(gumbel_max(logits, std::span(&stream, 1)).front());
}

Token draw_raised(const Watermark& watermark, Rows logits, const AddressedNoise& noise,
                  const Stream& stream) {
  std::vector<double> raised = doubles_of(logits);
  for (std::size_t i = 0; i < raised.size(); ++i) {
    if (is_green(watermark, noise, static_cast<std::uint32_t>(i)))
      raised[i] += watermark.green_bias;
  }
  return draw_one({raised.data(), 1, raised.size()}, stream);
}

Token draw_winner(const Watermark& watermark, Rows logits, const AddressedNoise& noise,
                  const Stream& stream) {
  const std::vector<double> row = probabilities_of(logits);
  std::vector<double> p;
  std::vector<Token> tokens;  // that are possible
  std::vector<std::uint64_t> bits;
  for (std::size_t i = 0; i < row.size(); ++i) {
    if (row[i] == 0) continue;
    p.push_back(row[i]);
    tokens.push_back(static_cast<Token>(i));
    bits.push_back(noise.bits(static_cast<std::uint32_t>(i)));
  }
  play_tournament(p, bits, watermark.layers);
  for (double& x : p) x = std::log(x);
  return tokens[static_cast<std::size_t>(draw_one({p.data(), 1, p.size()}, stream))];
}

}  // namespace

void Watermark::check() const {
  check_at_least("context_width", context_width, 1);
  check_in("green_fraction", green_fraction, "(0, 1)");
  check_in("green_bias", green_bias, "[0, inf)");
  check_between("layers", layers, 1, 64);
}

WatermarkSampler::WatermarkSampler(const Watermark& watermark, std::span<const Token> prompt)
    : watermark_(watermark), text_(prompt.begin(), prompt.end()), used_(before) {
  watermark.check();
  check_tokens("prompt", prompt);
}

Token WatermarkSampler::draw(Rows logits, const Stream& stream) {
  const bool has_context = text_.size() >= watermark_.context_width;
  const Stream address =
      has_context ? address_of(watermark_, std::span(text_).last(watermark_.context_width))
                  : Stream{};
  const Token token = [&] {
    if (!has_context || !used_.insert(address).second) return draw_one(logits, stream);
    switch (watermark_.scheme) {
      case WatermarkScheme::gumbel:
        return static_cast<Token>(addressed_gumbel_max(logits, std::span(&address, 1)).front());
      case WatermarkScheme::green_list:
        return draw_raised(watermark_, logits, AddressedNoise(address), stream);
      case WatermarkScheme::tournament:
        break;
    }
    return draw_winner(watermark_, logits, AddressedNoise(address), stream);
  }();
  text_.push_back(token);
  return token;
}

std::vector<Hypothesis> watermarked_samples(const SequenceModel& model, const Sequence& prompt,
                                            std::size_t n, const Watermark& watermark,
                                            const Streams& streams, const SearchOptions& options) {
  streams.check_covers(n);
  std::vector<WatermarkSampler> samplers(n, WatermarkSampler(watermark, prompt));
  return draw_sequences(
      model, prompt, n, options, [&](std::size_t sample, const Sequence& prefix, Rows logits) {
        return samplers[sample].draw(logits, streams[sample].child(prefix.size() - prompt.size()));
      });
}

double watermark_p_value(const Watermark& watermark, std::size_t n, double score) {
  const auto count = static_cast<std::uint64_t>(std::ceil(std::max(0.0, score)));
  switch (watermark.scheme) {
    case WatermarkScheme::gumbel:
      return gamma_q(static_cast<double>(n), score);
    case WatermarkScheme::green_list:
      return binomial_upper_tail(n, watermark.green_fraction, count);
    case WatermarkScheme::tournament:
      break;
  }
  return binomial_upper_tail(n * static_cast<std::size_t>(watermark.layers), 0.5, count);
}

WatermarkEvidence detect_watermark(const Watermark& watermark, std::span<const Sequence> texts) {
  watermark.check();
  WatermarkEvidence evidence;
  std::set<Stream, decltype(&before)> used(before);
  std::size_t longest = 0;
  for (const Sequence& text : texts) {
    check_tokens("text", text);
    longest = std::max(longest, text.size());
    for (std::size_t t = watermark.context_width; t < text.size(); ++t) {
      const Stream address = address_of(
          watermark, std::span(text).subspan(t - watermark.context_width, watermark.context_width));
      if (used.insert(address).second) {
        evidence.scores.push_back(score_of(watermark, address, text[t]));
      } else {
        ++evidence.masked;
      }
    }
  }
  if (evidence.scores.empty()) {
    throw InvalidArgument("text", fmt::format("expected more tokens than the context of {}, got {}",
                                              watermark.context_width, longest));
  }
  evidence.score = std::accumulate(evidence.scores.begin(), evidence.scores.end(), 0.0);
  evidence.p_value = watermark_p_value(watermark, evidence.scores.size(), evidence.score);
  return evidence;
}

WatermarkEvidence detect_watermark(const Watermark& watermark, std::span<const Token> text) {
  const Sequence one(text.begin(), text.end());
  return detect_watermark(watermark, std::span(&one, 1));
}

}  // namespace partita
