// SPDX-License-Identifier: Apache-2.0
// Timing contenders against each other in one run: they take turns, round after round, so that a
// machine whose speed drifts slows all of them alike. A turn is a few runs in a row, of which the
// first is not counted: it brings back what the others pushed out of the caches, and outlasts the
// spinning of their OpenMP threads. What is printed is the median time of the first contender, and
// how many times longer each of the others took (the median of the rounds' ratios).
#pragma once

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdio>
#include <functional>
#include <string>
#include <vector>

namespace partita::benchmark {

inline double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

/// Mean seconds of the runs of one turn.
inline double take_turn(const std::function<void()>& run) {
  using Clock = std::chrono::steady_clock;
  constexpr double kTurn = 0.03;
  run();
  const auto start = Clock::now();
  double elapsed = 0;
  int runs = 0;
  do {
    run();
    ++runs;
    elapsed = std::chrono::duration<double>(Clock::now() - start).count();
  } while (runs < 2 || elapsed < kTurn);
  return elapsed / runs;
}

struct Comparison {
  double seconds;              // the first contender's time
  std::vector<double> ratios;  // each other contender's time over the first's
};

/// Compares functions that take a turn each and return its mean seconds per run. An empty one is a
/// contender that cannot run here; its ratio is 0.
inline Comparison compare_turns(const std::vector<std::function<double()>>& turns) {
  constexpr int kRounds = 5;
  std::vector<double> ours;
  std::vector<std::vector<double>> ratios(turns.size());
  for (int round = 0; round < kRounds; ++round) {
    ours.push_back(turns[0]());
    for (std::size_t i = 1; i < turns.size(); ++i) {
      if (turns[i]) ratios[i].push_back(turns[i]() / ours.back());
    }
  }
  Comparison result{median(ours), {}};
  for (std::size_t i = 1; i < turns.size(); ++i) {
    result.ratios.push_back(ratios[i].empty() ? 0 : median(ratios[i]));
  }
  return result;
}

/// Compares functions that run once.
inline Comparison compare(const std::vector<std::function<void()>>& contenders) {
  std::vector<std::function<double()>> turns;
  for (const auto& run : contenders) {
    turns.push_back(run ? std::function<double()>([&run] { return take_turn(run); }) : nullptr);
  }
  return compare_turns(turns);
}

/// One line of a Markdown table.
inline void print_row(const std::vector<std::string>& cells) {
  fmt::print("| {} |\n", fmt::join(cells, " | "));
  std::fflush(stdout);
}

inline void print_header(const std::vector<std::string>& names) {
  print_row(names);
  print_row(std::vector<std::string>(names.size(), "---"));
}

inline std::string times(double ratio) { return ratio == 0 ? "-" : fmt::format("{:.2f}×", ratio); }

}  // namespace partita::benchmark
