// SPDX-License-Identifier: Apache-2.0
// Which generator is best where all are equally diverse: a generator can draw better sequences by
// drawing fewer kinds of them, so that quality alone says nothing (Caccia et al. 2020).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "apps/experiments/seqgan/experiment.hpp"

namespace partita::app {

/// NLL under the oracle at the temperature that gives held-out data this NLL, interpolated linearly
/// between the temperatures of the sweep, from that of the least held-out NLL downwards (above it
/// both are worse). NaN where the sweep does not go.
double quality_at(const SeqganSweep& sweep, double held_out_nll);

struct SeqganComparison {
  struct Generator {
    std::string name;
    double oracle_nll;      // mean of quality_at() over the range
    double standard_error;  // of the samples that are measured; runs differ by more
  };
  double from = 0;  // held-out NLLs that every sweep reaches; empty if from >= to
  double to = 0;
  std::vector<Generator> generators = {};  // the best first; none if the range is empty
};

SeqganComparison compare(std::span<const SeqganSweep> sweeps);

/// What wins, in a sentence or two.
std::string in_words(const SeqganComparison& comparison);

}  // namespace partita::app
