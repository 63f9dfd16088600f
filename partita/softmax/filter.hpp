// What is done to a row of logits before a category is sampled from it: a temperature, and the
// filters that remove unlikely categories. Each takes one row and works in place; a removed
// category becomes -inf, and the rest are not renormalized (softmax does that).
//
//   partita::Filter filter{.temperature = 0.8, .top_k = 40, .top_p = 0.95};
//   filter.check(row.size());
//   filter.apply(row);                 // std::span<double>
//
// Filter::apply keeps the usual order, that of Hugging Face's generate(): allowed set, temperature,
// top-k, top-p, min-p, typical. For another order call the functions yourself. Each filter sees the
// distribution that the one before it left, renormalized. At least one category always remains, and
// ties at a cut are kept or dropped by index: lower indices stay.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace partita {

// Every function throws InvalidArgument if the row holds NaN or +inf.

/// (z - max z) / temperature: the softmax is that of z / temperature, and nothing overflows however
/// low the temperature.
/// @throws InvalidArgument unless temperature is positive and finite.
void apply_temperature(std::span<double> logits, double temperature);

/// Keeps the k most likely categories (all, if there are fewer). @throws InvalidArgument if k = 0.
void apply_top_k(std::span<double> logits, std::size_t k);

/// Nucleus sampling (Holtzman et al. 2020): keeps the smallest set of most likely categories whose
/// probabilities sum to p or more. @throws InvalidArgument unless 0 < p <= 1.
void apply_top_p(std::span<double> logits, double p);

/// Keeps the categories whose probability is at least p times that of the most likely one (Nguyen
/// et al. 2024). @throws InvalidArgument unless 0 <= p <= 1.
void apply_min_p(std::span<double> logits, double p);

/// Locally typical sampling (Meister et al. 2023): keeps the smallest set of categories whose
/// |-log p_i - entropy| is least and whose probabilities sum to p or more.
/// @throws InvalidArgument unless 0 < p <= 1.
void apply_typical(std::span<double> logits, double p);

/// Keeps category i if allowed[i] != 0. @throws InvalidArgument if the sizes differ.
void apply_allowed(std::span<double> logits, std::span<const std::uint8_t> allowed);

/// All of the above, in the usual order. The defaults leave the row as it is.
struct Filter {
  double temperature = 1;
  std::size_t top_k = 0;                       ///< 0: off
  double top_p = 1;                            ///< 1: off
  double min_p = 0;                            ///< 0: off
  double typical_p = 1;                        ///< 1: off
  std::span<const std::uint8_t> allowed = {};  ///< empty: every category

  /// @throws InvalidArgument naming the first setting that is out of its range.
  void check(std::size_t categories) const;
  void apply(std::span<double> logits) const;
  /// True if apply() changes nothing.
  bool is_identity() const;
};

}  // namespace partita
