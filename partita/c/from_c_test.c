/* SPDX-License-Identifier: Apache-2.0 */
/* What a C program sees of partita.h: draws and searches whose laws it can work out itself, a model
 * with a state, and every kind of failure. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "partita/c/partita.h"

static partita_error error;

#define CHECK(condition)                                                                 \
  do {                                                                                   \
    if (!(condition)) {                                                                  \
      fprintf(stderr, "line %d: %s (error: %s)\n", __LINE__, #condition, error.message); \
      exit(1);                                                                           \
    }                                                                                    \
  } while (0)
#define OK(call) CHECK((call) == PARTITA_OK)

enum { ROWS = 40000, COLUMNS = 4 };

/* Draws from [0.4, 0.3, 0.2, 0.1] with top_k = 3 have the probabilities 4/9, 3/9, 2/9, 0. */
static void test_law_of_draws(void) {
  const double logits[COLUMNS] = {log(0.4), log(0.3), log(0.2), log(0.1)};
  const partita_rows view = {logits, PARTITA_F64, ROWS, COLUMNS, 0, 1};
  partita_sampler* sampler = NULL;
  partita_sampler** samplers = malloc(ROWS * sizeof *samplers);
  partita_stream* streams = malloc(ROWS * sizeof *streams);
  int64_t* tokens = malloc(ROWS * sizeof *tokens);
  double* log_prob = malloc(ROWS * sizeof *log_prob);
  CHECK(samplers != NULL && streams != NULL && tokens != NULL && log_prob != NULL);
  OK(partita_sampler_create(&sampler, &error));
  OK(partita_sampler_set(sampler, "top_k", 3, &error));
  const partita_stream stream = {.seed = 3};
  for (uint64_t row = 0; row < ROWS; ++row) {
    samplers[row] = sampler;
    partita_stream_child(&stream, row, &streams[row]);
  }
  OK(partita_sample(&view, samplers, streams, 2, tokens, &error));
  double count[COLUMNS] = {0};
  for (size_t row = 0; row < ROWS; ++row) count[tokens[row]] += 1;
  CHECK(count[3] == 0);
  double chi_square = 0;
  for (size_t i = 0; i < 3; ++i) {
    const double expected = ROWS * (4 - (double)i) / 9;
    chi_square += (count[i] - expected) * (count[i] - expected) / expected;
  }
  CHECK(chi_square < 27.7); /* two degrees of freedom, one in a million */

  OK(partita_replay_log_prob(&view, tokens, samplers, streams, 1, log_prob, &error));
  for (size_t row = 0; row < ROWS; ++row) {
    CHECK(fabs(log_prob[row] - log((4 - (double)tokens[row]) / 9)) < 1e-12);
  }
  free(samplers);
  free(streams);
  free(tokens);
  free(log_prob);
  partita_sampler_destroy(sampler);
}

static void test_report_and_bad_rows(void) {
  const float logits[2][COLUMNS] = {{0, NAN, 0, 0}, {1, 2, -INFINITY, 0}};
  const partita_rows view = {logits, PARTITA_F32, 2, COLUMNS, COLUMNS, 1};
  const partita_stream streams[2] = {{.seed = 1}, {.seed = 2}};
  partita_sampler* sampler = NULL;
  OK(partita_sampler_create(&sampler, &error));
  const int32_t forbidden = 0;
  const double bias = -INFINITY;
  OK(partita_sampler_set_logit_bias(sampler, &forbidden, &bias, 1, &error));
  partita_sampler* const samplers[2] = {sampler, sampler};
  partita_draw draws[2];
  int64_t top[2][COLUMNS];
  double top_log_prob[2][COLUMNS];
  uint8_t kept[2][COLUMNS];
  CHECK(partita_sample_with_report(&view, samplers, streams, 1, draws, COLUMNS, &top[0][0],
                                   &top_log_prob[0][0], &kept[0][0],
                                   &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "logits: row 0: NaN at column 1") == 0);
  CHECK(draws[0].token == -1 && top[0][0] == -1 && kept[0][0] == 0);
  CHECK(draws[1].token == 1 || draws[1].token == 3);
  CHECK(draws[1].kept_count == 2 && kept[1][1] == 1 && kept[1][3] == 1 && kept[1][0] == 0);
  CHECK(top[1][0] == 1 && top[1][1] == 0 && top[1][2] == 3);
  CHECK(fabs(top_log_prob[1][0] + log(1 + exp(-1) + exp(-2))) < 1e-6);
  CHECK(fabs(draws[1].kept_mass - (exp(2) + 1) / (exp(2) + exp(1) + 1)) < 1e-6);
  partita_sampler_destroy(sampler);
}

/* The history is the sampler's own, and a copy goes on by itself. */
static void test_history(void) {
  const double logits[COLUMNS] = {3, 2.9, 2.8, 2.7};
  const partita_rows view = {logits, PARTITA_F64, 1, COLUMNS, COLUMNS, 1};
  partita_sampler* sampler = NULL;
  OK(partita_sampler_create(&sampler, &error));
  OK(partita_sampler_set(sampler, "presence_penalty", 1000, &error));
  OK(partita_sampler_set(sampler, "penalty_last_n", INFINITY, &error));
  OK(partita_sampler_set(sampler, "top_k", 1, &error));
  OK(partita_sampler_set_order(sampler, "penalties;top_k", &error));
  for (uint64_t step = 0; step < COLUMNS; ++step) {
    const partita_stream stream = {.seed = step};
    int64_t token = 0;
    OK(partita_sample(&view, &sampler, &stream, 1, &token, &error));
    CHECK(token == (int64_t)step);
    OK(partita_sampler_accept(sampler, (int32_t)token, &error));
  }
  partita_sampler* copy = NULL;
  OK(partita_sampler_copy(sampler, &copy, &error));
  OK(partita_sampler_set_history(sampler, NULL, 0, &error));
  OK(partita_sampler_accept(copy, 0, &error));
  const partita_stream stream = {.seed = 1};
  int64_t token = 0;
  OK(partita_sample(&view, &sampler, &stream, 1, &token, &error));
  CHECK(token == 0);
  const uint8_t allowed[COLUMNS] = {0, 0, 1, 1};
  OK(partita_sampler_set_allowed(copy, allowed, COLUMNS, &error));
  OK(partita_sample(&view, &copy, &stream, 1, &token, &error));
  CHECK(token == 2);
  partita_sampler_destroy(sampler);
  partita_sampler_destroy(copy);
}

/* Tokens 0, 1 and the end, 2, which becomes likelier with every token. The state holds the lengths
 * of its rows, and must agree with the prefixes. */
typedef struct {
  size_t calls;
  size_t fail_at; /* 0: never */
  size_t states;
} context_type;

typedef struct {
  context_type* context;
  size_t rows;
  size_t lengths[64];
} state_type;

static void* start(void* context) {
  state_type* state = calloc(1, sizeof *state);
  if (state != NULL) {
    state->context = context;
    state->context->states += 1;
  }
  return state;
}

static int32_t reorder(void* handle, const size_t* rows, size_t count, partita_error* why) {
  state_type* state = handle;
  size_t lengths[64];
  (void)why;
  for (size_t i = 0; i < count; ++i) lengths[i] = state->lengths[rows[i]] + 1;
  memcpy(state->lengths, lengths, count * sizeof *lengths);
  state->rows = count;
  return 0;
}

static void finish(void* handle) {
  state_type* state = handle;
  state->context->states -= 1;
  free(state);
}

static int32_t next_logits(void* context, void* handle, size_t rows, const int32_t* const* prefixes,
                           const size_t* lengths, void* logits, partita_error* why) {
  context_type* const counts = context;
  state_type* const state = handle;
  double* const out = logits;
  (void)prefixes;
  counts->calls += 1;
  if (counts->calls == counts->fail_at) {
    snprintf(why->message, sizeof why->message, "the model is on fire");
    return 7;
  }
  for (size_t i = 0; i < rows; ++i) {
    if (state != NULL) {
      if (state->rows == 0) state->lengths[i] = lengths[i];
      if (state->lengths[i] != lengths[i]) return 1;
    }
    out[3 * i] = 0;
    out[3 * i + 1] = 1;
    out[3 * i + 2] = (double)lengths[i] - 3;
  }
  if (state != NULL) state->rows = rows;
  return 0;
}

static void test_searches(void) {
  context_type context = {0, 0, 0};
  partita_model* plain = NULL;
  partita_model* incremental = NULL;
  OK(partita_model_create(3, 2, PARTITA_F64, next_logits, &context, &plain, &error));
  OK(partita_model_create(3, 2, PARTITA_F64, next_logits, &context, &incremental, &error));
  OK(partita_model_set_state(incremental, start, reorder, finish, &error));
  const partita_search_options options = {3, 1, 0, NULL};
  const partita_stream stream = {.seed = 4};

  /* All of its 1 + 2 + 4 finished and 8 cut sequences: no threshold, and probabilities sum to 1. */
  partita_hypotheses* all = NULL;
  OK(partita_stochastic_beam_search(plain, NULL, 0, 20, &stream, &options, &all, &error));
  CHECK(partita_hypotheses_size(all) == 15);
  CHECK(partita_hypotheses_threshold(all) == -INFINITY);
  const partita_hypothesis* const data = partita_hypotheses_data(all);
  double sum = 0;
  for (size_t i = 0; i < 15; ++i) {
    sum += exp(data[i].log_prob);
    CHECK(i == 0 || data[i].perturbed < data[i - 1].perturbed);
    CHECK(data[i].finished == (data[i].length < 3));
    CHECK(fabs(data[i].weight - exp(data[i].log_prob)) < 1e-12);
  }
  CHECK(fabs(sum - 1) < 1e-12);

  /* A smaller k begins the larger one, with a state or without, together or one at a time. */
  partita_hypotheses* some = NULL;
  OK(partita_stochastic_beam_search(incremental, NULL, 0, 4, &stream, &options, &some, &error));
  CHECK(context.states == 0);
  partita_unique* unique = NULL;
  OK(partita_unique_create(incremental, NULL, 0, &stream, &options, &unique, &error));
  CHECK(fabs(partita_hypotheses_threshold(some) - data[4].perturbed) < 1e-12);
  for (size_t i = 0; i < 15; ++i) {
    partita_hypothesis next;
    OK(partita_unique_next(unique, &next, &error));
    CHECK(next.length == data[i].length && next.finished == data[i].finished);
    CHECK(next.length == 0 ||
          memcmp(next.tokens, data[i].tokens, next.length * sizeof *next.tokens) == 0);
    CHECK(fabs(next.log_prob - data[i].log_prob) < 1e-12);
    if (i < 4) {
      CHECK(partita_hypotheses_data(some)[i].log_prob == data[i].log_prob);
    }
  }
  partita_hypothesis none;
  CHECK(partita_unique_next(unique, &none, &error) == PARTITA_END);
  CHECK(partita_unique_threshold(unique) == -INFINITY);
  partita_unique_destroy(unique);
  partita_hypotheses_destroy(some);

  /* The filter: only token 1 is left, until the end is likeliest. */
  partita_sampler* greedy = NULL;
  OK(partita_sampler_create(&greedy, &error));
  OK(partita_sampler_set(greedy, "top_k", 1, &error));
  const partita_search_options filtered = {100, 1, 0, greedy};
  partita_hypotheses* samples = NULL;
  const int32_t prompt[2] = {0, 1};
  OK(partita_ancestral_samples(incremental, prompt, 2, 3, &stream, &filtered, &samples, &error));
  CHECK(partita_hypotheses_size(samples) == 3);
  for (size_t i = 0; i < 3; ++i) {
    const partita_hypothesis* const sample = &partita_hypotheses_data(samples)[i];
    CHECK(sample->finished == 1 && sample->log_prob == 0 && isnan(sample->weight));
    CHECK(sample->length == 3); /* with 4 tokens before it the end ties with token 1, the lower */
  }
  partita_hypotheses_destroy(samples);
  partita_sampler_destroy(greedy);

  partita_hypotheses* best = NULL;
  OK(partita_beam_search(plain, NULL, 0, 15, 0, 0, &options, &best, &error));
  CHECK(partita_hypotheses_size(best) == 15);
  double most = -INFINITY;
  for (size_t i = 0; i < 15; ++i) most = fmax(most, data[i].log_prob);
  CHECK(partita_hypotheses_data(best)[0].log_prob == most);
  partita_hypotheses_destroy(best);
  partita_hypotheses_destroy(all);
  partita_model_destroy(plain);
  partita_model_destroy(incremental);
}

static void test_failures(void) {
  partita_sampler* sampler = NULL;
  OK(partita_sampler_create(&sampler, &error));
  CHECK(partita_sampler_set(sampler, "top_q", 1, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strncmp(error.message, "top_q: no such setting; expected one of no_repeat_ngram", 55) == 0);
  CHECK(partita_sampler_set(sampler, "top_k", 1.5, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "top_k: expected a whole number, got 1.5") == 0);
  CHECK(partita_sampler_set(sampler, "top_k", -1, NULL) == PARTITA_INVALID_ARGUMENT);
  CHECK(partita_sampler_set(sampler, "p_less", 2, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(partita_sampler_set(NULL, "top_k", 1, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "sampler: expected a pointer, got null") == 0);
  CHECK(partita_sampler_set_order(sampler, "top_k;warmth", &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(partita_sampler_set_order(sampler, "top_k;top_k", &error) == PARTITA_OK);
  const double logits[COLUMNS] = {0};
  const partita_rows view = {logits, PARTITA_F64, 1, COLUMNS, COLUMNS, 1};
  partita_rows other = view;
  other.dtype = 9;
  const partita_stream stream = {.seed = 1};
  int64_t token = 0;
  CHECK(partita_sample(&view, &sampler, &stream, 1, &token, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "got top_k twice") != NULL);
  OK(partita_sampler_set_order(sampler, "default", &error));
  OK(partita_sampler_set(sampler, "top_p", 2, &error));
  CHECK(partita_sample(&view, &sampler, &stream, 1, &token, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strstr(error.message, "(0, 1], got 2") != NULL && token == -1);
  CHECK(partita_sample(&other, &sampler, &stream, 1, &token, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "dtype: expected 0..3, got 9") == 0);
  CHECK(partita_sample(&view, NULL, &stream, 1, &token, &error) == PARTITA_INVALID_ARGUMENT);
  CHECK(partita_sample(&view, &sampler, &stream, 0, &token, &error) == PARTITA_INVALID_ARGUMENT);

  context_type context = {0, 3, 0};
  partita_model* model = NULL;
  CHECK(partita_model_create(3, 3, PARTITA_F64, next_logits, NULL, &model, &error) ==
        PARTITA_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "end_token: expected -1..2, got 3") == 0);
  OK(partita_model_create(3, 2, PARTITA_F64, next_logits, &context, &model, &error));
  OK(partita_model_set_state(model, start, reorder, finish, &error));
  partita_hypotheses* found = NULL;
  CHECK(partita_ancestral_samples(model, NULL, 0, 9, &stream, NULL, &found, &error) ==
        PARTITA_CALLBACK_FAILED);
  CHECK(strcmp(error.message, "the model is on fire") == 0 && context.states == 0 && found == NULL);
  const int32_t wrong = 17;
  CHECK(partita_stochastic_beam_search(model, &wrong, 1, 2, &stream, NULL, &found, &error) ==
        PARTITA_INVALID_ARGUMENT);
  CHECK(strcmp(error.message, "prompt: expected 0..2 (tokens), got 17") == 0);
  CHECK(partita_stochastic_beam_search(model, NULL, 0, 0, &stream, NULL, &found, &error) ==
        PARTITA_INVALID_ARGUMENT);
  CHECK(partita_hypotheses_size(NULL) == 0 && partita_hypotheses_data(NULL) == NULL);
  partita_model_destroy(model);
  partita_sampler_destroy(sampler);
  partita_sampler_destroy(NULL);
  partita_model_destroy(NULL);
  partita_unique_destroy(NULL);
  partita_hypotheses_destroy(NULL);
}

int main(void) {
  CHECK(strlen(partita_version()) >= 5);
  test_law_of_draws();
  test_report_and_bad_rows();
  test_history();
  test_searches();
  test_failures();
  return 0;
}
