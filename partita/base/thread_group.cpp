// SPDX-License-Identifier: Apache-2.0
#include "partita/base/thread_group.hpp"

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"

namespace partita {

namespace {

struct Abandoned : Error {
  Abandoned() : Error("group: another rank has failed, or has left") {}
};

/// Where the ranks meet. A meeting has two halves: all put down what they have, then all take what
/// they want, and only then may anyone come to the next.
class Table {
 public:
  explicit Table(int size) : places_(static_cast<std::size_t>(size)) {}

  /// Puts down `own`, and calls take(everyone's) once all are there.
  template <class Take>
  void meet(int rank, std::span<const double> own, const Take& take) {
    places_[static_cast<std::size_t>(rank)] = own;
    wait_for_all();
    const bool fits = std::all_of(places_.begin(), places_.end(),
                                  [&](const auto& each) { return each.size() == own.size(); });
    if (fits) take(places_);
    wait_for_all();
    if (!fits) throw InvalidArgument("values", "expected as many on every rank");
  }

  void abandon() {
    const std::scoped_lock lock(mutex_);
    is_abandoned_ = true;
    changed_.notify_all();
  }

  std::size_t size() const { return places_.size(); }

 private:
  void wait_for_all() {
    std::unique_lock lock(mutex_);
    if (is_abandoned_) throw Abandoned();
    const std::size_t now = round_;
    if (++arrived_ == places_.size()) {
      arrived_ = 0;
      ++round_;
      changed_.notify_all();
      return;
    }
    changed_.wait(lock, [&] { return round_ != now || is_abandoned_; });
    if (round_ == now) throw Abandoned();
  }

  std::vector<std::span<const double>> places_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::size_t arrived_ = 0;
  std::size_t round_ = 0;
  bool is_abandoned_ = false;
};

class ThreadGroup final : public Group {
 public:
  ThreadGroup(Table& table, int rank) : table_(&table), rank_(rank) {}

  int rank() const override { return rank_; }
  int size() const override { return static_cast<int>(table_->size()); }

  std::vector<double> all_gather(std::span<const double> own) override {
    std::vector<double> all;
    table_->meet(rank_, own, [&](const auto& places) {
      for (const auto& each : places) all.insert(all.end(), each.begin(), each.end());
    });
    return all;
  }

  using Group::all_reduce;
  void all_reduce(std::span<double> values, Reduction reduction) override {
    const std::size_t n = values.size();
    const std::vector<double> all = all_gather(values);
    for (std::size_t i = 0; i < n; ++i) {
      double result = all[i];
      for (std::size_t j = i + n; j < all.size(); j += n) {
        result = reduction == Reduction::sum ? result + all[j] : std::max(result, all[j]);
      }
      values[i] = result;
    }
  }

  void broadcast(std::span<double> values, int root) override {
    check_index("root", root, static_cast<std::size_t>(size()), "ranks");
    const std::vector<double> all = all_gather(values);
    const auto own = all.begin() + static_cast<std::ptrdiff_t>(values.size()) * root;
    std::copy_n(own, values.size(), values.begin());
  }

  void barrier() override { all_gather({}); }

 private:
  Table* table_;
  int rank_;
};

}  // namespace

void run_threads(int size, const std::function<void(Group& group)>& body) {
  check_at_least("size", size, 1);
  Table table(size);
  std::vector<std::exception_ptr> failures(static_cast<std::size_t>(size));
  std::exception_ptr abandoned;  // of any rank; only a wrong number of calls leaves it alone
  std::mutex mutex;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      ThreadGroup group(table, rank);
      try {
        body(group);
      } catch (const Abandoned&) {
        const std::scoped_lock lock(mutex);
        abandoned = std::current_exception();
      } catch (...) {
        failures[static_cast<std::size_t>(rank)] = std::current_exception();
      }
      table.abandon();
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::exception_ptr& failure : failures) {
    if (failure) std::rethrow_exception(failure);
  }
  if (abandoned) std::rethrow_exception(abandoned);
}

}  // namespace partita
