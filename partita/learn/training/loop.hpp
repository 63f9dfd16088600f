// SPDX-License-Identifier: Apache-2.0
// The training loop that all models share. A model says what its parts are and what one step does;
// the loop counts, averages, logs, evaluates, stops early, and saves its whole state so that a
// killed run continues as if nothing had happened.
//
//   training::Batches batches(x.size(0), 64, stream);
//   const std::vector<training::Part> parts = {{"classifier", network, adam}};
//   const training::RunFiles files{.checkpoint = "run.checkpoint",
//                                  .run = {{"data", "iris"}, {"seed", "1"}}};
//   auto result = training::train(parts, {.steps = 2000, .files = files},
//                                 [&](std::uint64_t step) -> training::Losses {
//     const Tensor rows = batches.at(step);
//     const Tensor loss = losses::cross_entropy(network->forward(x.index_select(0, rows)),
//                                               labels.index_select(0, rows));
//     training::descend(parts[0], loss);
//     return {{"loss", loss}};
//   });
//
// A step must be a function of its number and of the parts: it draws examples with Batches and
// numbers from a child of a stream. Then, on a CPU with the same number of threads, a run that was
// killed and resumed ends with the same bits as one that was not.
//
// Several processes train one model if its parts name their group: every rank calls train() with
// the same arguments and data, and a step computes the rank's share of its losses.
//
//     const Share share = Share::of(64, group);                 // parts = {{..., .group = &group}}
//     const Tensor rows = share.of(batches.at(step));
//     const Tensor loss = share.weight() * losses::cross_entropy(...);
//     training::descend(parts[0], loss);                        // with the gradients of all shares
//     return {{"loss", loss}};                                  // added up, too
//
// Batches and random numbers belong to the step and to the row of the whole batch (Random::of), so
// the losses are those of one process, up to the rounding of sums. Rank 0 writes the log and the
// checkpoint, from which any number of processes resumes, and its evaluation counts.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/learn/training/part.hpp"
#include "partita/learn/training/run_facts.hpp"

namespace partita::training {

/// Named losses of one step: tensors of one element, whose gradients are no longer needed.
using Losses = std::vector<std::pair<std::string, Tensor>>;
/// Named numbers.
using Values = std::vector<std::pair<std::string, double>>;

using Step = std::function<Losses(std::uint64_t step)>;
using Evaluate = std::function<Values()>;

/// What a run writes, and reads again when it is resumed. A trainer that configures the loop
/// itself takes only these from its caller.
struct RunFiles {
  /// File in which the state is saved (written beside the old one, then renamed), and from which
  /// the run resumes if it exists. Empty: none.
  std::filesystem::path checkpoint = {};
  double checkpoint_seconds = 30;  ///< between two checkpoints; one more after the last step
  /// Data, model, options, seed: a checkpoint of a run that differs in one of them is refused, and
  /// so is one that has done more steps than this run has. More steps are no other run, unless a
  /// fact says how many there are.
  RunFacts run = {};
  std::filesystem::path log = {};  ///< entries as JSON lines. Empty: not written
};

struct LoopOptions {
  std::uint64_t steps = 1000;        ///< total number of steps
  std::uint64_t log_every = 100;     ///< steps that an entry averages
  std::uint64_t evaluate_every = 0;  ///< in steps. 0: only after the last one
  /// Training stops after this many evaluations without a new minimum of their first value; then,
  /// and after the last step, the parts are restored to that minimum. 0: no early stopping.
  std::uint64_t patience = 0;
  RunFiles files = {};
};

/// The mean of each loss since the last entry, and the values of an evaluation at this step.
struct LogEntry {
  std::uint64_t step;  ///< steps done
  double seconds;      ///< since the beginning, without the pauses between resumed runs
  Values values;
};

struct LoopResult {
  std::uint64_t steps;  ///< done
  bool stopped_early;
  double seconds;
  std::vector<LogEntry> history;  ///< from step 0 on, even in a resumed run
};

/// Runs the remaining steps.
/// @param parts their states make up the model's; step() changes no other lasting state.
/// @param evaluate early stopping minimizes the first value that it returns.
/// @throws InvalidArgument if steps = 0; for patience without evaluate or with evaluate_every = 0;
///         if the ranks of a group differ in options, facts, version or initial weights
/// @throws DataError if the checkpoint is damaged, or from another run or other networks
/// @throws Error if a loss is not finite, which is noticed when a log entry is due
LoopResult train(std::span<const Part> parts, const LoopOptions& options, const Step& step,
                 const Evaluate& evaluate = {}, const Progress& progress = {});

}  // namespace partita::training
