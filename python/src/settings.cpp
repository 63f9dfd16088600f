// SPDX-License-Identifier: Apache-2.0
#include "settings.hpp"

#include <fmt/format.h>

#include <set>
#include <string>
#include <utility>

#include "arguments.hpp"

namespace partita::python {
namespace {

std::int32_t token(std::int64_t value, const char* name) {
  if (!std::in_range<std::int32_t>(value)) {
    throw py::value_error(fmt::format("{}: expected tokens below 2^31, got {}", name, value));
  }
  return static_cast<std::int32_t>(value);
}

std::vector<std::int32_t> tokens(py::handle object, const char* name) {
  std::vector<std::int32_t> out;
  for (const std::int64_t each : Integers(object, name).values) out.push_back(token(each, name));
  return out;
}

/// A pair of token and bias for each entry of a mapping, or of a list of pairs.
std::vector<LogitBias> logit_bias(py::handle object) {
  const py::object pairs = py::hasattr(object, "items")
                               ? object.attr("items")()
                               : py::reinterpret_borrow<py::object>(object);
  std::vector<LogitBias> out;
  for (const py::handle each : pairs) {
    if (!py::isinstance<py::sequence>(each) || py::len(each) != 2) {
      throw py::type_error("logit_bias: expected a mapping from token to bias");
    }
    const auto pair = py::reinterpret_borrow<py::sequence>(each);
    const std::uint64_t id = natural(pair[0], "logit_bias", (std::uint64_t{1} << 31U) - 1);
    out.push_back({static_cast<std::int32_t>(id), number(pair[1], "logit_bias")});
  }
  return out;
}

/// A number of tokens; None: the whole history.
std::size_t last_n(py::handle object, const char* name) {
  return object.is_none() ? SamplerSettings::kWholeHistory : count(object, name);
}

template <class State>
State* state_of(py::handle object, const char* name) {
  if (object.is_none()) return nullptr;
  if (!py::isinstance<State>(object)) {
    throw py::type_error(fmt::format("settings: {} is a {}", name, Py_TYPE(object.ptr())->tp_name));
  }
  return object.cast<State*>();
}

}  // namespace

OwnedSettings::OwnedSettings(py::handle python) {
  if (python.is_none()) return;
  if (!py::hasattr(python, "temperature") || !py::hasattr(python, "order")) {
    throw py::type_error(
        fmt::format("settings: expected SamplerSettings, got {}", Py_TYPE(python.ptr())->tp_name));
  }
  SamplerSettings& s = settings_;
  const auto real = [&](const char* name) { return number(python.attr(name), name); };
  const auto size = [&](const char* name) { return count(python.attr(name), name); };
  const auto given = [&](const char* name) {
    const py::object value = python.attr(name);
    return !value.is_none() && py::len(value) != 0;
  };

  if (given("logit_bias")) s.logit_bias = logit_bias_ = logit_bias(python.attr("logit_bias"));
  if (given("allowed")) {
    for (const std::int64_t flag : Integers(python.attr("allowed"), "allowed").values) {
      allowed_.push_back(flag != 0 ? 1 : 0);
    }
    s.allowed = allowed_;
  }
  if (given("history")) s.history = history_ = tokens(python.attr("history"), "history");
  s.no_repeat_ngram = size("no_repeat_ngram");
  s.repeat_penalty = real("repeat_penalty");
  s.frequency_penalty = real("frequency_penalty");
  s.presence_penalty = real("presence_penalty");
  s.penalty_last_n = last_n(python.attr("penalty_last_n"), "penalty_last_n");
  s.dry_multiplier = real("dry_multiplier");
  s.dry_base = real("dry_base");
  s.dry_allowed_length = size("dry_allowed_length");
  s.dry_last_n = last_n(python.attr("dry_last_n"), "dry_last_n");
  if (given("dry_breakers")) {
    s.dry_breakers = dry_breakers_ = tokens(python.attr("dry_breakers"), "dry_breakers");
  }
  s.temperature = real("temperature");
  s.dynatemp_range = real("dynatemp_range");
  s.dynatemp_exponent = real("dynatemp_exponent");
  s.top_n_sigma = real("top_n_sigma");
  s.min_k = real("min_k");
  s.top_h = real("top_h");
  s.top_k = size("top_k");
  s.top_p = real("top_p");
  s.min_p = real("min_p");
  s.typical_p = real("typical_p");
  s.epsilon_cutoff = real("epsilon_cutoff");
  s.eta_cutoff = real("eta_cutoff");
  s.p_less = python.attr("p_less").cast<bool>();
  s.xtc_probability = real("xtc_probability");
  s.xtc_threshold = real("xtc_threshold");
  s.mirostat = static_cast<int>(natural(python.attr("mirostat"), "mirostat", 2));
  s.mirostat_tau = real("mirostat_tau");
  s.mirostat_eta = real("mirostat_eta");
  s.mirostat_state =
      state_of<MirostatState>(mirostat_state_ = python.attr("mirostat_state"), "mirostat_state");
  s.adaptive_target = real("adaptive_target");
  s.adaptive_decay = real("adaptive_decay");
  s.adaptive_state =
      state_of<AdaptiveState>(adaptive_state_ = python.attr("adaptive_state"), "adaptive_state");
  for (const std::string& name : texts(python.attr("order"), "order")) {
    order_.push_back(sampler_step(name));
  }
  s.order = order_;
}

BatchSettings::BatchSettings(py::handle settings, std::size_t rows, States use) {
  if (!py::isinstance<py::sequence>(settings)) {
    owned_.emplace_back(settings);
  } else {
    for (const py::handle each : settings) {
      owned_.emplace_back(each);
      each_.push_back(owned_.back().get());
    }
    if (each_.size() != rows) {
      throw py::value_error(fmt::format("settings: expected one, or {} (one for each row), got {}",
                                        rows, each_.size()));
    }
  }
  if (use == States::read) return;
  // Each draw updates the state of its row; two rows at once would corrupt it.
  std::set<const void*> states;
  for (std::size_t row = 0; row < rows; ++row) {
    const SamplerSettings& s = each_.empty() ? owned_.front().get() : each_[row];
    if (each_.empty() && s.mirostat_state == nullptr && s.adaptive_state == nullptr) break;
    for (const void* state :
         {static_cast<const void*>(s.mirostat_state), static_cast<const void*>(s.adaptive_state)}) {
      if (state != nullptr && !states.insert(state).second) {
        throw py::value_error(
            fmt::format("settings: row {} shares its state with another row", row));
      }
    }
  }
}

}  // namespace partita::python
