// SPDX-License-Identifier: Apache-2.0
#include "partita/sampler/settings.hpp"

#include <fmt/format.h>

#include <algorithm>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {

namespace {

void check_order(std::span<const SamplerStep> order) {
  for (auto step = order.begin(); step != order.end(); ++step) {
    if (std::find(order.begin(), step, *step) != step) {
      throw InvalidArgument("order",
                            fmt::format("expected each step once, got {} twice", name(*step)));
    }
  }
}

}  // namespace

void SamplerSettings::check(std::size_t categories) const {
  for (const auto& [token, bias] : logit_bias) {
    check_index("logit_bias", token, categories, "tokens");
    check_in("logit_bias", bias, "[-inf, inf)");
  }
  if (!allowed.empty()) check_size("allowed", allowed.size(), categories, "one for each category");
  for (const std::int32_t token : history) check_index("history", token, categories, "tokens");
  for (const std::int32_t token : dry_breakers) {
    check_index("dry_breakers", token, categories, "tokens");
  }
  check_in("repeat_penalty", repeat_penalty, "(0, inf)");
  check_in("frequency_penalty", frequency_penalty, "(-inf, inf)");
  check_in("presence_penalty", presence_penalty, "(-inf, inf)");
  check_in("dry_multiplier", dry_multiplier, "[0, inf)");
  check_in("dry_base", dry_base, "[1, inf)");
  check_at_least("dry_allowed_length", dry_allowed_length, 1);
  check_in("temperature", temperature, "(0, inf)");
  check_in("dynatemp_range", dynatemp_range, "[0, inf)");
  check_in("dynatemp_exponent", dynatemp_exponent, "(0, inf)");
  check_in("top_n_sigma", top_n_sigma, "[0, inf)");
  check_in("min_k", min_k, "[0, inf)");
  check_in("top_h", top_h, "(0, 1]");
  check_in("top_p", top_p, "(0, 1]");
  check_in("min_p", min_p, "[0, 1]");
  check_in("typical_p", typical_p, "(0, 1]");
  check_in("epsilon_cutoff", epsilon_cutoff, "[0, 1)");
  check_in("eta_cutoff", eta_cutoff, "[0, 1)");
  check_in("xtc_probability", xtc_probability, "[0, 1]");
  check_in("xtc_threshold", xtc_threshold, "[0, 1]");
  check_between("mirostat", mirostat, 0, 2);
  if (mirostat != 0) {
    check_in("mirostat_tau", mirostat_tau, "(0, inf)");
    check_in("mirostat_eta", mirostat_eta, "(0, 1]");
    if (mirostat_state == nullptr) {
      throw InvalidArgument("mirostat_state", "mirostat needs a state, got none");
    }
  }
  if (!(adaptive_target < 0)) {  // negative: off
    check_in("adaptive_target", adaptive_target, "[0, 1]");
    check_in("adaptive_decay", adaptive_decay, "[0, 0.99]");
    if (adaptive_state == nullptr) {
      throw InvalidArgument("adaptive_state", "adaptive_target needs a state, got none");
    }
  }
  check_order(order);
}

bool SamplerSettings::uses(SamplerStep step) const {
  if (!is_set(step)) return false;
  if (step == SamplerStep::no_repeat_ngram) return history.size() + 1 >= no_repeat_ngram;
  if (step == SamplerStep::penalties) return !history.empty();
  if (step == SamplerStep::dry) return std::min(history.size(), dry_last_n) > dry_allowed_length;
  return true;
}

bool SamplerSettings::is_set(SamplerStep step) const {
  switch (step) {
    case SamplerStep::no_repeat_ngram:
      return no_repeat_ngram > 0;
    case SamplerStep::penalties:
      return penalty_last_n > 0 &&
             (repeat_penalty != 1 || frequency_penalty != 0 || presence_penalty != 0);
    case SamplerStep::dry:
      return dry_multiplier > 0 && dry_last_n > dry_allowed_length;
    case SamplerStep::temperature:
      return temperature != 1 || dynatemp_range > 0;
    case SamplerStep::top_n_sigma:
      return top_n_sigma > 0;
    case SamplerStep::min_k:
      return min_k > 0;
    case SamplerStep::top_h:
      return top_h < 1;
    case SamplerStep::top_k:
      return top_k > 0;
    case SamplerStep::top_p:
      return top_p < 1;
    case SamplerStep::min_p:
      return min_p > 0;
    case SamplerStep::typical:
      return typical_p < 1;
    case SamplerStep::epsilon:
      return epsilon_cutoff > 0;
    case SamplerStep::eta:
      return eta_cutoff > 0;
    case SamplerStep::p_less:
      return p_less;
    case SamplerStep::xtc:
      return xtc_probability > 0 && xtc_threshold <= 0.5;
    case SamplerStep::mirostat:
      return mirostat != 0;
    case SamplerStep::adaptive_p:
      return adaptive_target >= 0;
  }
  return {};
}

std::optional<SamplerStep> SamplerSettings::steered_step() const {
  for (const SamplerStep step : order) {
    const bool steered = step == SamplerStep::xtc || step == SamplerStep::mirostat ||
                         step == SamplerStep::adaptive_p;
    if (steered && uses(step)) return step;
  }
  return std::nullopt;
}

bool SamplerSettings::is_identity() const {
  return logit_bias.empty() && allowed.empty() &&
         std::none_of(order.begin(), order.end(), [&](SamplerStep step) { return uses(step); });
}

bool SamplerSettings::is_always_identity() const {
  return logit_bias.empty() && allowed.empty() &&
         std::none_of(order.begin(), order.end(), [&](SamplerStep step) { return is_set(step); });
}

std::string_view name(SamplerStep step) {
  switch (step) {
    case SamplerStep::no_repeat_ngram:
      return "no_repeat_ngram";
    case SamplerStep::penalties:
      return "penalties";
    case SamplerStep::dry:
      return "dry";
    case SamplerStep::temperature:
      return "temperature";
    case SamplerStep::top_n_sigma:
      return "top_n_sigma";
    case SamplerStep::min_k:
      return "min_k";
    case SamplerStep::top_h:
      return "top_h";
    case SamplerStep::top_k:
      return "top_k";
    case SamplerStep::top_p:
      return "top_p";
    case SamplerStep::min_p:
      return "min_p";
    case SamplerStep::typical:
      return "typical";
    case SamplerStep::epsilon:
      return "epsilon";
    case SamplerStep::eta:
      return "eta";
    case SamplerStep::p_less:
      return "p_less";
    case SamplerStep::xtc:
      return "xtc";
    case SamplerStep::mirostat:
      return "mirostat";
    case SamplerStep::adaptive_p:
      return "adaptive_p";
  }
  return {};
}

SamplerStep sampler_step(std::string_view given) {
  if (given == "typ_p") return SamplerStep::typical;
  std::string names;
  for (const SamplerStep step : kDefaultOrder) {
    if (name(step) == given) return step;
    names += (names.empty() ? "" : ", ") + std::string(name(step));
  }
  throw InvalidArgument("order", fmt::format("expected steps of {}, got {}", names, given));
}

}  // namespace partita
