// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/distributed/process_group.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <string_view>
#include <thread>
#include <torch/csrc/distributed/c10d/PrefixStore.hpp>
#include <torch/csrc/distributed/c10d/ProcessGroupGloo.hpp>
#include <torch/csrc/distributed/c10d/TCPStore.hpp>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/internal/environment.hpp"

namespace partita {

namespace {

using std::chrono::milliseconds;
using StorePointer = c10::intrusive_ptr<c10d::Store>;

std::vector<std::uint8_t> bytes_of(const std::string& text) { return {text.begin(), text.end()}; }

/// What a c10d exception says, in one line and without its stack.
std::string reason_of(const std::exception& error) {
  const std::string_view text = error.what();
  return std::string(text.substr(0, text.find('\n')));
}

/// Shows the others that this process lives, by a counter in the store, and tells whose stands
/// still.
class Pulse {
 public:
  static constexpr milliseconds kBeat{250};
  static constexpr milliseconds kWatch{1500};

  Pulse(StorePointer store, int rank) : store_(std::move(store)), rank_(rank) {
    thread_ = std::thread([this] { beat(); });
  }
  ~Pulse() {
    {
      const std::scoped_lock lock(mutex_);
      ends_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }
  Pulse(const Pulse&) = delete;
  Pulse& operator=(const Pulse&) = delete;

 private:
  void beat() {
    std::unique_lock lock(mutex_);
    while (!ends_) {
      try {
        store_->add(fmt::format("pulse/{}", rank_), 1);
      } catch (const std::exception&) {
        return;  // the store is gone, and messages will say so
      }
      changed_.wait_for(lock, kBeat, [&] { return ends_; });
    }
  }

  StorePointer store_;
  int rank_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool ends_ = false;
  std::thread thread_;
};

class ProcessGroup final : public Group {
 public:
  ProcessGroup(const ProcessRank& self, const ProcessGroupOptions& options) : self_(self) {
    store_ = connect(options.start_timeout, /*serves=*/self.rank == 0 && !agent_serves());
    arrive(options.start_timeout);
    // A connection of its own: calls on one wait for each other.
    pulse_ = std::make_unique<Pulse>(connect(options.start_timeout, false), self.rank);
    try {
      auto gloo = c10d::ProcessGroupGloo::Options::create(milliseconds(options.timeout));
      gloo->devices.push_back(is_local()
                                  ? c10d::ProcessGroupGloo::createDeviceForHostname("127.0.0.1")
                                  : c10d::ProcessGroupGloo::createDefaultDevice());
      group_ = c10::make_intrusive<c10d::ProcessGroupGloo>(
          c10::make_intrusive<c10d::PrefixStore>("gloo", store_), self.rank, self.size, gloo);
    } catch (const std::exception& error) {
      fail(error);
    }
  }

  ~ProcessGroup() override {
    // Rank 0 holds the store: the others take their leave before it goes.
    try {
      store_->add("left", 1);
      const auto deadline = std::chrono::steady_clock::now() + milliseconds(2000);
      while (self_.rank == 0 && !has_failed_ && store_->add("left", 0) < self_.size &&
             std::chrono::steady_clock::now() < deadline) {
        std::this_thread::sleep_for(milliseconds(5));
      }
    } catch (const std::exception&) {  // rank 0 has gone
    }
  }

  int rank() const override { return self_.rank; }
  int size() const override { return self_.size; }

  std::vector<double> all_gather(std::span<const double> own) override {
    std::vector<double> all(own.size() * static_cast<std::size_t>(self_.size));
    if (own.empty()) {
      barrier();
      return all;
    }
    // Torch has no tensor of constants; this one is only read.
    std::vector<at::Tensor> input = {view(std::span(const_cast<double*>(own.data()), own.size()))};
    std::vector<std::vector<at::Tensor>> output(1);
    for (int rank = 0; rank < self_.size; ++rank) {
      output[0].push_back(
          view(std::span(all).subspan(own.size() * static_cast<std::size_t>(rank), own.size())));
    }
    complete([&] { return group_->allgather(output, input); });
    return all;
  }

  void all_reduce(std::span<double> values, Reduction reduction) override {
    reduce(values, reduction);
  }
  void all_reduce(std::span<float> values, Reduction reduction) override {
    reduce(values, reduction);
  }

  void broadcast(std::span<double> values, int root) override {
    check_index("root", root, static_cast<std::size_t>(self_.size), "ranks");
    if (values.empty()) return;
    std::vector<at::Tensor> tensors = {view(values)};
    c10d::BroadcastOptions options;
    options.rootRank = root;
    complete([&] { return group_->broadcast(tensors, options); });
  }

  void barrier() override {
    complete([&] { return group_->barrier(); });
  }

 private:
  template <class Real>
  static at::Tensor view(std::span<Real> values) {
    return at::from_blob(values.data(), {static_cast<std::int64_t>(values.size())},
                         at::CppTypeToScalarType<Real>::value);
  }

  template <class Real>
  void reduce(std::span<Real> values, Reduction reduction) {
    if (values.empty()) return;
    std::vector<at::Tensor> tensors = {view(values)};
    c10d::AllreduceOptions options;
    options.reduceOp = reduction == Reduction::sum ? c10d::ReduceOp::SUM : c10d::ReduceOp::MAX;
    complete([&] { return group_->allreduce(tensors, options); });
  }

  /// torchrun's agent may hold the store itself.
  static bool agent_serves() {
    return environment("TORCHELASTIC_USE_AGENT_STORE").value_or("") == "True";
  }

  bool is_local() const { return self_.address == "localhost" || self_.address == "127.0.0.1"; }

  StorePointer connect(milliseconds timeout, bool serves) const {
    c10d::TCPStoreOptions options;
    options.port = self_.port;
    options.isServer = serves;
    options.numWorkers = c10::nullopt;
    options.waitWorkers = false;
    options.timeout = timeout;
#ifdef PARTITA_TCP_STORE_HAS_LIBUV
    options.useLibUV = false;
#endif
    try {
      return c10::make_intrusive<c10d::PrefixStore>(
          fmt::format("partita/{}", environment("TORCHELASTIC_RESTART_COUNT").value_or("0")),
          c10::make_intrusive<c10d::TCPStore>(self_.address, options));
    } catch (const std::exception& error) {
      throw Error(fmt::format("rank {} cannot {} {}:{}: {}", self_.rank,
                              serves ? "serve at" : "reach rank 0 at", self_.address, self_.port,
                              reason_of(error)));
    }
  }

  /// Waits for all, and sees that they are who they ought to be.
  void arrive(milliseconds timeout) {
    if (store_->add(fmt::format("rank/{}", self_.rank), 1) > 1) {
      throw Error(fmt::format("two processes say that they are rank {}", self_.rank));
    }
    store_->set(fmt::format("size/{}", self_.rank), bytes_of(fmt::format("{}", self_.size)));
    for (int rank = 0; rank < self_.size; ++rank) {
      const std::string key = fmt::format("size/{}", rank);
      try {
        store_->wait({key}, timeout);
      } catch (const std::exception&) {
        throw Error(fmt::format("rank {} waited {} s for {}", self_.rank, timeout.count() / 1000,
                                fmt::join(missing(), ", ")));
      }
      const std::vector<std::uint8_t> bytes = store_->get(key);
      const std::string size(bytes.begin(), bytes.end());
      if (size != fmt::format("{}", self_.size)) {
        throw Error(fmt::format("rank {} belongs to {} processes, rank {} to {}", rank, size,
                                self_.rank, self_.size));
      }
    }
  }

  std::vector<std::string> missing() {
    std::vector<std::string> ranks;
    for (int rank = 0; rank < self_.size; ++rank) {
      if (!store_->check({fmt::format("size/{}", rank)}))
        ranks.push_back(fmt::format("rank {}", rank));
    }
    return ranks;
  }

  template <class Start>
  void complete(const Start& start) {
    try {
      start()->wait();
    } catch (const std::exception& error) {
      fail(error);
    }
  }

  /// Says whose pulse has stopped. The first to notice leaves word for those who will find more
  /// than one gone.
  [[noreturn]] void fail(const std::exception& error) {
    has_failed_ = true;
    std::string lost;
    try {
      const auto pulses = [&] {
        std::vector<std::int64_t> counts;
        for (int rank = 0; rank < self_.size; ++rank) {
          counts.push_back(store_->add(fmt::format("pulse/{}", rank), 0));
        }
        return counts;
      };
      const auto before = pulses();
      std::this_thread::sleep_for(Pulse::kWatch);
      const auto after = pulses();
      std::vector<std::string> still;
      for (int rank = 0; rank < self_.size; ++rank) {
        const auto i = static_cast<std::size_t>(rank);
        if (rank != self_.rank && before[i] == after[i])
          still.push_back(fmt::format("rank {}", rank));
      }
      lost = fmt::format("{}", fmt::join(still, ", "));
      if (store_->add("noticed", 1) == 1) {
        store_->set("lost", bytes_of(lost));
      } else {
        const std::vector<std::uint8_t> said = store_->get("lost");
        lost.assign(said.begin(), said.end());
      }
    } catch (const std::exception&) {
      lost = fmt::format("rank 0, at {}:{},", self_.address, self_.port);
    }
    if (lost.empty()) throw Error(fmt::format("rank {}: {}", self_.rank, reason_of(error)));
    throw Error(fmt::format("rank {}: {} has gone: {}", self_.rank, lost, reason_of(error)));
  }

  ProcessRank self_;
  StorePointer store_;
  std::unique_ptr<Pulse> pulse_;
  c10::intrusive_ptr<c10d::ProcessGroupGloo> group_;
  bool has_failed_ = false;
};

}  // namespace

std::shared_ptr<Group> process_group(const ProcessRank& self, const ProcessGroupOptions& options) {
  check_at_least("size", self.size, 1);
  check_index("rank", self.rank, static_cast<std::size_t>(self.size), "ranks");
  if (self.size == 1) return {std::shared_ptr<Group>(), &Group::alone()};
  return std::make_shared<ProcessGroup>(self, options);
}

std::shared_ptr<Group> process_group(const ProcessGroupOptions& options) {
  return process_group(process_rank().value_or(ProcessRank()), options);
}

}  // namespace partita
