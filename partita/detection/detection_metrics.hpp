// SPDX-License-Identifier: Apache-2.0
// The figures by which detectors of unknown inputs are compared, with bootstrap intervals, and the
// comparison itself.
//
//   using partita::Positive;
//   // scores, larger where known
//   auto m = partita::detection_metrics(in, out, Positive::in);
//   auto i = partita::detection_intervals(in, out, Positive::in, {.seed = 1});
//   std::cout << m.auroc << " [" << i.auroc.low << ", " << i.auroc.high << "]\n";
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "partita/base/group.hpp"
#include "partita/random/bootstrap.hpp"

namespace partita {

/// Which side counts as positive: true and false positive rates depend on it, and papers differ.
enum class Positive : std::uint8_t { in, out };

/// Definitions in partita/detection/roc.hpp.
template <class Value>
struct DetectionFigures {
  Value auroc;               ///< the same for either side
  Value aupr_in;             ///< average precision with in as positive
  Value aupr_out;            ///< average precision with out as positive
  Value fpr_at_95_tpr;       ///< for the side that counts as positive
  Value detection_accuracy;  ///< the same for either side
};
using DetectionMetrics = DetectionFigures<double>;
using DetectionIntervals = DetectionFigures<Interval>;

/// @param in, out scores of known and of unknown inputs, larger where known
/// @throws InvalidArgument if a side is empty or holds a NaN
DetectionMetrics detection_metrics(std::span<const double> in, std::span<const double> out,
                                   Positive positive);

/// The same of the scores of all ranks: every rank calls it with its own, of which there may be
/// none, and gets the same figures, as if they were in one place: exactly, as all ranks see the
/// scores of all in descending order, some 65,000 at a time.
/// @throws InvalidArgument on every rank if a side is empty on all, or holds a NaN on one
DetectionMetrics detection_metrics(std::span<const double> in, std::span<const double> out,
                                   Positive positive, Group& group);

/// Percentile intervals from separate resamples of `in` and of `out`, each of its original size.
/// Resample r draws from the children of stream.child(r).
/// @throws InvalidArgument as above, and if an option is out of its range
DetectionIntervals detection_intervals(std::span<const double> in, std::span<const double> out,
                                       Positive positive, const Stream& stream,
                                       const BootstrapOptions& options = {});

/// The scores of one detector.
struct ScoredSides {
  std::span<const double> in;
  std::span<const double> out;
};

struct ComparedDetector {
  DetectionMetrics metrics;
  DetectionIntervals intervals;
  /// Its AUROC less that of the detector whose AUROC is largest, within the same resamples: above 0
  /// or around it, what sets the best apart may be chance. [0, 0] for the best itself.
  Interval auroc_less_best;
};

/// Detectors on the same rows, with percentile intervals from resamples of rows in which all of
/// them share their luck. Resample r draws from the children of stream.child(r).
/// @param detectors one or more, whose i-th scores belong to the same row
/// @return in the order of `detectors`
/// @throws InvalidArgument as above, or if there are no detectors or they differ in rows
std::vector<ComparedDetector> compare_detectors(std::span<const ScoredSides> detectors,
                                                Positive positive, const Stream& stream,
                                                const BootstrapOptions& options = {});

}  // namespace partita
