// SPDX-License-Identifier: Apache-2.0
// Rows in parallel, and what happens to a bad row.
//
// A function that answers row by row (softmax, gumbel_top_k, logit_scores, Calibrator::transform,
// predict_sets ...) ends with a RowOptions argument. By default it runs on the calling thread and
// throws InvalidArgument naming the first bad row, after all good rows have been done. A server
// that must answer the good rows of a batch passes a list instead:
//
//   std::vector<partita::RowError> errors;
//   auto sample = partita::gumbel_top_k(logits, 10, stream, {.errors = &errors});
//   for (const auto& e : errors) log(e.row, e.reason);   // the other rows are unaffected
//
// A function that makes one thing of all rows (fit_temperature, fit_calibrator, fit_conformal,
// Mahalanobis::fit, evaluate_calibration, temperature_nll, and the training rows of knn_scores) has
// no answer without the bad one: it takes a number of threads, and throws.
#pragma once

#include <algorithm>
#include <cstddef>
#include <functional>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"

namespace partita {

/// Why one row of a batch has no result.
struct RowError {
  std::size_t row;
  std::string reason;  ///< "NaN at column 17"
};

struct RowOptions {
  int threads = 1;                          ///< at most this many, including the caller's own; >= 1
  std::vector<RowError>* errors = nullptr;  ///< if set, bad rows are listed here, not thrown
};

/// Splits [0, n) into min(threads, n) contiguous ranges, whatever the machine, and calls
/// body(first, last) on each. They run on the calling thread and on those of oneTBB's pool, which
/// the process has once, with as many threads as it may use cores: a call starts no thread, and
/// ranges that find all of them busy are left to the caller. So it may be called from several
/// threads at once, and from a body; a body must not wait for another one. After fork() a child
/// has no pool, and must call with one thread.
/// The exception of the first range that threw is rethrown once all have ended.
/// @throws InvalidArgument if threads < 1.
void parallel_for(std::size_t n, int threads,
                  const std::function<void(std::size_t first, std::size_t last)>& body);

/// Calls body(row, workspace) for every row, with one Workspace per thread. A row whose body throws
/// InvalidArgument(argument, reason) fails alone, and is reported in the end as
/// InvalidArgument(argument, "row 3: " + reason): see RowOptions.
template <class Workspace, class Body>
void for_each_row(std::size_t rows, const RowOptions& options, const Body& body) {
  struct Failure {
    RowError error;
    std::string argument;
  };
  std::mutex mutex;
  std::vector<Failure> failures;
  parallel_for(rows, options.threads, [&](std::size_t first, std::size_t last) {
    Workspace workspace;
    for (std::size_t row = first; row < last; ++row) {
      try {
        body(row, workspace);
      } catch (const InvalidArgument& error) {
        const std::scoped_lock lock(mutex);
        failures.push_back({{row, error.reason()}, error.argument()});
      }
    }
  });
  if (failures.empty()) return;
  std::sort(failures.begin(), failures.end(),
            [](const auto& a, const auto& b) { return a.error.row < b.error.row; });
  if (options.errors == nullptr) {
    const auto& [error, argument] = failures.front();
    throw InvalidArgument(argument, "row " + std::to_string(error.row) + ": " + error.reason);
  }
  for (auto& failure : failures) options.errors->push_back(std::move(failure.error));
}

}  // namespace partita
