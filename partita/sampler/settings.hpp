// SPDX-License-Identifier: Apache-2.0
// What a request asks of the sampler: how its logits are edited, what is filtered out, and in what
// order. Plain data; the defaults change nothing.
//
//   partita::SamplerSettings settings{.temperature = 0.8, .top_k = 40, .top_p = 0.95};
//   settings.check(vocabulary_size);                      // sample() does it for every row
//
// What is done, in this order: logit bias, then the allowed tokens, then the steps of `order`, each
// on the distribution that the one before it left, renormalized. The default order is that of
// Hugging Face's generate(), in which temperature comes before the filters; kLlamaCppOrder is
// llama.cpp's. A step whose setting has its default value costs nothing.
//
// At least one category always stays: every filter keeps the most likely one by its own rule.
// Equally likely categories stay or go together, except under top_k, which keeps exactly k: among
// equals those of lower index. (Hugging Face keeps equals in top-k and typical and drops some in
// top-p; llama.cpp drops some in all three.)
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace partita {

/// Added to one token's logit; -inf forbids the token.
struct LogitBias {
  std::int32_t token;
  double bias;
};

/// Surprise that is steered from draw to draw (SamplerSettings::mirostat). Kept by the caller, one
/// for each sequence; sample() reads and updates it.
struct MirostatState {
  double mu = std::numeric_limits<double>::quiet_NaN();  ///< bits; NaN: begin at 2 tau
};

/// Adaptive-p's memory: a sum of the drawn tokens' probabilities in which older ones weigh less.
/// Kept by the caller, one for each sequence; sample() reads and updates it.
struct AdaptiveState {
  double weighted_sum = 0;
  double total_weight = 0;  ///< 0: begin as if the target had always been met
};

enum class SamplerStep : std::uint8_t {
  no_repeat_ngram,
  penalties,
  dry,
  temperature,
  top_n_sigma,
  min_k,
  top_h,
  top_k,
  top_p,
  min_p,
  typical,
  epsilon,
  eta,
  p_less,
  xtc,
  mirostat,
  adaptive_p,
};

/// All of them, in the order of Hugging Face's generate(); steps that it lacks stand where
/// llama.cpp has them, and min_k, which both lack, before the temperature, as in its paper.
inline constexpr SamplerStep kDefaultOrder[] = {SamplerStep::no_repeat_ngram,
                                                SamplerStep::penalties,
                                                SamplerStep::dry,
                                                SamplerStep::min_k,
                                                SamplerStep::temperature,
                                                SamplerStep::top_n_sigma,
                                                SamplerStep::top_h,
                                                SamplerStep::top_k,
                                                SamplerStep::top_p,
                                                SamplerStep::min_p,
                                                SamplerStep::typical,
                                                SamplerStep::epsilon,
                                                SamplerStep::eta,
                                                SamplerStep::p_less,
                                                SamplerStep::xtc,
                                                SamplerStep::mirostat,
                                                SamplerStep::adaptive_p};

/// llama.cpp's default: the filters first, temperature after them.
inline constexpr SamplerStep kLlamaCppOrder[] = {SamplerStep::no_repeat_ngram,
                                                 SamplerStep::penalties,
                                                 SamplerStep::dry,
                                                 SamplerStep::top_n_sigma,
                                                 SamplerStep::min_k,
                                                 SamplerStep::top_k,
                                                 SamplerStep::typical,
                                                 SamplerStep::top_p,
                                                 SamplerStep::min_p,
                                                 SamplerStep::xtc,
                                                 SamplerStep::top_h,
                                                 SamplerStep::epsilon,
                                                 SamplerStep::eta,
                                                 SamplerStep::p_less,
                                                 SamplerStep::temperature,
                                                 SamplerStep::mirostat,
                                                 SamplerStep::adaptive_p};

struct SamplerSettings {
  static constexpr std::size_t kWholeHistory = std::numeric_limits<std::size_t>::max();

  /// Added before anything else. Tokens may repeat.
  std::span<const LogitBias> logit_bias = {};
  /// Empty, or a flag for each category: 0 forbids it.
  std::span<const std::uint8_t> allowed = {};

  /// The tokens before this one, oldest first: prompt and output. Read by the next four settings.
  std::span<const std::int32_t> history = {};

  /// Forbids every token that would complete an n-gram which the history already has (Hugging
  /// Face's no_repeat_ngram_size). 0: off. If that forbids all, the most likely token stays.
  std::size_t no_repeat_ngram = 0;

  /// A token of the last penalty_last_n gets its logit divided by repeat_penalty where it is
  /// positive and multiplied where it is not (Keskar et al. 2019, CTRL; also llama.cpp and Hugging
  /// Face, which looks at the whole history: kWholeHistory), and then lowered by
  /// count * frequency_penalty + presence_penalty (OpenAI's, as in llama.cpp). > 0; 1 is off.
  double repeat_penalty = 1;
  double frequency_penalty = 0;
  double presence_penalty = 0;
  std::size_t penalty_last_n = 64;

  /// DRY ("don't repeat yourself", as in llama.cpp): a token that would prolong a repetition of n
  /// >= dry_allowed_length tokens loses dry_multiplier * dry_base^(n - dry_allowed_length), with n
  /// the longest end of the history that occurs earlier, followed by that token. A repetition does
  /// not reach over a breaker, and breakers are not penalized. multiplier >= 0, 0 is off; base >=
  /// 1.
  double dry_multiplier = 0;
  double dry_base = 1.75;
  std::size_t dry_allowed_length = 2;
  std::size_t dry_last_n = kWholeHistory;
  std::span<const std::int32_t> dry_breakers = {};

  /// Logits are divided by it; > 0. For greedy choice use top_k = 1.
  double temperature = 1;
  /// Dynamic temperature (llama.cpp's): with r > 0 the temperature is
  /// low + (high - low) (H / H_max)^exponent, low = max(0, T - r), high = T + r, H the entropy of
  /// the distribution at hand and H_max the logarithm of its number of categories.
  double dynatemp_range = 0;
  double dynatemp_exponent = 1;

  /// Keeps logits of at least max - n sigma, sigma their standard deviation (Tang et al. 2024,
  /// "Top-n-sigma"; of the categories that are possible, as in llama.cpp). 0: off.
  double top_n_sigma = 0;

  /// Min-k (Ding et al. 2026, "Min-k sampling", algorithm 1): of the logits l_1 ... l_n in
  /// descending order it keeps the first max(c, tau / R), with c the i < n at which
  /// (l_i - l_{i+1}) / i is largest, the cliff, and R = l_1 - l_n. The cliff does not depend on the
  /// temperature. min_k is tau, 3 in the paper; 0: off.
  double min_k = 0;

  /// Keeps the most likely as long as the entropy of what is kept, renormalized, is at most top_h
  /// times the entropy of all (Potraghloo et al. 2025, "Top-H decoding". Hugging Face sums -p log p
  /// without renormalizing, over the 100 most likely; we follow the paper). 0 < top_h <= 1; 1: off.
  double top_h = 1;

  /// Keeps the k most likely. 0: off.
  std::size_t top_k = 0;

  /// Nucleus sampling (Holtzman et al. 2020): a category stays if the probabilities of all that are
  /// strictly likelier add up to less than p. 0 < p <= 1; 1: off.
  double top_p = 1;

  /// Keeps categories of at least p times the largest probability (Nguyen et al. 2024). 0 <= p <=
  /// 1.
  double min_p = 0;

  /// Locally typical sampling (Meister et al. 2023): a category stays if the probabilities of all
  /// whose |-log p_i - entropy| is strictly smaller add up to less than p. 0 < p <= 1; 1: off.
  double typical_p = 1;

  /// Keeps probabilities of at least epsilon (Hewitt et al. 2022; Hugging Face's epsilon_cutoff).
  /// 0 <= epsilon < 1; 0: off.
  double epsilon_cutoff = 0;

  /// Keeps probabilities of at least min(eta, sqrt(eta) exp(-H)) (Hewitt et al. 2022, with the
  /// threshold itself kept, as in Hugging Face's eta_cutoff). 0 <= eta < 1; 0: off.
  double eta_cutoff = 0;

  /// Keeps probabilities of at least sum p_i^2, that of guessing right (Tan et al. 2025, "p-less
  /// sampling").
  bool p_less = false;

  /// "Exclude top choices" (as in llama.cpp): with this probability, if several categories have at
  /// least xtc_threshold, only the least likely of them stays. 0: off. The threshold is in
  /// [0, 1]; above 1/2 nothing is ever excluded.
  double xtc_probability = 0;
  double xtc_threshold = 0.1;

  /// Mirostat (Basu et al. 2021), version 1 or 2; 0: off. Version 1 estimates Zipf's exponent from
  /// the 100 most likely and keeps top-k for the k that belongs to a surprise of mu; version 2
  /// keeps -log2 p_i <= mu. After the draw mu falls by eta (surprise - tau), surprise being -log2
  /// of the probability with which the token was drawn. tau > 0 bits; 0 < eta <= 1.
  int mirostat = 0;
  double mirostat_tau = 5;
  double mirostat_eta = 0.1;
  MirostatState* mirostat_state = nullptr;

  /// Adaptive-p (as in llama.cpp): prefers tokens whose probability p is near a target t', by
  /// logits of 5 - 10 d^2 / (1 + d), d = |p - t'| / 0.3. t' = 2 t - (average of the drawn tokens'
  /// p, older ones weighing decay times as much each), within [0, 1]. t in [0, 1], negative: off;
  /// decay in [0, 0.99].
  double adaptive_target = -1;
  double adaptive_decay = 0.9;
  AdaptiveState* adaptive_state = nullptr;

  /// What is applied, each step at most once; what is not listed is not applied.
  std::span<const SamplerStep> order = kDefaultOrder;

  /// @throws InvalidArgument naming the first setting that is out of its range, its value and the
  ///         range.
  void check(std::size_t categories) const;

  /// True if the step, were it in `order`, could change a row after this history.
  bool uses(SamplerStep step) const;

  /// The first step that is random (XTC) or has a state (Mirostat, adaptive-p), if one is used:
  /// what is drawn from then depends on more than the logits and the history.
  std::optional<SamplerStep> steered_step() const;

  /// True if nothing is changed after this history.
  bool is_identity() const;
  /// True if nothing is changed after any history.
  bool is_always_identity() const;

 private:
  bool is_set(SamplerStep step) const;
};

/// "top_k"; the names that `order` has in messages and files.
std::string_view name(SamplerStep step);

/// The step of that name, or of llama.cpp's: "typ_p". @throws InvalidArgument listing the names
SamplerStep sampler_step(std::string_view name);

}  // namespace partita
