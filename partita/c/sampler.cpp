// SPDX-License-Identifier: Apache-2.0
// The sampler of partita.h.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <set>

#include "partita/base/internal/check.hpp"
#include "partita/base/version.hpp"
#include "partita/c/internal/handles.hpp"
#include "partita/c/partita.h"
#include "partita/sampler/sample.hpp"

namespace {

using namespace partita;
using c::array;
using c::guard;
using c::not_null;
using S = SamplerSettings;

// ---- settings by name ----

template <class T>
T whole_number(double value) {
  if constexpr (std::is_same_v<T, std::size_t>) {
    if (value == std::numeric_limits<double>::infinity()) return S::kWholeHistory;
  }
  constexpr double kMost = std::is_same_v<T, int> ? 0x1p31 - 1 : 0x1p53;
  if (!(value >= 0 && value <= kMost && value == std::floor(value))) {
    throw InvalidArgument("", fmt::format("expected a whole number, got {}", value));
  }
  return static_cast<T>(value);
}

/// How a setting is written and read.
struct Setting {
  std::string_view name;
  void (*set)(partita_sampler&, double);
  double (*get)(const partita_sampler&);
};

template <auto Member>
constexpr Setting field(std::string_view name) {
  return {name,
          [](partita_sampler& s, double value) {
            auto& member = s.values.*Member;
            using T = std::remove_reference_t<decltype(member)>;
            if constexpr (std::is_same_v<T, double>) {
              member = value;
            } else if constexpr (std::is_same_v<T, bool>) {
              if (value != 0 && value != 1) {
                throw InvalidArgument("", fmt::format("expected 0 or 1, got {}", value));
              }
              member = value == 1;
            } else {
              member = whole_number<T>(value);
            }
          },
          [](const partita_sampler& s) {
            const auto member = s.values.*Member;
            if constexpr (std::is_same_v<decltype(member), const std::size_t>) {
              if (member == S::kWholeHistory) return std::numeric_limits<double>::infinity();
            }
            return static_cast<double>(member);
          }};
}

/// A number of a state.
template <auto State, auto Member>
constexpr Setting state(std::string_view name) {
  return {name, [](partita_sampler& s, double value) { s.*State.*Member = value; },
          [](const partita_sampler& s) { return s.*State.*Member; }};
}

constexpr Setting kSettings[] = {
    field<&S::no_repeat_ngram>("no_repeat_ngram"),
    field<&S::repeat_penalty>("repeat_penalty"),
    field<&S::frequency_penalty>("frequency_penalty"),
    field<&S::presence_penalty>("presence_penalty"),
    field<&S::penalty_last_n>("penalty_last_n"),
    field<&S::dry_multiplier>("dry_multiplier"),
    field<&S::dry_base>("dry_base"),
    field<&S::dry_allowed_length>("dry_allowed_length"),
    field<&S::dry_last_n>("dry_last_n"),
    field<&S::temperature>("temperature"),
    field<&S::dynatemp_range>("dynatemp_range"),
    field<&S::dynatemp_exponent>("dynatemp_exponent"),
    field<&S::top_n_sigma>("top_n_sigma"),
    field<&S::min_k>("min_k"),
    field<&S::top_h>("top_h"),
    field<&S::top_k>("top_k"),
    field<&S::top_p>("top_p"),
    field<&S::min_p>("min_p"),
    field<&S::typical_p>("typical_p"),
    field<&S::epsilon_cutoff>("epsilon_cutoff"),
    field<&S::eta_cutoff>("eta_cutoff"),
    field<&S::p_less>("p_less"),
    field<&S::xtc_probability>("xtc_probability"),
    field<&S::xtc_threshold>("xtc_threshold"),
    field<&S::mirostat>("mirostat"),
    field<&S::mirostat_tau>("mirostat_tau"),
    field<&S::mirostat_eta>("mirostat_eta"),
    field<&S::adaptive_target>("adaptive_target"),
    field<&S::adaptive_decay>("adaptive_decay"),
    state<&partita_sampler::mirostat, &MirostatState::mu>("mirostat_mu"),
    state<&partita_sampler::adaptive, &AdaptiveState::weighted_sum>("adaptive_weighted_sum"),
    state<&partita_sampler::adaptive, &AdaptiveState::total_weight>("adaptive_total_weight"),
};

const Setting& setting(std::string_view name) {
  std::string names;
  for (const Setting& each : kSettings) {
    if (each.name == name) return each;
    names += (names.empty() ? "" : ", ") + std::string(each.name);
  }
  throw InvalidArgument(name, "no such setting; expected one of " + names);
}

// ---- rows ----

Rows rows_of(const partita_rows& view) {
  check_between("dtype", view.dtype, int{PARTITA_F32}, int{PARTITA_F16});
  constexpr DType kTypes[] = {DType::f32, DType::f64, DType::bf16, DType::f16};
  if (view.rows > 0 && view.columns > 0) not_null("logits", view.data);
  return {view.data,    kTypes[view.dtype], view.rows,
          view.columns, view.row_stride,    view.column_stride};
}

/// The arguments that all draws have.
struct Request {
  Rows logits;
  std::vector<SamplerSettings> settings;
  std::vector<Stream> streams;

  Request(const partita_rows* view, partita_sampler* const* samplers, const partita_stream* stream,
          bool updates)
      : logits(rows_of(*not_null("logits", view))) {
    std::set<const partita_sampler*> with_state;
    for (partita_sampler* sampler : array("samplers", samplers, logits.rows())) {
      settings.push_back(not_null("samplers", sampler)->settings());
      const bool has_state = settings.back().mirostat != 0 || settings.back().adaptive_target >= 0;
      if (updates && has_state && !with_state.insert(sampler).second) {
        throw InvalidArgument("samplers", "two rows share one that has a state");
      }
    }
    for (const partita_stream& each : array("streams", stream, logits.rows())) {
      streams.push_back(c::stream_of(each));
    }
  }

  Streams each() const { return {std::span<const Stream>(streams)}; }
};

/// The first bad row, once the others have been answered.
void report(const std::vector<RowError>& errors) {
  if (errors.empty()) return;
  throw InvalidArgument("logits",
                        fmt::format("row {}: {}", errors.front().row, errors.front().reason));
}

template <class From, class To>
void copy(const std::vector<From>& from, To* to) {
  if (to != nullptr) std::copy(from.begin(), from.end(), to);
}

partita_draw draw_of(const Draw& draw) {
  return {draw.index,  draw.log_prob,   draw.raw_log_prob, draw.tempered_log_prob,
          draw.rank,   draw.kept_count, draw.kept_mass,    draw.raw_entropy,
          draw.entropy};
}

}  // namespace

const char* partita_version(void) { return version(); }

void partita_stream_child(const partita_stream* stream, uint64_t n, partita_stream* child) {
  const Stream made = c::stream_of(*stream).child(n);
  *child = {made.seed, made.id, {made.path[0], made.path[1], made.path[2]}};
}

partita_status partita_sampler_create(partita_sampler** sampler, partita_error* error) {
  return guard(error, [&] { *not_null("sampler", sampler) = new partita_sampler; });
}

partita_status partita_sampler_copy(const partita_sampler* from, partita_sampler** sampler,
                                    partita_error* error) {
  return guard(
      error, [&] { *not_null("sampler", sampler) = new partita_sampler(*not_null("from", from)); });
}

void partita_sampler_destroy(partita_sampler* sampler) { delete sampler; }

partita_status partita_sampler_set(partita_sampler* sampler, const char* name, double value,
                                   partita_error* error) {
  return guard(error, [&] {
    const Setting& found = setting(not_null("name", name));
    try {
      found.set(*not_null("sampler", sampler), value);
    } catch (const InvalidArgument& e) {
      throw InvalidArgument(e.argument().empty() ? name : e.argument(), e.reason());
    }
  });
}

partita_status partita_sampler_get(const partita_sampler* sampler, const char* name, double* value,
                                   partita_error* error) {
  return guard(error, [&] {
    *not_null("value", value) = setting(not_null("name", name)).get(*not_null("sampler", sampler));
  });
}

partita_status partita_sampler_set_order(partita_sampler* sampler, const char* steps,
                                         partita_error* error) {
  return guard(error, [&] {
    std::string_view rest = not_null("steps", steps);
    std::vector<SamplerStep> order;
    if (rest == "default") {
      order.assign(std::begin(kDefaultOrder), std::end(kDefaultOrder));
    } else if (rest == "llama.cpp") {
      order.assign(std::begin(kLlamaCppOrder), std::end(kLlamaCppOrder));
    } else {
      while (!rest.empty()) {
        const std::string_view step = rest.substr(0, rest.find(';'));
        order.push_back(sampler_step(step));
        rest.remove_prefix(std::min(rest.size(), step.size() + 1));
      }
    }
    not_null("sampler", sampler)->order = std::move(order);
  });
}

partita_status partita_sampler_set_logit_bias(partita_sampler* sampler, const int32_t* tokens,
                                              const double* bias, size_t count,
                                              partita_error* error) {
  return guard(error, [&] {
    const auto biases = array("bias", bias, count);
    std::vector<LogitBias> made;
    for (const std::int32_t token : array("tokens", tokens, count)) {
      made.push_back({token, biases[made.size()]});
    }
    not_null("sampler", sampler)->logit_bias = std::move(made);
  });
}

partita_status partita_sampler_set_allowed(partita_sampler* sampler, const uint8_t* allowed,
                                           size_t count, partita_error* error) {
  return guard(error, [&] {
    const auto flags = array("allowed", allowed, count);
    not_null("sampler", sampler)->allowed.assign(flags.begin(), flags.end());
  });
}

partita_status partita_sampler_set_dry_breakers(partita_sampler* sampler, const int32_t* tokens,
                                                size_t count, partita_error* error) {
  return guard(error, [&] {
    const auto given = array("tokens", tokens, count);
    not_null("sampler", sampler)->dry_breakers.assign(given.begin(), given.end());
  });
}

partita_status partita_sampler_set_history(partita_sampler* sampler, const int32_t* tokens,
                                           size_t count, partita_error* error) {
  return guard(error, [&] {
    const auto given = array("tokens", tokens, count);
    not_null("sampler", sampler)->history.assign(given.begin(), given.end());
  });
}

partita_status partita_sampler_accept(partita_sampler* sampler, int32_t token,
                                      partita_error* error) {
  return guard(error, [&] { not_null("sampler", sampler)->history.push_back(token); });
}

partita_status partita_sample(const partita_rows* logits, partita_sampler* const* samplers,
                              const partita_stream* streams, int32_t threads, int64_t* tokens,
                              partita_error* error) {
  return guard(error, [&] {
    const Request request(logits, samplers, streams, true);
    array("tokens", tokens, request.logits.rows());
    std::vector<RowError> errors;
    copy(sample(request.logits, request.settings, request.each(),
                {.threads = threads, .errors = &errors}),
         tokens);
    report(errors);
  });
}

partita_status partita_sample_with_report(const partita_rows* logits,
                                          partita_sampler* const* samplers,
                                          const partita_stream* streams, int32_t threads,
                                          partita_draw* draws, size_t top, int64_t* top_tokens,
                                          double* top_log_prob, uint8_t* kept,
                                          partita_error* error) {
  return guard(error, [&] {
    const Request request(logits, samplers, streams, true);
    const std::size_t rows = request.logits.rows();
    const std::size_t columns = request.logits.columns();
    check_between("top", top, 0, columns, "columns");
    const auto out = array("draws", draws, rows);
    const auto tokens = array("top_tokens", top_tokens, rows * top);
    const auto log_prob = array("top_log_prob", top_log_prob, rows * top);
    std::fill(tokens.begin(), tokens.end(), -1);
    std::fill(log_prob.begin(), log_prob.end(), -std::numeric_limits<double>::infinity());
    if (kept != nullptr) std::fill_n(kept, rows * columns, std::uint8_t{0});
    std::vector<RowError> errors;
    const std::vector<Draw> drawn = sample_with_report(
        request.logits, request.settings, request.each(),
        {.top = top, .kept = kept != nullptr, .threads = threads, .errors = &errors});
    for (std::size_t row = 0; row < rows; ++row) {
      out[row] = draw_of(drawn[row]);
      for (std::size_t i = 0; i < drawn[row].top.size(); ++i) {
        tokens[row * top + i] = drawn[row].top[i].index;
        log_prob[row * top + i] = drawn[row].top[i].log_prob;
      }
      for (const std::int64_t token : drawn[row].kept) {
        kept[row * columns + static_cast<std::size_t>(token)] = 1;
      }
    }
    report(errors);
  });
}

partita_status partita_sample_without_replacement(const partita_rows* logits, size_t k,
                                                  partita_sampler* const* samplers,
                                                  const partita_stream* streams, int32_t threads,
                                                  int64_t* tokens, double* log_prob,
                                                  double* perturbed, double* threshold,
                                                  partita_error* error) {
  return guard(error, [&] {
    const Request request(logits, samplers, streams, false);
    array("tokens", tokens, request.logits.rows());
    std::vector<RowError> errors;
    const TopKSample drawn =
        sample_without_replacement(request.logits, k, request.settings, request.each(),
                                   {.threads = threads, .errors = &errors});
    copy(drawn.indices, tokens);
    copy(drawn.log_prob, log_prob);
    copy(drawn.perturbed, perturbed);
    copy(drawn.threshold, threshold);
    report(errors);
  });
}

partita_status partita_replay_log_prob(const partita_rows* logits, const int64_t* tokens,
                                       partita_sampler* const* samplers,
                                       const partita_stream* streams, int32_t threads,
                                       double* log_prob, partita_error* error) {
  return guard(error, [&] {
    const Request request(logits, samplers, streams, false);
    const std::size_t rows = request.logits.rows();
    array("log_prob", log_prob, rows);
    std::vector<RowError> errors;
    copy(replay_log_prob(request.logits, array("tokens", tokens, rows), request.settings,
                         request.each(), {.threads = threads, .errors = &errors}),
         log_prob);
    report(errors);
  });
}
