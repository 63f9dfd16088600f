// SPDX-License-Identifier: Apache-2.0
#include "apps/experiments/run.hpp"

#include <ATen/Parallel.h>
#include <dlfcn.h>
#include <malloc.h>

#include <algorithm>
#include <cmath>
#include <ctime>
#include <limits>
#include <numeric>
#include <utility>

#include "partita/base/parallel.hpp"

namespace partita::app {
namespace {

constexpr int kKeptBlock = 32 << 20;  // the largest that malloc does not ask the kernel for
constexpr int kKeptMemory = 1 << 30;

}  // namespace

RunOptions RunOptions::named(const std::string& name) const {
  RunOptions out = *this;
  for (std::string* path : {&out.checkpoint, &out.log}) {
    if (!path->empty()) *path += "." + name;
  }
  return out;
}

Progress begin(const Phases& phases, std::string_view phase) {
  return phases ? phases(phase) : Progress();
}

SharedProgress::SharedProgress(Progress progress, std::uint64_t total, std::string unit)
    : progress_(std::move(progress)), total_(total), unit_(std::move(unit)) {}

void SharedProgress::one_more() {
  const std::scoped_lock lock(mutex_);
  ++done_;
  if (progress_) progress_({done_, total_, unit_});
}

void use_threads(int threads) {
#ifdef __GLIBC__
  ::mallopt(M_MMAP_THRESHOLD, kKeptBlock);
  ::mallopt(M_TRIM_THRESHOLD, kKeptMemory);
#endif
  at::set_num_threads(threads);
  using SetThreads = void (*)(int);
  if (auto* const set = reinterpret_cast<SetThreads>(  // NOLINT: what dlsym is for
          ::dlsym(RTLD_DEFAULT, "openblas_set_num_threads"))) {
    set(threads);
  }
}

void run_tasks(std::size_t count, int threads, const std::function<void(std::size_t task)>& task) {
  const int before = at::get_num_threads();
  use_threads(1);
  std::mutex mutex;
  std::size_t next = 0;
  const auto workers = std::min(static_cast<std::size_t>(threads), std::max<std::size_t>(count, 1));
  parallel_for(workers, static_cast<int>(workers), [&](std::size_t, std::size_t) {
    at::set_num_threads(1);  // in this worker
    while (true) {
      std::size_t mine = 0;
      {
        const std::scoped_lock lock(mutex);
        if (next == count) return;
        mine = next++;
      }
      task(mine);
    }
  });
  use_threads(before);
}

double thread_seconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

Mean mean_of(std::span<const double> values) {
  const auto n = static_cast<double>(values.size());
  const double mean = std::accumulate(values.begin(), values.end(), 0.0) / n;
  if (values.size() < 2) return {mean, std::numeric_limits<double>::quiet_NaN()};
  double squares = 0;
  for (const double x : values) squares += (x - mean) * (x - mean);
  return {mean, std::sqrt(squares / (n - 1) / n)};
}

}  // namespace partita::app
