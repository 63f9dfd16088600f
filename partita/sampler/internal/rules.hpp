// SPDX-License-Identifier: Apache-2.0
// What each filter keeps: one rule, which the plain chain and the fast one share. Not installed.
//
// A filter sees categories by x = z - max z, in double, and knows the whole row only through sums.
// The plain chain has the row, and adds it up. The fast one has only the most likely categories,
// and sums that a float pass gives within bounds: mostly that is enough to tell what stays; where
// it is not, decide() says what is missing.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "partita/sampler/settings.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita::sampler {

/// A number that is known to lie between two; exact if they are equal. Both ends are rounded to
/// nearest, which is monotone: computing in double with numbers inside the bounds gives a result
/// inside the bounds of the result.
struct Bounds {
  double low = 0;
  double high = 0;
  bool is_exact() const { return low == high; }
};

/// Sums over every possible category of a row.
struct RowSums {
  Bounds exp;        ///< sum of e^x
  Bounds x_exp;      ///< sum of x e^x
  Bounds squares;    ///< sum of e^2x
  Bounds deviation;  ///< standard deviation of z
  double least = 0;  ///< the smallest x
};

/// E[x] <= 0, from the sums of e^x and of x e^x.
Bounds mean(const RowSums& sums);

/// H = log sum e^x - E[x], from the same.
Bounds entropy(const RowSums& sums);

/// Which of the sums a step reads.
struct Needs {
  bool exp = false;
  bool x_exp = false;
  bool squares = false;
  bool deviation = false;
  bool least = false;
  bool any_exp() const { return exp || x_exp || squares; }
};
Needs needs(SamplerStep step);

/// The most surprise, in bits, that Mirostat lets through at present.
double mirostat_mu(const SamplerSettings& settings);

/// Adds up a row, category by category in the order of their columns.
class SumOfRow {
 public:
  explicit SumOfRow(Needs needs) : needs_(needs) {}
  void add(double x);
  RowSums sums() const;

  /// As numbers, to add up parts of a row.
  static constexpr std::size_t kNumbers = 7;
  void write(double* out) const;
  void add(const double* part);

 private:
  Needs needs_;
  double count_ = 0;
  CompensatedSum exp_;
  CompensatedSum x_exp_;
  CompensatedSum squares_;
  CompensatedSum x_;
  CompensatedSum x_squared_;
  double least_ = 0;
};

/// The sums over a row that is given whole.
RowSums sum_of(std::span<const double> logits, double max, Needs needs);

enum class Decision {
  made,              ///< what was removed is now -inf
  needs_categories,  ///< the list does not reach down to the cut. All of it stays, but by typical,
                     ///< or Mirostat 1, which may know less
  needs_sums,        ///< the cut differs between the ends of the bounds
};

/// Applies one of the steps that keep by a rule (top_n_sigma ... p_less, mirostat).
/// @param logits a list that holds every category with x >= covered, in the order of the columns.
/// @param max    the largest logit; it is in the list.
/// @param categories how many the row has; for Mirostat 1.
/// @param sums   over the whole row.
Decision decide(SamplerStep step, const SamplerSettings& settings, std::span<double> logits,
                double max, double covered, std::size_t categories, const RowSums& sums);

/// Whether a step keeps exactly what is at or above a cutoff of x that follows from the sums.
bool has_cutoff(SamplerStep step, const SamplerSettings& settings);
/// That cutoff.
Bounds cutoff(SamplerStep step, const SamplerSettings& settings, const RowSums& sums);

}  // namespace partita::sampler
