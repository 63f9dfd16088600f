/* SPDX-License-Identifier: Apache-2.0 */
/** @file
 * The sampler and the searches for C, and so for whatever calls C: Rust, Go, Java, ctypes.
 *
 *   partita_error error;
 *   partita_sampler* sampler;
 *   if (partita_sampler_create(&sampler, &error) != PARTITA_OK) fail(error.message);
 *   partita_sampler_set(sampler, "temperature", 0.7, &error);
 *   partita_sampler_set(sampler, "top_p", 0.95, &error);
 *
 *   partita_stream stream = {.seed = 1};
 *   const partita_rows logits = {z, PARTITA_F32, 1, vocabulary, vocabulary, 1};
 *   int64_t token;
 *   partita_sample(&logits, &sampler, &stream, 1, &token, &error);
 *   partita_sampler_accept(sampler, (int32_t)token, &error);  // the penalties look at it
 *   partita_sampler_destroy(sampler);
 *
 * Every function that can fail returns a status and, where `error` is not null, writes one line
 * there, which is empty after a success. No C++ exception leaves the library, and nothing is kept
 * by thread. What a function writes is unspecified after a failure, unless it says otherwise.
 *
 * Handles are opaque. One handle must not be used by two threads at once; different ones may. A
 * null handle is refused, except by the functions that destroy one.
 *
 * What each setting and each search means is said in settings.hpp and in the headers of
 * partita/search, whose results these are, to the bit. Link libpartita_c (CMake: partita::c).
 */
#ifndef PARTITA_C_PARTITA_H
#define PARTITA_C_PARTITA_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

enum {
  PARTITA_OK = 0,
  PARTITA_END = 1,              /**< partita_unique_next(): there are no more sequences */
  PARTITA_INVALID_ARGUMENT = 2, /**< the caller's mistake; the message names the argument */
  PARTITA_CALLBACK_FAILED = 3,  /**< a model's callback returned something other than 0 */
  PARTITA_FAILED = 4            /**< out of memory, or a fault of the library */
};
typedef int32_t partita_status;

/** Where a function writes what went wrong. Longer messages are cut. */
typedef struct partita_error {
  char message[512];
} partita_error;

/** "0.1.0". Functions and structures stay as they are as long as the first two numbers do. */
const char* partita_version(void);

/* ---- data ---- */

enum { PARTITA_F32 = 0, PARTITA_F64 = 1, PARTITA_BF16 = 2, PARTITA_F16 = 3 };

/** A view of logits, [rows, columns]. Strides are in elements. */
typedef struct partita_rows {
  const void* data;
  int32_t dtype; /**< PARTITA_F32, ... */
  size_t rows;
  size_t columns;
  ptrdiff_t row_stride; /**< of contiguous rows: columns */
  ptrdiff_t column_stride;
} partita_rows;

/** Random numbers as a function of these, which two results share if they are to agree. A stream
 *  begins as a seed and an id, with a path of zeros; partita_stream_child() writes the path. */
typedef struct partita_stream {
  uint64_t seed;
  uint64_t id;
  uint64_t path[3];
} partita_stream;

/** The n-th child of a stream, which shares no draw with it or with its other children. */
void partita_stream_child(const partita_stream* stream, uint64_t n, partita_stream* child);

/* ---- the sampler ---- */

/** Settings, the tokens so far, and the states of Mirostat and adaptive-p: one for each text. */
typedef struct partita_sampler partita_sampler;

/** With the settings' defaults, which change nothing. */
partita_status partita_sampler_create(partita_sampler** sampler, partita_error* error);
/** With all that `from` has. */
partita_status partita_sampler_copy(const partita_sampler* from, partita_sampler** sampler,
                                    partita_error* error);
void partita_sampler_destroy(partita_sampler* sampler);

/** Sets what SamplerSettings calls `name`: "temperature", "top_k", "repeat_penalty" ... Counts must
 *  be whole; infinity stands for the whole history (penalty_last_n, dry_last_n). Whether a number
 *  is in its range is looked at when it is used. "mirostat_mu", "adaptive_weighted_sum" and
 *  "adaptive_total_weight" are the states. */
partita_status partita_sampler_set(partita_sampler* sampler, const char* name, double value,
                                   partita_error* error);
partita_status partita_sampler_get(const partita_sampler* sampler, const char* name, double* value,
                                   partita_error* error);
/** The steps and their order: "top_k;top_p;temperature", "default" or "llama.cpp". */
partita_status partita_sampler_set_order(partita_sampler* sampler, const char* steps,
                                         partita_error* error);
/** bias[i] is added to the logit of tokens[i]; -INFINITY forbids it. */
partita_status partita_sampler_set_logit_bias(partita_sampler* sampler, const int32_t* tokens,
                                              const double* bias, size_t count,
                                              partita_error* error);
/** A flag for each token, 0 forbidding it; a count of 0 allows all. */
partita_status partita_sampler_set_allowed(partita_sampler* sampler, const uint8_t* allowed,
                                           size_t count, partita_error* error);
partita_status partita_sampler_set_dry_breakers(partita_sampler* sampler, const int32_t* tokens,
                                                size_t count, partita_error* error);
/** The tokens so far, oldest first. Searches ignore them: theirs are the prefixes. */
partita_status partita_sampler_set_history(partita_sampler* sampler, const int32_t* tokens,
                                           size_t count, partita_error* error);
/** One more of them. */
partita_status partita_sampler_accept(partita_sampler* sampler, int32_t token,
                                      partita_error* error);

/** Draws one token from each row: tokens [rows].
 *  @param samplers one for each row; the same may stand for several, unless it has a state
 *  @param streams  one for each row
 *  @param threads  at most this many, including the caller's own; >= 1
 *  A row that holds NaN or +inf or leaves nothing possible gets -1 and is named by the error; the
 *  other rows are drawn all the same. */
partita_status partita_sample(const partita_rows* logits, partita_sampler* const* samplers,
                              const partita_stream* streams, int32_t threads, int64_t* tokens,
                              partita_error* error);

/** A draw and its report; logarithms are natural. Each field as in partita::Draw (sample.hpp). */
typedef struct partita_draw {
  int64_t token; /**< -1 in a failed row */
  double log_prob;
  double raw_log_prob;
  double tempered_log_prob;
  size_t rank;
  size_t kept_count;
  double kept_mass;
  double raw_entropy;
  double entropy;
} partita_draw;

/** The same draws, with reports: draws [rows].
 *  @param top          how many of the most likely tokens to list, at most the columns
 *  @param top_tokens   [rows, top] or, if top is 0, null
 *  @param top_log_prob the same, in the row as it was given
 *  @param kept         [rows, columns] or null: 1 for what could have been drawn */
partita_status partita_sample_with_report(const partita_rows* logits,
                                          partita_sampler* const* samplers,
                                          const partita_stream* streams, int32_t threads,
                                          partita_draw* draws, size_t top, int64_t* top_tokens,
                                          double* top_log_prob, uint8_t* kept,
                                          partita_error* error);

/** k distinct tokens of each row, drawn without replacement: tokens, log_prob, perturbed [rows, k],
 *  threshold [rows]; each of the last three may be null. A failed row's tokens are -1. */
partita_status partita_sample_without_replacement(const partita_rows* logits, size_t k,
                                                  partita_sampler* const* samplers,
                                                  const partita_stream* streams, int32_t threads,
                                                  int64_t* tokens, double* log_prob,
                                                  double* perturbed, double* threshold,
                                                  partita_error* error);

/** The log-probability with which partita_sample() would draw tokens[row]: log_prob [rows]; -inf
 *  for a token that is not kept, NaN in a failed row. States are read, not updated. */
partita_status partita_replay_log_prob(const partita_rows* logits, const int64_t* tokens,
                                       partita_sampler* const* samplers,
                                       const partita_stream* streams, int32_t threads,
                                       double* log_prob, partita_error* error);

/* ---- searches ---- */

/** Writes the logits of the token that follows each prefix, contiguous [rows, vocabulary], in the
 *  model's dtype: finite, or -inf for a token that cannot come. Prefixes begin with the prompt.
 *  @param state what start() gave, or null
 *  @return 0; anything else ends the search, with what was written to `error`
 *  Called from several threads, each with a state of its own, if there is more than one. It must
 *  return: no exception, no longjmp. */
typedef int32_t (*partita_next_logits)(void* context, void* state, size_t rows,
                                       const int32_t* const* prefixes, const size_t* lengths,
                                       void* logits, partita_error* error);

/** Something that gives logits for prefixes: see sequence_model.hpp. */
typedef struct partita_model partita_model;

/** A model that reads whole prefixes.
 *  @param end_token the token that ends a sequence, or -1
 *  @param dtype     of the logits: PARTITA_F64, or PARTITA_F32 for a large vocabulary
 *  @param context   given to the callbacks */
partita_status partita_model_create(size_t vocabulary, int32_t end_token, int32_t dtype,
                                    partita_next_logits next_logits, void* context,
                                    partita_model** model, partita_error* error);
/** Makes it incremental: it keeps a state for the prefixes of a search, and reads what is new.
 *  @param start   makes one; null means failure
 *  @param reorder between calls: row i now continues what row rows[i] was; 0, or a failure
 *  @param finish  destroys one */
partita_status partita_model_set_state(partita_model* model, void* (*start)(void* context),
                                       int32_t (*reorder)(void* state, const size_t* rows,
                                                          size_t count, partita_error* error),
                                       void (*finish)(void* state), partita_error* error);
void partita_model_destroy(partita_model* model);

/** Of any search; where null is given, {256, 1, 0, NULL}. */
typedef struct partita_search_options {
  size_t max_length;             /**< tokens of a sequence, the end token included; >= 1 */
  int32_t threads;               /**< >= 1 */
  size_t batch;                  /**< the most prefixes in one call of the model; 0: it is chosen */
  const partita_sampler* filter; /**< applied to every row of logits; null: nothing is */
} partita_search_options;

/** One sequence. The tokens, without the prompt and the end token, belong to what it came from. */
typedef struct partita_hypothesis {
  const int32_t* tokens;
  size_t length;
  int32_t finished; /**< 1: ended by the end token; 0: cut at max_length */
  double log_prob;
  double perturbed; /**< log_prob + Gumbel noise; NaN where the method has none */
  double weight;    /**< its importance weight; NaN where the method has none */
} partita_hypothesis;

typedef struct partita_hypotheses partita_hypotheses;
size_t partita_hypotheses_size(const partita_hypotheses* found);
/** All of them, in order; null if there are none. Valid until `found` is destroyed. */
const partita_hypothesis* partita_hypotheses_data(const partita_hypotheses* found);
/** kappa, the perturbed log-probability of the next one; NaN where the method has none. */
double partita_hypotheses_threshold(const partita_hypotheses* found);
void partita_hypotheses_destroy(partita_hypotheses* found);

/** k distinct sequences, an exact sample without replacement (stochastic_beam.hpp). */
partita_status partita_stochastic_beam_search(const partita_model* model, const int32_t* prompt,
                                              size_t prompt_length, size_t k,
                                              const partita_stream* stream,
                                              const partita_search_options* options,
                                              partita_hypotheses** found, partita_error* error);
/** n independent samples; sample i draws from child i of the stream (ancestral.hpp). */
partita_status partita_ancestral_samples(const partita_model* model, const int32_t* prompt,
                                         size_t prompt_length, size_t n,
                                         const partita_stream* stream,
                                         const partita_search_options* options,
                                         partita_hypotheses** found, partita_error* error);
/** The k best by log_prob / length^length_penalty, as far as a beam finds them (beam.hpp). */
partita_status partita_beam_search(const partita_model* model, const int32_t* prompt,
                                   size_t prompt_length, size_t k, double length_penalty,
                                   int32_t early_stopping, const partita_search_options* options,
                                   partita_hypotheses** found, partita_error* error);

/** Distinct sequences one at a time, those of the stochastic beam in its order (unique.hpp). */
typedef struct partita_unique partita_unique;
/** The model must outlive it; the options' filter need not. */
partita_status partita_unique_create(const partita_model* model, const int32_t* prompt,
                                     size_t prompt_length, const partita_stream* stream,
                                     const partita_search_options* options, partita_unique** unique,
                                     partita_error* error);
/** The next one, valid until the next call, without a weight, which needs to know how many there
 *  are. @return PARTITA_END once there is none left */
partita_status partita_unique_next(partita_unique* unique, partita_hypothesis* next,
                                   partita_error* error);
/** The perturbed log-probability of the one that would come next; -inf when there is none. */
double partita_unique_threshold(const partita_unique* unique);
void partita_unique_destroy(partita_unique* unique);

/** exp(log_prob) divided by the probability of being in the sample (importance_weights.hpp). */
double partita_importance_weight(double log_prob, double threshold);

#ifdef __cplusplus
}
#endif

#endif
