// SPDX-License-Identifier: Apache-2.0
// What a classifier that may abstain gains by its confidence: the risk (share of wrong answers)
// among the rows that it is surest of, against the share of rows that these are, the coverage.
//
//   const partita::Confidences c = partita::confidences_of(logits, labels);
//   const partita::RiskCoverage curve = partita::risk_coverage(c);
//   curve.aurc;
//   partita::coverage_at_risk(curve, 0.01).coverage;   // answers so many rows, 1 % of them wrong
//
// Only the order of the confidences matters, and equal ones are accepted together.
#pragma once

#include <vector>

#include "partita/calibration/confidences.hpp"

namespace partita {

/// Rows of this confidence or more are accepted.
struct RiskCoveragePoint {
  double threshold;
  double coverage;  ///< the share that is accepted
  double risk;      ///< the share of these that is wrong
};

struct RiskCoverage {
  /// One for each confidence, the highest first; the last has coverage 1.
  std::vector<RiskCoveragePoint> points;

  /// Area under the curve: the mean over rows of the risk among those accepted at the row's own
  /// confidence (Geifman, Uziel, El-Yaniv, "Bias-reduced uncertainty estimation for deep neural
  /// classifiers", ICLR 2019).
  double aurc;
  /// aurc less the least that is possible with as many errors, by confidences that all differ.
  double e_aurc;
  /// Area under the generalized risk, the share of all rows that are accepted and wrong, as the
  /// coverage goes from 0 to 1: the mean risk of an error that is not noticed, from 0 to 1/2, and
  /// linear between points. With AUROC that of telling right from wrong, it is
  /// (1 - AUROC) a (1 - a) + (1 - a)^2 / 2 at accuracy a (Traub et al., "Overcoming common flaws in
  /// the evaluation of selective classification systems", NeurIPS 2024).
  double augrc;
};

/// @throws InvalidArgument as Confidences::check; any numbers will do as confidences
RiskCoverage risk_coverage(const Confidences& confidences);

/// The point of the largest coverage whose risk is at most `risk`; {inf, 0, 0} if there is none.
/// @throws InvalidArgument unless 0 <= risk <= 1
RiskCoveragePoint coverage_at_risk(const RiskCoverage& curve, double risk);

}  // namespace partita
