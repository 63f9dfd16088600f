// SPDX-License-Identifier: Apache-2.0
// The phases that the experiments of `partita seqgan` go through, each with a checkpoint and a log
// of its own.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "apps/experiments/seqgan/experiment.hpp"
#include "partita/learn/seqgan/seqgan.hpp"

namespace partita::app {

/// The children of the seed's stream.
enum class SeqganDraw : std::uint64_t {
  oracle,
  real,
  held_out,
  generator,
  discriminator,
  random,
  measured,
  maximum_likelihood,
  adversarial,
};

inline Stream seqgan_stream(const SeqganOptions& options, SeqganDraw draw) {
  return Stream{.seed = options.seed}.child(static_cast<std::uint64_t>(draw));
}

class SeqganPhases {
 public:
  using Policy = std::shared_ptr<seqgan::SequencePolicy>;

  SeqganPhases(const SeqganOptions& options, Tensor real, Tensor held_out, const Phases& phases);

  // Every phase of a generator measures held_out_nll, and what `evaluate` adds; with --patience it
  // stops early by it, and is then at its best.

  /// @param name the phase's, also in the names of files.
  /// @param final_teacher below 1: scheduled sampling.
  SeqganPhase maximum_likelihood(const std::string& name, const Policy& policy,
                                 double final_teacher, const training::Evaluate& evaluate) const;

  /// Trains the discriminator, then both in turn.
  /// @param other built like the generator.
  /// @param vocabulary 0: the elements of sequences are vectors.
  std::vector<SeqganPhase> adversarial(const Policy& generator, const Policy& other,
                                       std::int64_t vocabulary,
                                       const training::Evaluate& evaluate) const;

 private:
  /// @param discriminator whether the phase has one
  training::RunFiles files(const std::string& name, bool discriminator) const;

  const SeqganOptions& options_;
  const Phases& phases_;
  Tensor real_;
  Tensor held_out_;
};

/// Share of the sequences [N, T] that differ from all before them.
double distinct_share(const Tensor& sequences);

}  // namespace partita::app
