// Rows in parallel, and what happens to a bad row.
//
// Every function over rows ends with a RowOptions argument. By default it runs on the calling
// thread and throws InvalidArgument naming the first bad row, after all good rows have been done. A
// server that must answer the good rows of a batch passes a list instead:
//
//   std::vector<partita::RowError> errors;
//   auto sample = partita::gumbel_top_k(logits, 10, {seed, request}, {.threads = 4, .errors =
//   &errors}); for (const auto& e : errors) log(e.row, e.message);   // the other rows are as if
//   alone
#pragma once

#include <algorithm>
#include <cstddef>
#include <exception>
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
  std::string message;  ///< "logits: row 3: NaN at column 17"
};

struct RowOptions {
  int threads = 1;                          ///< at most this many, the caller's own included; >= 1
  std::vector<RowError>* errors = nullptr;  ///< if set, bad rows are listed here, not thrown
};

/// Splits [0, n) in contiguous ranges, one a thread, and calls body(first, last) on each. The first
/// exception that a body throws is rethrown when all have ended.
/// @throws InvalidArgument if threads < 1.
void parallel_for(std::size_t n, int threads,
                  const std::function<void(std::size_t first, std::size_t last)>& body);

/// Calls body(row, workspace) for every row, with one Workspace a thread. A row whose body throws
/// InvalidArgument fails alone: see RowOptions.
template <class Workspace, class Body>
void for_each_row(std::size_t rows, const RowOptions& options, const Body& body) {
  std::mutex mutex;
  std::vector<RowError> failed;
  std::exception_ptr first_failure;
  parallel_for(rows, options.threads, [&](std::size_t first, std::size_t last) {
    Workspace workspace;
    for (std::size_t row = first; row < last; ++row) {
      try {
        body(row, workspace);
      } catch (const InvalidArgument& error) {
        const std::scoped_lock lock(mutex);
        if (std::all_of(failed.begin(), failed.end(), [&](const auto& f) { return row < f.row; })) {
          first_failure = std::current_exception();
        }
        failed.push_back({row, error.what()});
      }
    }
  });
  if (failed.empty()) return;
  std::sort(failed.begin(), failed.end(),
            [](const auto& a, const auto& b) { return a.row < b.row; });
  if (options.errors == nullptr) std::rethrow_exception(first_failure);
  options.errors->insert(options.errors->end(), failed.begin(), failed.end());
}

}  // namespace partita
