// SPDX-License-Identifier: Apache-2.0
// The tour: every claim of the lecture, run. A chapter is a file with the claims of one letter,
// each a function that calls the library, compares the result with the expected one, and draws a
// picture where it helps; short enough to be the example that one would copy.
//
//   constexpr Claim kClaims[] = {{"A4", "max z ≤ LSE(z) ≤ max z + log n.", bounds}, …};
//
// Formulas stand in formulas.tsv, in TeX, and become MathML when the program is built.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <limits>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "apps/report/page.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita::app {

inline constexpr double kInfinity = std::numeric_limits<double>::infinity();

struct TourOptions {
  std::vector<std::string> rows = {};  ///< of the claims to run; empty: all
  bool quick = false;                  ///< fewer draws and steps
  std::uint64_t seed = 0;
  int threads = 1;
  std::string words_file = {};              ///< empty: the tour's own words
  std::span<const std::string> words = {};  ///< what G6's language model learns from
};

/// What a claim has to work with.
struct TourContext {
  TourOptions options;
  std::uint64_t row = 0;  ///< identifies the claim, so that it draws from streams of its own

  Stream stream(std::uint64_t id) const {
    return Stream{.seed = options.seed}.child(row).child(id);
  }
  /// An amount of work: `quick` in a quick tour.
  template <class T>
  T choose(T full, T quick) const {
    return options.quick ? quick : full;
  }
};

/// One row of logits.
inline Rows row_of(std::span<const double> row) { return {row.data(), 1, row.size()}; }
/// Where one row of results goes.
inline MutableRows row_to(std::span<double> row) { return {row.data(), 1, row.size()}; }

enum class Relation : std::uint8_t { equal, at_most, at_least };

/// A number and what it must be.
struct Check {
  std::string what;
  double measured;
  Relation relation;
  double expected;
  double tolerance;  ///< used by Relation::equal

  bool passed() const;  ///< false for NaN
};

/// |measured - expected| <= tolerance.
Check equal(std::string what, double measured, double expected, double tolerance);
Check at_most(std::string what, double measured, double bound);
Check at_least(std::string what, double measured, double bound);
/// A p-value of a statistical test: at least 1e-6, so that a correct program fails for one seed in
/// a million.
Check not_rejected(std::string what, double p_value);
/// A mean of independent numbers against its expectation, in standard errors: at most 4.9, again
/// one seed in a million.
Check unbiased(std::string what, std::span<const double> sample, double expected);

struct Finding {
  std::vector<Check> checks;
  std::vector<CaptionedFigure> figures = {};
};

struct Claim {
  const char* row;       ///< "A1"
  const char* sentence;  ///< what is claimed
  Finding (*run)(const TourContext& context);
};

struct Chapter {
  const char* name;  ///< what --chapter takes
  const char* title;
  std::span<const Claim> claims;
};

Chapter softmax_chapter();
Chapter open_set_chapter();
Chapter calibration_chapter();
Chapter noise_contrastive_chapter();
Chapter gradients_chapter();
Chapter gumbel_chapter();
Chapter without_replacement_chapter();
Chapter shared_noise_chapter();

/// All of them, in the order of the lecture's letters.
std::vector<Chapter> tour_chapters();

/// Whether the claim is to be run.
bool is_chosen(const Claim& claim, const TourOptions& options);

struct ClaimResult {
  const Claim* claim;
  Finding finding;
  double seconds;
  std::string error = {};  ///< what was thrown instead of a finding

  bool passed() const;
};

struct ChapterResult {
  Chapter chapter;
  std::vector<ClaimResult> claims;
};

/// The formula of a row as MathML.
std::string_view tour_formula(std::string_view row);

std::string tour_page(std::span<const ChapterResult> results, const TourOptions& options,
                      const std::string& command);

/// Runs chapters, and calls `about_to_run` before each claim.
std::vector<ChapterResult> run_tour(std::span<const Chapter> chapters, const TourOptions& options,
                                    const std::function<void(const Claim&)>& about_to_run = {});

}  // namespace partita::app
