// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/internal/edits.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <vector>

namespace partita::sampler {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A possible token stays possible, however large the penalty.
template <class Change>
void change(const Lookup& lookup, std::int32_t token, const Change& change_logit) {
  constexpr double kLargest = std::numeric_limits<double>::max();
  double* z = lookup(token);
  if (z == nullptr || *z == -kInfinity) return;
  *z = std::clamp(change_logit(*z), -kLargest, kLargest);
}

std::span<const std::int32_t> last(std::span<const std::int32_t> history, std::size_t n) {
  return history.last(std::min(n, history.size()));
}

/// lengths[k] = how many tokens the end of the window has in common with what ends k tokens
/// earlier, k >= 1: the Z-function (Gusfield 1997) of the window read backwards.
std::vector<std::size_t> repetition_lengths(std::span<const std::int32_t> window) {
  const std::size_t n = window.size();
  const auto back = [&](std::size_t i) { return window[n - 1 - i]; };
  std::vector<std::size_t> z(n, 0);
  std::size_t left = 0;
  std::size_t right = 0;  // [left, right) matches the beginning, with the largest right so far
  for (std::size_t k = 1; k < n; ++k) {
    std::size_t length = k < right ? std::min(right - k, z[k - left]) : 0;
    while (k + length < n && back(length) == back(k + length)) ++length;
    z[k] = length;
    if (k + length > right) {
      left = k;
      right = k + length;
    }
  }
  return z;
}

}  // namespace

void apply_logit_bias(const SamplerSettings& settings, const Lookup& lookup) {
  for (const auto& [token, bias] : settings.logit_bias) {
    if (bias != -kInfinity) {
      change(lookup, token, [&, bias = bias](double z) { return z + bias; });
    } else if (double* z = lookup(token)) {
      *z = bias;
    }
  }
}

void apply_allowed(const SamplerSettings& settings, std::span<double> logits, std::size_t first) {
  if (settings.allowed.empty()) return;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    if (settings.allowed[first + i] == 0) logits[i] = -kInfinity;
  }
}

void apply_penalties(const SamplerSettings& settings, const Lookup& lookup) {
  const auto window = last(settings.history, settings.penalty_last_n);
  std::vector<std::int32_t> tokens(window.begin(), window.end());
  std::sort(tokens.begin(), tokens.end());
  for (auto next = tokens.begin(); next != tokens.end();) {
    const auto first = next;
    next = std::upper_bound(first, tokens.end(), *first);
    const auto count = static_cast<double>(next - first);
    change(lookup, *first, [&](double z) {
      z = z > 0 ? z / settings.repeat_penalty : z * settings.repeat_penalty;
      return z - (count * settings.frequency_penalty + settings.presence_penalty);
    });
  }
}

bool penalizes_after_temperature(const SamplerSettings& settings) {
  if (settings.repeat_penalty == 1 || !settings.uses(SamplerStep::penalties)) return false;
  const auto& order = settings.order;
  const auto temperature = std::find(order.begin(), order.end(), SamplerStep::temperature);
  return std::find(temperature, order.end(), SamplerStep::penalties) != order.end();
}

void apply_dry(const SamplerSettings& settings, const Lookup& lookup) {
  const auto window = last(settings.history, settings.dry_last_n);
  const auto is_breaker = [&](std::int32_t token) {
    return std::find(settings.dry_breakers.begin(), settings.dry_breakers.end(), token) !=
           settings.dry_breakers.end();
  };
  std::size_t longest = 0;  // tokens after the last breaker
  while (longest < window.size() && !is_breaker(window[window.size() - 1 - longest])) ++longest;
  std::map<std::int32_t, std::size_t> repetition;  // the longest that the token would prolong
  const auto lengths = repetition_lengths(window);
  for (std::size_t k = 1; k < window.size(); ++k) {
    const std::size_t length = std::min(lengths[k], longest);
    const std::int32_t next = window[window.size() - k];
    if (length < settings.dry_allowed_length || is_breaker(next)) continue;
    std::size_t& known = repetition[next];
    known = std::max(known, length);
  }
  for (const auto& [token, length] : repetition) {
    const double power =
        std::pow(settings.dry_base, static_cast<double>(length - settings.dry_allowed_length));
    change(lookup, token, [&](double z) { return z - settings.dry_multiplier * power; });
  }
}

std::vector<std::int32_t> banned_tokens(const SamplerSettings& settings) {
  const std::size_t before = settings.no_repeat_ngram - 1;  // tokens of an n-gram before its last
  const auto history = settings.history;
  const auto end = last(history, before);
  std::vector<std::int32_t> banned;
  for (std::size_t i = before; i < history.size(); ++i) {
    if (std::equal(end.begin(), end.end(),
                   history.begin() + static_cast<std::ptrdiff_t>(i - before))) {
      banned.push_back(history[i]);
    }
  }
  return banned;
}

void apply_no_repeat_ngram(const SamplerSettings& settings, std::span<double> logits,
                           const Lookup& lookup) {
  const std::vector<std::int32_t> banned = banned_tokens(settings);
  if (banned.empty()) return;
  const auto most_likely = std::max_element(logits.begin(), logits.end());
  const double largest = *most_likely;
  for (const std::int32_t token : banned) {
    if (double* z = lookup(token)) *z = -kInfinity;
  }
  const bool none =
      std::all_of(logits.begin(), logits.end(), [](double z) { return z == -kInfinity; });
  if (none) *most_likely = largest;
}

}  // namespace partita::sampler
