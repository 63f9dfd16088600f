// SPDX-License-Identifier: Apache-2.0
#include "partita/base/parallel.hpp"

#include <exception>

// ThreadSanitizer sees nothing of what oneTBB's library does and calls every handing-over of work a
// race. There, threads are started instead, so that what it finds is in the bodies.
#if defined(__SANITIZE_THREAD__)
#define PARTITA_START_THREADS
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define PARTITA_START_THREADS
#endif
#endif

#ifdef PARTITA_START_THREADS
#include <thread>
#else
#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>
#endif

#include "partita/base/internal/check.hpp"

namespace partita {
namespace {

template <class Run>
void run_parts(std::size_t parts, const Run& run) {
#ifdef PARTITA_START_THREADS
  std::vector<std::jthread> helpers;
  for (std::size_t part = 1; part < parts; ++part) helpers.emplace_back(run, part);
  run(0);
#else
  // Isolated: a body that waits for its own ranges must not begin one of another call meanwhile,
  // which may want the lock that this one holds.
  tbb::this_task_arena::isolate(
      [&] { tbb::parallel_for(std::size_t{0}, parts, run, tbb::simple_partitioner()); });
#endif
}

}  // namespace

void parallel_for(std::size_t n, int threads,
                  const std::function<void(std::size_t first, std::size_t last)>& body) {
  check_at_least("threads", threads, 1);
  const std::size_t parts = std::min(static_cast<std::size_t>(threads), n);
  if (parts <= 1) {
    if (n > 0) body(0, n);
    return;
  }
  std::vector<std::exception_ptr> thrown(parts);
  run_parts(parts, [&](std::size_t part) {
    try {
      body(n * part / parts, n * (part + 1) / parts);
    } catch (...) {
      thrown[part] = std::current_exception();
    }
  });
  for (const auto& exception : thrown) {
    if (exception) std::rethrow_exception(exception);
  }
}

}  // namespace partita
