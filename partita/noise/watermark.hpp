// SPDX-License-Identifier: Apache-2.0
// Watermarks of a language model's text: whoever holds the key can tell, from the text alone and
// with an exact p-value, that its tokens were drawn with the noise of that key.
//
//   partita::Watermark mark{.key = {0x0123456789abcdef, 0xfedcba9876543210}};
//   auto texts = partita::watermarked_samples(model, {}, 5, mark, partita::Stream{.seed = 1});
//   auto evidence = partita::detect_watermark(mark, texts[0].tokens);
//   evidence.p_value                    // that a text made without the key would score as high
//
// The h tokens before a token, its context, and the key are the address of the noise that draws it
// (random/addressed_noise.hpp). Three schemes use that noise:
//
//   gumbel      The token is the arg max of logits plus Gumbel noise (Aaronson 2022). Score of a
//               token: -log(1 - u), u the uniform behind its Gumbel. Sum: Gamma(n, 1).
//   green_list  A share gamma of all tokens is green, and their logits are raised by delta
//               (Kirchenbauer et al., ICML 2023). Score: 1 if green. Sum: Binomial(n, gamma). Each
//               token is green or not on its own, where the paper's lists have gamma V tokens.
//   tournament  SynthID-Text, two candidates a match (Dathathri et al., Nature 634, 2024): 2^m
//               candidates drawn from the model play m rounds; in round l the one wins whose bit l
//               is 1, a coin deciding ties. Score: the sum of a token's m bits. Sum: Binomial(n m,
//               1/2).
//
// Gumbel and tournament are distortion-free: over a random key, texts have exactly the model's
// distribution. For that no address may be used twice in a text, so a context that has occurred
// before is masked: its token is drawn without the mark, and is not scored. For a given key, gumbel
// draws the same token whenever a context comes again in another text, so equal prompts of h or
// more tokens are continued alike; the tournament leaves choices open. The green list shifts the
// distribution, and marks more strongly where delta is large.
//
// The stated law of the score holds exactly for any text that was made without knowledge of the
// key, whoever wrote it: the noise of different contexts is independent. A mark fades as tokens are
// replaced, and text of little entropy can hold no mark.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <set>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"
#include "partita/search/search.hpp"

namespace partita {

enum class WatermarkScheme : std::uint8_t { gumbel, green_list, tournament };

struct Watermark {
  WatermarkScheme scheme = WatermarkScheme::gumbel;
  std::array<std::uint64_t, 2> key{};  ///< the secret
  std::size_t context_width = 4;       ///< h, the tokens that address the noise; 1 or more
  double green_fraction = 0.25;        ///< gamma of the green list, in (0, 1)
  double green_bias = 2;               ///< delta of the green list, in nats, finite, >= 0
  int layers = 30;                     ///< m of the tournament, 1 ... 64

  /// @throws InvalidArgument naming what is out of range.
  void check() const;
};

/// Draws one token after another with a watermark: for loops over a model of your own.
///
///   WatermarkSampler sampler(mark, prompt);
///   while (...) token = sampler.draw(logits, stream.child(t));
class WatermarkSampler {
 public:
  /// @param prompt what stands before the text: its tokens are contexts too.
  /// @throws InvalidArgument as Watermark::check(), or if a token is negative.
  explicit WatermarkSampler(const Watermark& watermark, std::span<const Token> prompt = {});

  /// The next token, which becomes part of the context.
  /// @param logits [1, V].
  /// @param stream what is random beside the mark: the whole draw where the context is masked or
  ///        still short; the draw from raised logits, or from a tournament's outcome.
  /// @throws InvalidArgument if the row holds NaN or +inf, or only -inf.
  Token draw(Rows logits, const Stream& stream);

 private:
  Watermark watermark_;
  Sequence text_;
  std::set<Stream, bool (*)(const Stream&, const Stream&)> used_;  // addresses
};

/// Draws n sequences with a watermark. Token t of sample i draws from streams[i].child(t) what is
/// random beside the mark. Log-probabilities are those of the model, filtered but unmarked.
/// @throws InvalidArgument as ancestral_samples() and Watermark::check().
std::vector<Hypothesis> watermarked_samples(const SequenceModel& model, const Sequence& prompt,
                                            std::size_t n, const Watermark& watermark,
                                            const Streams& streams,
                                            const SearchOptions& options = {});

struct WatermarkEvidence {
  std::vector<double> scores;  ///< of the tokens that were scored, in order
  std::size_t masked = 0;      ///< tokens left out because their context had occurred before
  double score = 0;            ///< the sum
  double p_value = 1;          ///< P(a text made without the key scores this or more)
};

/// P(sum of the scores of n tokens >= score) for text made without the key: exactly, to 1e-9
/// relatively for n up to 10^6 / layers.
double watermark_p_value(const Watermark& watermark, std::size_t n, double score);

/// Scores each token that has h tokens before it.
/// @throws InvalidArgument as Watermark::check(), if no token has h tokens before it, or a token is
///         negative.
WatermarkEvidence detect_watermark(const Watermark& watermark, std::span<const Token> text);

/// The same of several texts as one: contexts do not reach from one into the next, and are masked
/// if they have occurred in any.
WatermarkEvidence detect_watermark(const Watermark& watermark, std::span<const Sequence> texts);

}  // namespace partita
