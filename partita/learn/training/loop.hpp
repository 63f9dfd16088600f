// The training loop that all models share. A model says what its parts are and what one step does;
// the loop counts, averages, logs, evaluates, stops early, and saves its whole state so that a
// killed run goes on as if nothing had happened.
//
//   training::Batches batches(x.size(0), 64, {seed, 0});
//   const std::vector<training::Part> parts = {{"classifier", network, adam}};
//   auto result = training::train(parts, {.steps = 2000, .checkpoint = "run.checkpoint"},
//                                 [&](std::uint64_t step) -> training::Losses {
//     const Tensor rows = batches.at(step);
//     const Tensor loss = losses::cross_entropy(network->forward(x.index_select(0, rows)),
//                                               labels.index_select(0, rows));
//     training::descend(parts[0], loss);
//     return {{"loss", loss}};
//   });
//
// A step must be a function of its number and of the parts: it draws examples with Batches and
// numbers from step_stream(). Then a run that was killed and resumed ends with the same bits as one
// that was not, on a CPU, with the same number of threads.
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

namespace partita::training {

/// Named losses of one step: tensors of one element, whose gradients are not needed any more.
using Losses = std::vector<std::pair<std::string, Tensor>>;
/// Named numbers.
using Values = std::vector<std::pair<std::string, double>>;

using Step = std::function<Losses(std::uint64_t step)>;
using Evaluate = std::function<Values()>;

struct LoopOptions {
  std::uint64_t steps = 1000;  ///< in all

  /// Where the state is saved, each time beside the old one and then renamed, and taken up again if
  /// the file is there. Empty: nowhere.
  std::filesystem::path checkpoint = {};
  double checkpoint_seconds = 30;  ///< between two of them; and one after the last step
  /// What the run is: data, model, options, seed. A checkpoint of another run is refused.
  std::string run = {};

  std::uint64_t log_every = 100;   ///< steps that an entry averages
  std::filesystem::path log = {};  ///< entries as JSON lines. Empty: not written

  std::uint64_t evaluate_every = 0;  ///< steps. 0: after the last one only
  /// Evaluations without a new least first value after which training stops; then, and after the
  /// last step, the parts are what they were at the least. 0: no early stopping.
  std::uint64_t patience = 0;
};

/// The means of each loss since the last entry, and of an evaluation at this step.
struct LogEntry {
  std::uint64_t step;  ///< steps done
  double seconds;      ///< since the beginning, pauses between resumed runs left out
  Values values;
};

struct LoopResult {
  std::uint64_t steps;  ///< done
  bool stopped_early;
  double seconds;
  std::vector<LogEntry> history;  ///< from step 0 on, also in a resumed run
};

/// Runs the steps that are still to do.
/// @param parts whose states make up the model's; step() changes nothing else that lasts.
/// @param evaluate the first value that it returns is the one that early stopping wants small.
/// @throws InvalidArgument steps = 0; patience without evaluate, or with evaluate_every = 0
/// @throws DataError a checkpoint that is damaged, of another run or of other networks
/// @throws Error when a loss is not finite, which is seen when an entry is due
LoopResult train(std::span<const Part> parts, const LoopOptions& options, const Step& step,
                 const Evaluate& evaluate = {}, const Progress& progress = {});

}  // namespace partita::training
