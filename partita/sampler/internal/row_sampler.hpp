// SPDX-License-Identifier: Apache-2.0
// One row under its settings: what is kept of it, exactly as apply_settings() keeps it, and a draw.
// Not installed.
//
// What is kept. Edits of single tokens are made in double, and stand apart from the row.
// Temperatures before the first filter only scale it. The first filter then looks at the most
// likely categories alone, as many as it takes (rules.hpp), and what it leaves is a short list, on
// which the rest of the chain is done in plain code. Sums over the row are first known within the
// bounds of a float pass; where those do not decide, of a double pass; where even those do not,
// they are added up just as apply_settings() adds them. Where more is left than a list is good for,
// the cut is found by passes over the row (row_cut.cpp), and the row without what is below it is a
// row for the rest of the chain.
//
// The draw. Without a filter, the largest logits of the row's cells and a few attempts at rejection
// make it. Where a single filter that keeps much of the probability follows the temperatures, a
// category is drawn from the whole row, and kept if that filter keeps it. That needs no cutoff:
// top_p keeps it if the mass above it is < p, which what is known of the row's lanes mostly tells,
// and else one more pass. Otherwise, or after kAttempts failures, it is drawn from the list.
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <type_traits>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"
#include "partita/sampler/filter.hpp"
#include "partita/sampler/internal/chain.hpp"
#include "partita/sampler/internal/row_scan.hpp"
#include "partita/sampler/settings.hpp"

namespace partita::sampler {

/// Exported, since partita_learn replays draws with it.
class [[gnu::visibility("default")]] RowSampler {
 public:
  /// Takes one row, which must outlive the calls that follow, and edits it.
  /// @throws InvalidArgument naming a setting out of its range; or if the row holds NaN or +inf, or
  ///         nothing is possible.
  void reset(Rows logits, std::size_t row, const SamplerSettings& settings, Stream stream);

  /// Draws a category.
  std::int64_t draw();

  /// What the chain keeps, with the logits that it leaves, in the order of columns.
  const Candidates& kept();

  /// The categories before the last step of the chain that changes probabilities by state
  /// (adaptive_p): log-probabilities there. Equal to log_prob() in other chains.
  double log_prob_before_adaptation(std::int64_t id);

  /// Log-probability of a category under the distribution that is drawn from; -inf if it is not
  /// kept.
  double log_prob(std::int64_t id);

  /// The row after the edits and temperatures, unfiltered: its Rows, and 1 / temperature.
  Rows edited_row();
  double inverse_temperature() const { return chain_.inverse_temperature(); }

  const SamplerSettings& settings() const { return chain_.settings(); }

 private:
  static constexpr std::uint64_t kAttempts = 64;
  /// Beyond this length, drawing from the row costs less than a list, and single categories weigh
  /// less than the error of a float sum.
  static constexpr std::size_t kShortList = 2048;
  /// From this length on, a few attempts at rejection cost less than all exponentials.
  static constexpr std::size_t kLongRow = 16384;

  template <class T>
  struct Scans {
    RowScan<T> filtered;  // at the temperature that the first filter sees
    RowScan<T> drawn;     // at all temperatures
    RowScan<T> squared;   // at half the first one's temperature: p^2
    bool found_max = false;
    bool weighed = false;

    void set_apart(RowEdits apart) {
      for (RowScan<T>* scan : {&filtered, &drawn, &squared}) scan->set_apart(apart);
    }
  };
  template <class T>
  Scans<T>& scans() {
    if constexpr (std::is_same_v<T, float>) {
      return floats_;
    } else {
      return doubles_;
    }
  }
  template <class T>
  RowReader<T> reader() const {
    return {row_, 0, edits_};
  }
  bool is_double() const { return row_.dtype() == DType::f64; }

  void edit();
  bool edit_apart();
  void edit_copy();
  template <class E>
  bool mask();
  void clear_edits();
  void forget_scans();
  void filter();

  template <class T>
  void filter_first();
  template <class T>
  void find_max();
  template <class T>
  RowSums sums_within(Needs needs);
  RowSums exact_sums(Needs needs);
  void scale_list();
  void take_all();
  template <class T>
  void take_possible();
  template <class T>
  bool collect_from(T low, std::size_t most);

  /// What a filter keeps: the logits from `low` to `high`, but only the first `equals` of those
  /// equal to `low`.
  template <class T>
  struct Cut {
    T low;
    T high = std::numeric_limits<T>::infinity();
    std::size_t equals = std::numeric_limits<std::size_t>::max();
  };
  void narrow();
  template <class T>
  bool narrow_once();
  template <class T>
  bool narrow_to(std::optional<Cut<T>> cut);
  template <class T>
  bool exclude_top_choices();
  template <class T>
  bool is_long();
  template <class T>
  std::optional<Cut<T>> find_cut();
  template <class T>
  std::optional<Cut<T>> find_cutoff();
  template <class T>
  std::optional<Cut<T>> find_top_k();
  template <class T>
  std::optional<Cut<T>> find_top_p();
  template <class T>
  std::optional<Cut<T>> find_typical();
  template <class T>
  bool is_blurred(T cut);
  template <class T>
  void keep(Cut<T> cut);
  template <class T>
  void keep_list(Cut<T> cut);

  template <class T>
  bool is_short();
  template <class T, class Keep>
  std::optional<std::int64_t> draw_until(const Keep& keep);
  template <class T>
  std::optional<std::int64_t> draw_whole();
  template <class T>
  std::int64_t draw_by_entropy();
  template <class T>
  bool keeps(std::int64_t id, double& refused);

  Rows row_{static_cast<const float*>(nullptr), 0, 0};
  Rows whole_{row_};  // before any filter
  Chain chain_;
  Stream stream_;
  std::vector<std::byte> masked_;  // the row without what is not allowed
  Candidates edited_tokens_;
  RowEdits edits_;                   // those
  std::vector<double> edited_;       // the row with them
  std::vector<std::byte> narrowed_;  // what is left of it

  Scans<float> floats_;
  Scans<double> doubles_;
  double max_ = 0;

  bool is_narrowed_ = false;  // no cut leaves less
  bool is_listed_ = false;    // kept_ is what may pass the first filter, by sums_
  bool has_kept_ = false;
  Candidates kept_;
  Candidates before_adaptation_;
  double covered_ = 0;           // x down to which kept_ is complete
  std::vector<double> weights_;  // those of kept_
  RowSums sums_;                 // bounds of the sums, for keeps()
};

}  // namespace partita::sampler
