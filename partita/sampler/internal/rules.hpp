// What each filter keeps: one rule, which the plain chain and the fast one share. Not installed.
//
// A filter sees categories by x = z - max z, in double, and what it must know of all of them are
// sums over the row. The plain chain has the row, and adds it up. The fast one has the most likely
// categories only, and sums that a float pass knows within bounds: mostly that is enough to tell
// what stays; where it is not, decide() says what is missing.
#pragma once

#include <cstddef>
#include <limits>
#include <span>

#include "partita/sampler/settings.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita::sampler {

/// A number that is known to lie between two; exact if they are equal. Arithmetic is by rounding to
/// nearest at both ends, which is monotone: a result in double of numbers within the bounds is
/// within those of the result.
struct Bounds {
  double low = 0;
  double high = 0;
  bool is_exact() const { return low == high; }
};

/// Sums over every possible category of a row.
struct RowSums {
  Bounds exp;        ///< of e^x
  Bounds x_exp;      ///< of x e^x
  Bounds squares;    ///< of e^2x
  Bounds deviation;  ///< standard deviation of z
};

/// E[x] <= 0, of the sums of e^x and of x e^x.
Bounds mean(const RowSums& sums);

/// H = log sum e^x - E[x], of the same.
Bounds entropy(const RowSums& sums);

/// Which of the sums a step reads.
struct Needs {
  bool exp = false;
  bool x_exp = false;
  bool squares = false;
  bool deviation = false;
  bool any_exp() const { return exp || x_exp || squares; }
};
Needs needs(SamplerStep step);

/// The most surprise, in bits, that Mirostat lets through now.
double mirostat_mu(const SamplerSettings& settings);

/// Adds up a row, category by category in the order of their columns.
class SumOfRow {
 public:
  explicit SumOfRow(Needs needs) : needs_(needs) {}
  void add(double x);
  RowSums sums() const;

 private:
  Needs needs_;
  double count_ = 0;
  CompensatedSum exp_;
  CompensatedSum x_exp_;
  CompensatedSum squares_;
  CompensatedSum x_;
  CompensatedSum x_squared_;
};

/// Of logits that are all there.
RowSums sum_of(std::span<const double> logits, double max, Needs needs);

enum class Decision {
  made,              ///< what goes is now -inf
  needs_categories,  ///< the list does not reach down to where the cut is
  needs_sums,        ///< the cut differs from one end of the bounds to the other
};

/// Applies one of the steps that keep by a rule (top_n_sigma ... p_less, mirostat).
/// @param logits a list of categories that holds every category of x >= covered. In the order of
///               their columns.
/// @param max    the largest logit; it is in the list.
/// @param categories how many the row has; Mirostat 1 asks.
/// @param sums   over the whole row.
Decision decide(SamplerStep step, const SamplerSettings& settings, std::span<double> logits,
                double max, double covered, std::size_t categories, const RowSums& sums);

/// Whether one of the keeping steps keeps every x from a number on that follows from the sums.
bool has_cutoff(SamplerStep step, const SamplerSettings& settings);
/// That number.
Bounds cutoff(SamplerStep step, const SamplerSettings& settings, const RowSums& sums);

}  // namespace partita::sampler
