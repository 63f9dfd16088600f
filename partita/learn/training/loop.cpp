// SPDX-License-Identifier: Apache-2.0
#include "partita/learn/training/loop.hpp"

#include <ATen/ATen.h>
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"
#include "partita/learn/training/internal/checkpoint.hpp"
#include "partita/learn/training/internal/ranks.hpp"

namespace partita::training {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

/// Whether a periodic task is due again.
class Every {
 public:
  explicit Every(double seconds) : seconds_(seconds) {}
  bool due() {
    if (seconds_since(last_) < seconds_) return false;
    last_ = Clock::now();
    return true;
  }

 private:
  double seconds_;
  Clock::time_point last_ = Clock::now();
};

/// Sums of losses, kept where the losses are: reading them would make a device wait.
class Sums {
 public:
  void restore(const Values& values, std::uint64_t steps) {
    for (const auto& [name, value] : values) {
      sums_.emplace_back(name, at::full({}, value, at::kDouble));
    }
    steps_ = steps;
  }

  void add(const Losses& losses) {
    const at::NoGradGuard no_grad;
    ++steps_;
    for (const auto& [name, loss] : losses) {
      const auto known = std::find_if(sums_.begin(), sums_.end(),
                                      [&, &key = name](const auto& s) { return s.first == key; });
      const Tensor term = loss.detach().to(at::kDouble).reshape({});
      if (known == sums_.end()) {
        sums_.emplace_back(name, term);
      } else {
        known->second = known->second.to(term.device()) + term;
      }
    }
  }

  std::uint64_t steps() const { return steps_; }

  Values values() const {
    Values out;
    for (const auto& [name, sum] : sums_) out.emplace_back(name, sum.item<double>());
    return out;
  }

  void clear() {
    sums_.clear();
    steps_ = 0;
  }

 private:
  Losses sums_;
  std::uint64_t steps_ = 0;
};

std::string json_line(const LogEntry& entry) {
  nlohmann::ordered_json json = {{"step", entry.step}, {"seconds", entry.seconds}};
  for (const auto& [name, value] : entry.values) json[name] = value;
  return json.dump() + '\n';
}

/// The log file: what a resumed run already knows, then a line for each entry.
class Log {
 public:
  Log(const std::filesystem::path& path, const std::vector<LogEntry>& history) : path_(path) {
    if (path.empty()) return;
    std::string known;
    for (const LogEntry& entry : history) known += json_line(entry);
    write_file(path, known);
  }

  void add(const LogEntry& entry) {
    if (!path_.empty()) append_file(path_, json_line(entry));
  }

 private:
  std::filesystem::path path_;
};

class Loop {
 public:
  Loop(std::span<const Part> parts, const LoopOptions& options, const Evaluate& evaluate,
       Group& group)
      : parts_(parts),
        options_(options),
        evaluate_(evaluate),
        group_(group),
        state_(resumed(parts, options, group_)),
        log_(is_first() ? options.files.log : std::filesystem::path(), state_.history) {
    sums_.restore(state_.sums, state_.summed);
  }

  LoopResult run(const Step& step, const Progress& progress) {
    const double before = state_.seconds;
    const Clock::time_point start = Clock::now();
    Every checkpoint_due(options_.files.checkpoint_seconds);
    Every progress_due(kProgressSeconds);
    const bool anything_to_do = !done();
    while (!done()) {
      sums_.add(added_up(step(state_.steps), group_));
      ++state_.steps;
      state_.seconds = before + seconds_since(start);
      look_back();
      if (done()) break;
      if (keeps_checkpoint() && checkpoint_due.due()) save();
      if (progress && progress_due.due()) report(progress);
    }
    if (anything_to_do && options_.patience > 0 && !state_.best.empty()) {
      restore(state_.best, parts_);
    }
    if (anything_to_do && keeps_checkpoint()) save();
    if (progress) report(progress);
    return {state_.steps, state_.stopped_early, state_.seconds, state_.history};
  }

 private:
  static constexpr double kProgressSeconds = 0.2;

  /// Rank 0 reads the file, which others may not see.
  static LoopState resumed(std::span<const Part> parts, const LoopOptions& options, Group& group) {
    const std::filesystem::path& path = options.files.checkpoint;
    double exists = !path.empty() && std::filesystem::exists(path) ? 1 : 0;
    group.broadcast({&exists, 1}, 0);
    if (exists == 0) return {};
    const std::string bytes =
        broadcast_bytes(group.rank() == 0 ? read_file(path) : std::string(), 0, group);
    LoopState state = load_checkpoint(path, bytes, options.files.run, parts);
    if (state.steps > options.steps) {
      throw DataError(path.string(),
                      fmt::format("is from another run: it has done {} steps, more than the {} of "
                                  "this run",
                                  state.steps, options.steps));
    }
    return state;
  }

  bool is_first() const { return group_.rank() == 0; }
  bool keeps_checkpoint() const { return is_first() && !options_.files.checkpoint.empty(); }
  bool done() const { return state_.stopped_early || state_.steps >= options_.steps; }

  bool at_multiple_of(std::uint64_t steps) const {
    return state_.steps == options_.steps || (steps > 0 && state_.steps % steps == 0);
  }

  /// The entry and the evaluation that are due.
  void look_back() {
    const bool evaluation = evaluate_ && at_multiple_of(options_.evaluate_every);
    if (!evaluation && !at_multiple_of(options_.log_every)) return;
    LogEntry entry{state_.steps, state_.seconds, means()};
    if (evaluation) {
      const Values values = broadcast(evaluate_(), group_);
      entry.values.insert(entry.values.end(), values.begin(), values.end());
      if (options_.patience > 0) compare(values);
    }
    log_.add(entry);
    state_.history.push_back(std::move(entry));
  }

  Values means() {
    Values values = sums_.values();
    for (auto& [name, value] : values) {
      value /= static_cast<double>(sums_.steps());
      if (std::isfinite(value)) continue;
      throw Error(
          fmt::format("training: {} is {} in the steps up to {}", name, value, state_.steps));
    }
    sums_.clear();
    return values;
  }

  void compare(const Values& values) {
    if (values.empty()) throw InvalidArgument("evaluate", "returned no value for early stopping");
    if (values.front().second < state_.least) {
      state_.least = values.front().second;
      state_.since_least = 0;
      state_.best = snapshot(parts_);
    } else {
      state_.stopped_early = ++state_.since_least >= options_.patience;
    }
  }

  void save() {
    state_.summed = sums_.steps();
    state_.sums = sums_.values();
    save_checkpoint(options_.files.checkpoint, options_.files.run, state_, parts_);
  }

  void report(const Progress& progress) const {
    if (!is_first()) return;
    progress({.done = state_.steps, .total = options_.steps, .unit = "steps"});
  }

  std::span<const Part> parts_;
  const LoopOptions& options_;
  const Evaluate& evaluate_;
  Group& group_;
  LoopState state_;
  Sums sums_;
  Log log_;
};

}  // namespace

LoopResult train(std::span<const Part> parts, const LoopOptions& options, const Step& step,
                 const Evaluate& evaluate, const Progress& progress) {
  check_at_least("steps", options.steps, 1);
  if (options.patience > 0 && (!evaluate || options.evaluate_every == 0)) {
    throw InvalidArgument("patience", "early stopping needs evaluate and evaluate_every");
  }
  Group& group = group_of(parts);
  check_same_run(options, parts, group);
  return Loop(parts, options, evaluate, group).run(step, progress);
}

}  // namespace partita::training
