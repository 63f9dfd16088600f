// SPDX-License-Identifier: Apache-2.0
// The searches of partita.h.
#include <cmath>
#include <memory>
#include <utility>

#include "partita/base/internal/check.hpp"
#include "partita/c/internal/handles.hpp"
#include "partita/c/partita.h"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

using namespace partita;
using c::array;
using c::guard;
using c::not_null;

/// A SequenceModel of the caller's functions.
struct partita_model final : SequenceModel {
  struct State final : DecodingState {
    State(const partita_model& of, void* state) : model(&of), handle(state) {}
    ~State() override { model->finish(handle); }
    void reorder(std::span<const std::size_t> rows) override {
      partita_error error = {};
      if (model->reorder(handle, rows.data(), rows.size(), &error) != 0) {
        throw c::CallbackFailed{error.message};
      }
    }
    const partita_model* model;
    void* handle;
  };

  std::size_t vocabulary = 0;
  Token end = -1;
  DType dtype = DType::f64;
  void* context = nullptr;
  partita_next_logits callback = nullptr;
  void* (*make)(void*) = nullptr;  // null: there is no state
  std::int32_t (*reorder)(void*, const std::size_t*, std::size_t, partita_error*) = nullptr;
  void (*finish)(void*) = nullptr;

  std::size_t vocabulary_size() const override { return vocabulary; }
  Token end_token() const override { return end; }
  DType logits_dtype() const override { return dtype; }

  std::unique_ptr<DecodingState> start() const override {
    if (make == nullptr) return nullptr;
    void* const state = make(context);
    if (state == nullptr) throw c::CallbackFailed{"the model could not start a state"};
    return std::make_unique<State>(*this, state);
  }

  void next_logits(std::span<const Sequence> prefixes, DecodingState* state,
                   MutableRows logits) const override {
    std::vector<const Token*> tokens;
    std::vector<std::size_t> lengths;
    for (const Sequence& prefix : prefixes) {
      tokens.push_back(prefix.data());
      lengths.push_back(prefix.size());
    }
    void* const handle = state != nullptr ? static_cast<State*>(state)->handle : nullptr;
    partita_error error = {};
    if (callback(context, handle, prefixes.size(), tokens.data(), lengths.data(), logits.data(),
                 &error) != 0) {
      throw c::CallbackFailed{error.message};
    }
  }
};

namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

partita_hypothesis view_of(const Hypothesis& from, double perturbed, double weight) {
  return {from.tokens.data(), from.tokens.size(), from.finished ? 1 : 0,
          from.log_prob,      perturbed,          weight};
}

SearchOptions options_of(const partita_search_options* options, partita_sampler& filter) {
  SearchOptions out;
  if (options == nullptr) return out;
  out.max_length = options->max_length;
  out.threads = options->threads;
  out.batch = options->batch;
  if (options->filter != nullptr) {
    filter = *options->filter;
    out.filter = filter.settings();
    out.filter.history = {};
  }
  return out;
}

Sequence prompt_of(const std::int32_t* tokens, std::size_t count) {
  const auto given = array("prompt", tokens, count);
  return {given.begin(), given.end()};
}

}  // namespace

/// What a search found, and views of it.
struct partita_hypotheses {
  std::vector<Hypothesis> sequences;
  std::vector<partita_hypothesis> views;
  double threshold = kNone;

  void add(Hypothesis sequence, double perturbed, double weight) {
    sequences.push_back(std::move(sequence));  // a moved vector keeps its tokens where they are
    views.push_back(view_of(sequences.back(), perturbed, weight));
  }
};

struct partita_unique {
  partita_sampler filter;
  std::unique_ptr<UniqueSampler> sampler;
  PerturbedHypothesis last;
};

namespace {

/// Runs search(options, prompt, found).
template <class Search>
partita_status run(const partita_model* model, const std::int32_t* prompt, std::size_t length,
                   const partita_search_options* options, partita_hypotheses** found,
                   partita_error* error, const Search& search) {
  return guard(error, [&] {
    not_null("model", model);
    not_null("found", found);
    partita_sampler filter;
    const SearchOptions checked = options_of(options, filter);
    auto made = std::make_unique<partita_hypotheses>();
    search(checked, prompt_of(prompt, length), *made);
    *found = made.release();
  });
}

}  // namespace

partita_status partita_model_create(size_t vocabulary, int32_t end_token, int32_t dtype,
                                    partita_next_logits next_logits, void* context,
                                    partita_model** model, partita_error* error) {
  return guard(error, [&] {
    check_at_least("vocabulary", vocabulary, 1);
    check_between("end_token", end_token, -1, Integer(vocabulary - 1));
    check_between("dtype", dtype, int{PARTITA_F32}, int{PARTITA_F64});
    if (next_logits == nullptr) throw InvalidArgument("next_logits", "expected a function");
    not_null("model", model);
    auto made = std::make_unique<partita_model>();
    made->vocabulary = vocabulary;
    made->end = end_token;
    made->dtype = dtype == PARTITA_F32 ? DType::f32 : DType::f64;
    made->context = context;
    made->callback = next_logits;
    *model = made.release();
  });
}

partita_status partita_model_set_state(partita_model* model, void* (*start)(void* context),
                                       int32_t (*reorder)(void* state, const size_t* rows,
                                                          size_t count, partita_error* error),
                                       void (*finish)(void* state), partita_error* error) {
  return guard(error, [&] {
    not_null("model", model);
    if (start == nullptr || reorder == nullptr || finish == nullptr) {
      throw InvalidArgument("start", "expected three functions");
    }
    model->make = start;
    model->reorder = reorder;
    model->finish = finish;
  });
}

void partita_model_destroy(partita_model* model) { delete model; }

size_t partita_hypotheses_size(const partita_hypotheses* found) {
  return found != nullptr ? found->views.size() : 0;
}

const partita_hypothesis* partita_hypotheses_data(const partita_hypotheses* found) {
  return found != nullptr && !found->views.empty() ? found->views.data() : nullptr;
}

double partita_hypotheses_threshold(const partita_hypotheses* found) {
  return found != nullptr ? found->threshold : kNone;
}

void partita_hypotheses_destroy(partita_hypotheses* found) { delete found; }

partita_status partita_stochastic_beam_search(const partita_model* model, const int32_t* prompt,
                                              size_t prompt_length, size_t k,
                                              const partita_stream* stream,
                                              const partita_search_options* options,
                                              partita_hypotheses** found, partita_error* error) {
  return run(model, prompt, prompt_length, options, found, error,
             [&](const SearchOptions& checked, const Sequence& begin, partita_hypotheses& out) {
               StochasticBeam beam = stochastic_beam_search(
                   *model, begin, k, c::stream_of(*not_null("stream", stream)), checked);
               out.threshold = beam.threshold;
               for (std::size_t i = 0; i < beam.sequences.size(); ++i) {
                 const double perturbed = beam.sequences[i].perturbed;
                 out.add(std::move(beam.sequences[i]), perturbed, beam.weights[i]);
               }
             });
}

partita_status partita_ancestral_samples(const partita_model* model, const int32_t* prompt,
                                         size_t prompt_length, size_t n,
                                         const partita_stream* stream,
                                         const partita_search_options* options,
                                         partita_hypotheses** found, partita_error* error) {
  return run(model, prompt, prompt_length, options, found, error,
             [&](const SearchOptions& checked, const Sequence& begin, partita_hypotheses& out) {
               for (Hypothesis& sample : ancestral_samples(
                        *model, begin, n, c::stream_of(*not_null("stream", stream)), checked)) {
                 out.add(std::move(sample), kNone, kNone);
               }
             });
}

partita_status partita_beam_search(const partita_model* model, const int32_t* prompt,
                                   size_t prompt_length, size_t k, double length_penalty,
                                   int32_t early_stopping, const partita_search_options* options,
                                   partita_hypotheses** found, partita_error* error) {
  return run(model, prompt, prompt_length, options, found, error,
             [&](const SearchOptions& checked, const Sequence& begin, partita_hypotheses& out) {
               for (Hypothesis& best :
                    beam_search(*model, begin, k, checked, {length_penalty, early_stopping != 0})) {
                 out.add(std::move(best), kNone, kNone);
               }
             });
}

partita_status partita_unique_create(const partita_model* model, const int32_t* prompt,
                                     size_t prompt_length, const partita_stream* stream,
                                     const partita_search_options* options, partita_unique** unique,
                                     partita_error* error) {
  return guard(error, [&] {
    not_null("unique", unique);
    auto made = std::make_unique<partita_unique>();
    const SearchOptions checked = options_of(options, made->filter);
    made->sampler =
        std::make_unique<UniqueSampler>(*not_null("model", model), prompt_of(prompt, prompt_length),
                                        c::stream_of(*not_null("stream", stream)), checked);
    *unique = made.release();
  });
}

partita_status partita_unique_next(partita_unique* unique, partita_hypothesis* next,
                                   partita_error* error) {
  bool end = false;
  const partita_status status = guard(error, [&] {
    not_null("next", next);
    auto sequence = not_null("unique", unique)->sampler->next();
    end = !sequence;
    if (end) return;
    unique->last = std::move(*sequence);
    *next = view_of(unique->last, unique->last.perturbed, kNone);
  });
  return status == PARTITA_OK && end ? PARTITA_END : status;
}

double partita_unique_threshold(const partita_unique* unique) {
  return unique != nullptr ? unique->sampler->threshold() : kNone;
}

void partita_unique_destroy(partita_unique* unique) { delete unique; }

double partita_importance_weight(double log_prob, double threshold) {
  return importance_weight(log_prob, threshold);
}
