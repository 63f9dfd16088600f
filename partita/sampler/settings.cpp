#include "partita/sampler/settings.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "partita/base/error.hpp"

namespace partita {

namespace {

template <class T>
void check_range(const char* setting, bool good, const char* range, T value) {
  if (!good) throw InvalidArgument(setting, fmt::format("expected {}, got {}", range, value));
}

bool within(double x, double low, double high) { return x >= low && x <= high; }
bool positive(double x) { return x > 0 && std::isfinite(x); }

void check_token(const char* setting, std::int32_t token, std::size_t categories) {
  if (token < 0 || static_cast<std::size_t>(token) >= categories) {
    throw InvalidArgument(setting, fmt::format("expected tokens of 0..{}, got {}",
                                               static_cast<long long>(categories) - 1, token));
  }
}

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
    check_token("logit_bias", token, categories);
    check_range("logit_bias", bias < std::numeric_limits<double>::infinity(), "a number or -inf",
                bias);
  }
  if (!allowed.empty() && allowed.size() != categories) {
    throw InvalidArgument(
        "allowed", fmt::format("expected one flag for each of {} categories, got {}", categories,
                               allowed.size()));
  }
  for (const std::int32_t token : history) check_token("history", token, categories);
  for (const std::int32_t token : dry_breakers) check_token("dry_breakers", token, categories);
  check_range("repeat_penalty", positive(repeat_penalty), "a positive finite number",
              repeat_penalty);
  check_range("frequency_penalty", std::isfinite(frequency_penalty), "a finite number",
              frequency_penalty);
  check_range("presence_penalty", std::isfinite(presence_penalty), "a finite number",
              presence_penalty);
  check_range("dry_multiplier", dry_multiplier >= 0 && std::isfinite(dry_multiplier),
              "a finite number >= 0", dry_multiplier);
  check_range("dry_base", dry_base >= 1 && std::isfinite(dry_base), "a finite number >= 1",
              dry_base);
  check_range("dry_allowed_length", dry_allowed_length >= 1, "1 or more", dry_allowed_length);
  check_range("temperature", positive(temperature), "a positive finite number", temperature);
  check_range("dynatemp_range", dynatemp_range >= 0 && std::isfinite(dynatemp_range),
              "a finite number >= 0", dynatemp_range);
  check_range("dynatemp_exponent", positive(dynatemp_exponent), "a positive finite number",
              dynatemp_exponent);
  check_range("top_n_sigma", top_n_sigma >= 0 && std::isfinite(top_n_sigma), "a finite number >= 0",
              top_n_sigma);
  check_range("top_h", top_h > 0 && top_h <= 1, "0 < top_h <= 1", top_h);
  check_range("top_p", top_p > 0 && top_p <= 1, "0 < p <= 1", top_p);
  check_range("min_p", within(min_p, 0, 1), "0 <= p <= 1", min_p);
  check_range("typical_p", typical_p > 0 && typical_p <= 1, "0 < p <= 1", typical_p);
  check_range("epsilon_cutoff", epsilon_cutoff >= 0 && epsilon_cutoff < 1, "0 <= epsilon < 1",
              epsilon_cutoff);
  check_range("eta_cutoff", eta_cutoff >= 0 && eta_cutoff < 1, "0 <= eta < 1", eta_cutoff);
  check_range("xtc_probability", within(xtc_probability, 0, 1), "0 <= probability <= 1",
              xtc_probability);
  check_range("xtc_threshold", within(xtc_threshold, 0, 1), "0 <= threshold <= 1", xtc_threshold);
  check_range("mirostat", mirostat >= 0 && mirostat <= 2, "0 (off), 1 or 2", mirostat);
  if (mirostat != 0) {
    check_range("mirostat_tau", positive(mirostat_tau), "a positive finite number", mirostat_tau);
    check_range("mirostat_eta", mirostat_eta > 0 && mirostat_eta <= 1, "0 < eta <= 1",
                mirostat_eta);
    if (mirostat_state == nullptr) {
      throw InvalidArgument("mirostat_state", "mirostat needs a state, got none");
    }
  }
  check_range("adaptive_target", adaptive_target <= 1, "0 <= target <= 1, or negative (off)",
              adaptive_target);
  if (adaptive_target >= 0) {
    check_range("adaptive_decay", within(adaptive_decay, 0, 0.99), "0 <= decay <= 0.99",
                adaptive_decay);
    if (adaptive_state == nullptr) {
      throw InvalidArgument("adaptive_state", "adaptive_target needs a state, got none");
    }
  }
  check_order(order);
}

bool SamplerSettings::uses(SamplerStep step) const {
  switch (step) {
    case SamplerStep::no_repeat_ngram:
      return no_repeat_ngram > 0 && history.size() + 1 >= no_repeat_ngram;
    case SamplerStep::penalties:
      return !history.empty() && penalty_last_n > 0 &&
             (repeat_penalty != 1 || frequency_penalty != 0 || presence_penalty != 0);
    case SamplerStep::dry:
      return dry_multiplier > 0 && std::min(history.size(), dry_last_n) > dry_allowed_length;
    case SamplerStep::temperature:
      return temperature != 1 || dynatemp_range > 0;
    case SamplerStep::top_n_sigma:
      return top_n_sigma > 0;
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

bool SamplerSettings::is_identity() const {
  return logit_bias.empty() && allowed.empty() &&
         std::none_of(order.begin(), order.end(), [&](SamplerStep step) { return uses(step); });
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

}  // namespace partita
