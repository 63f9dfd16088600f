// SPDX-License-Identifier: Apache-2.0
// Shared by all experiments: where to compute, how to keep a training run, progress, tasks in
// parallel, and means with their standard errors.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <span>
#include <string>
#include <string_view>

#include "apps/experiments/names.hpp"
#include "partita/base/group.hpp"
#include "partita/base/progress.hpp"

namespace partita::app {

enum class Device : std::uint8_t { cpu, cuda };

inline constexpr auto kDevices = names<Device>({{"cpu", Device::cpu}, {"cuda", Device::cuda}});

/// Where a run computes, with whom, and how its training is kept.
struct RunOptions {
  Device device = Device::cpu;
  std::shared_ptr<Group> group = {std::shared_ptr<Group>(), &Group::alone()};
  std::string checkpoint = {};     ///< file; empty: none
  double checkpoint_seconds = 30;  ///< between two checkpoints
  std::string log = {};            ///< file; empty: none

  /// The options for a control, or for one of the run's phases, with files of its own, "FILE.name".
  RunOptions named(const std::string& name) const;
};

/// Called with the name of each phase as it begins. The result receives the phase's progress until
/// the next one begins. May be empty.
using Phases = std::function<Progress(std::string_view phase)>;

/// The progress of a phase that begins now; empty if nobody listens.
Progress begin(const Phases& phases, std::string_view phase);

/// Counts what several threads get done.
class SharedProgress {
 public:
  SharedProgress(Progress progress, std::uint64_t total, std::string unit);
  void one_more();

 private:
  Progress progress_;
  std::uint64_t total_;
  std::string unit_;
  std::mutex mutex_ = {};
  std::uint64_t done_ = 0;
};

/// Sets the threads of torch, OpenBLAS's included, which torch's own setting does not reach; and
/// has malloc keep what is freed for the next step's tensors, whose pages the kernel would else
/// clear anew: half of the time of a step over 5,000 tokens.
void use_threads(int threads);

/// Calls task(0) ... task(count - 1), each once, up to `threads` at a time. Torch computes on one
/// thread in each, so that rounding does not depend on how many there are.
void run_tasks(std::size_t count, int threads, const std::function<void(std::size_t task)>& task);

/// Processor time of the calling thread, in seconds: it passes only while the thread computes, so
/// that what else the machine does changes it little.
double thread_seconds();

struct Mean {
  double value;
  double standard_error;  ///< s / √n; NaN for one value
};

Mean mean_of(std::span<const double> values);

}  // namespace partita::app
