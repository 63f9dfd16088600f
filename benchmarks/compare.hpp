// Timing contenders against each other in one run: they take turns, round after round, so that a
// machine whose speed drifts slows all of them alike. What is printed is the median time of the
// first one, and how many times longer each of the others took (the median of the rounds' ratios).
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

struct Comparison {
  double seconds;              // of the first contender
  std::vector<double> ratios;  // of each other contender's time to the first's
};

/// Rounds until each contender has had half a second, but 5 at least and 200 at most. An empty
/// function is a contender that cannot run here; its ratio is 0.
inline Comparison compare(const std::vector<std::function<void()>>& contenders) {
  std::vector<std::vector<double>> times(contenders.size());
  for (const auto& run : contenders) {
    if (run) run();  // once uncounted: caches, first-touch pages, code that is made at run time
  }
  double spent = 0;
  for (int round = 0;
       round < 5 || (round < 200 && spent < 0.5 * static_cast<double>(contenders.size()));
       ++round) {
    for (std::size_t i = 0; i < contenders.size(); ++i) {
      if (!contenders[i]) continue;
      const auto start = std::chrono::steady_clock::now();
      contenders[i]();
      times[i].push_back(
          std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
      spent += times[i].back();
    }
  }
  Comparison result{median(times[0]), {}};
  for (std::size_t i = 1; i < contenders.size(); ++i) {
    std::vector<double> ratios;
    for (std::size_t round = 0; round < times[i].size(); ++round) {
      ratios.push_back(times[i][round] / times[0][round]);
    }
    result.ratios.push_back(ratios.empty() ? 0 : median(ratios));
  }
  return result;
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
