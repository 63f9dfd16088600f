// SPDX-License-Identifier: Apache-2.0
// Sampling as servers do it: every row of a batch under its own settings, filters and draw in one
// function.
//
//   partita::SamplerSettings settings{.temperature = 0.7, .top_k = 40, .top_p = 0.95};
//   std::vector<std::int64_t> token = partita::sample({z.data(), 64, 50257}, settings, stream);
//
//   std::vector<partita::SamplerSettings> requests(64);            // or one for each row
//   auto tokens = partita::sample(logits, requests, stream.child(step));
//
//   auto draws = partita::sample_with_report(logits, requests, stream.child(step), {.top = 5});
//   draws[row].index, draws[row].log_prob, draws[row].kept_count, draws[row].entropy ...
//
//   // k of them without replacement, with what gumbel_top_k gives for importance weights:
//   auto distinct = partita::sample_without_replacement(logits, 10, settings, stream);
//
//   // The log-probability of tokens that were drawn, under settings: a policy's ratio.
//   auto log_prob = partita::replay_log_prob(logits, tokens, settings, stream.child(step));
//
// What is kept is exactly what apply_settings() keeps, but a row costs about a pass over its
// logits, whatever the filters: nothing is sorted but what may be kept. A row's draw depends on its
// logits, settings and stream alone, not on batch, neighbors, strides or threads.
//
// Draws of Mirostat and adaptive-p update the states that the settings point to; rows of one call
// must not share a state.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/settings.hpp"

namespace partita {

/// Settings of the rows of a batch: the same for all, or one for each.
class RowSettings {
 public:
  RowSettings(const SamplerSettings& all) : all_(&all) {}  // NOLINT(google-explicit-constructor)
  RowSettings(std::span<const SamplerSettings> each)       // NOLINT(google-explicit-constructor)
      : each_(each) {}
  RowSettings(const std::vector<SamplerSettings>& each)  // NOLINT(google-explicit-constructor)
      : each_(each) {}

  const SamplerSettings& operator[](std::size_t row) const {
    return all_ != nullptr ? *all_ : each_[row];
  }
  /// @throws InvalidArgument if a list was given that does not have one for each of `rows`.
  void check_covers(std::size_t rows) const;

 private:
  const SamplerSettings* all_ = nullptr;
  std::span<const SamplerSettings> each_;
};

/// One category from each row, [rows]; -1 in a failed row.
/// @param logits  [rows, V], finite or -inf (an impossible category, never drawn).
/// @param streams the random stream of each row.
/// A row that holds NaN or +inf or leaves nothing possible, and settings that are out of their
/// range, are row errors (RowOptions).
std::vector<std::int64_t> sample(Rows logits, const RowSettings& settings, const Streams& streams,
                                 const RowOptions& options = {});

/// A category and its log-probability.
struct CategoryLogProb {
  std::int64_t index;
  double log_prob;

  bool operator==(const CategoryLogProb&) const = default;
};

/// A draw and its report. Logarithms are natural.
struct Draw {
  std::int64_t index = -1;  ///< -1 in a failed row
  double log_prob = 0;      ///< under the distribution that it was drawn from
  /// Under the softmax of the row as it was given, and after edits and temperatures, unfiltered.
  /// (Dynamic temperature is not among these.)
  double raw_log_prob = 0;
  double tempered_log_prob = 0;
  std::size_t rank = 0;              ///< 1 + the number of categories of a larger given logit
  std::size_t kept_count = 0;        ///< categories that could have been drawn
  double kept_mass = 0;              ///< their probability in the row as it was given
  double raw_entropy = 0;            ///< entropy of the row as it was given
  double entropy = 0;                ///< entropy of the distribution that it was drawn from
  std::vector<CategoryLogProb> top;  ///< most likely first, in the row as it was given
  std::vector<std::int64_t> kept;    ///< if asked for: what could have been drawn, ascending
};

struct ReportOptions {
  std::size_t top = 0;                      ///< how many of the most likely to list
  bool kept = false;                        ///< list what could have been drawn
  int threads = 1;                          ///< as in RowOptions
  std::vector<RowError>* errors = nullptr;  ///< as in RowOptions
};

/// The same draws as sample()'s, each with its report, [rows]. The sums behind it are made in
/// double, so a row costs a few times more.
std::vector<Draw> sample_with_report(Rows logits, const RowSettings& settings,
                                     const Streams& streams, const ReportOptions& options = {});

/// k distinct categories of each row, drawn one after the other without replacement from what the
/// settings leave: gumbel_top_k on the filtered logits. log_prob, perturbed and threshold refer to
/// the filtered, renormalized distribution, log_sum_exp to the logits after the chain. States
/// are read, not updated.
/// @throws InvalidArgument if k is not in 1 ... V. Fewer than k kept categories are a row error.
TopKSample sample_without_replacement(Rows logits, std::size_t k, const RowSettings& settings,
                                      const Streams& streams, const RowOptions& options = {});

/// The log-probability with which sample() would draw tokens[row] from that row, [rows]; -inf for a
/// token that the settings do not keep, NaN in a failed row. Equal to Draw::log_prob to the bit.
/// States are read, not updated.
/// @param streams those of the draw: XTC depends on them.
std::vector<double> replay_log_prob(Rows logits, std::span<const std::int64_t> tokens,
                                    const RowSettings& settings, const Streams& streams,
                                    const RowOptions& options = {});

}  // namespace partita
