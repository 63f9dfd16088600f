// SPDX-License-Identifier: Apache-2.0
// A process of process_group_test.cpp: process_group_worker WORK [NUMBER]. Says what it has on
// stdout; what fails, on stderr, with exit code 1.
#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdio>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/learn/distributed/process_group.hpp"
#include "partita/split/gumbel_top_k.hpp"
#include "partita/split/softmax.hpp"

namespace {

using namespace partita;

void expect(bool holds, const char* what) {
  if (!holds) throw Error(std::string("wrong: ") + what);
}

void messages(Group& group) {
  const double rank = group.rank();
  const double size = group.size();
  for (int round = 0; round < 20; ++round) {
    const std::vector<double> own = {rank + round, -rank};
    const auto all = group.all_gather(own);
    for (int r = 0; r < group.size(); ++r) {
      expect(all[2 * static_cast<std::size_t>(r)] == r + round, "all_gather");
    }
    std::vector<double> sum = {rank, 1};
    group.all_reduce(sum, Reduction::sum);
    expect(sum[0] == size * (size - 1) / 2 && sum[1] == size, "sum");
    std::vector<double> most = own;
    group.all_reduce(most, Reduction::max);
    expect(most[0] == size - 1 + round && most[1] == 0, "max");
    std::vector<double> last = own;
    group.broadcast(last, group.size() - 1);
    expect(last[1] == 1 - size, "broadcast");
    expect(group.all_gather({}).empty(), "nothing");
    group.barrier();
  }
}

/// A sample of a split vocabulary, printed to the bit.
void sample(Group& group) {
  constexpr std::size_t kRows = 5;
  constexpr std::size_t kVocabulary = 3001;
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 2);
  std::vector<float> z(kRows * kVocabulary);
  for (float& each : z) each = normal(random);
  const SplitColumns columns(kVocabulary, group);
  const Rows own(z.data() + columns.first(), kRows, columns.size(), kVocabulary);
  const TopKSample drawn = gumbel_top_k(own, 4, Stream{.seed = 3}, columns);
  for (std::size_t i = 0; i < drawn.indices.size(); ++i) {
    fmt::print("{} {:a} {:a}\n", drawn.indices[i], drawn.perturbed[i], drawn.log_prob[i]);
  }
  for (const double each : drawn.threshold) fmt::print("{:a}\n", each);
  for (const double each : entropy(own, columns)) fmt::print("{:a}\n", each);
}

/// Messages without end; one rank is killed by its own hand.
void be_killed(Group& group, int victim) {
  for (int round = 0;; ++round) {
    if (round == 30 && group.rank() == victim) std::raise(SIGKILL);
    std::vector<double> x(1000, round);
    group.all_reduce(x, Reduction::sum);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

}  // namespace

int main(int argc, char** argv) {
  try {
    const std::string work = argc > 1 ? argv[1] : "";
    const int number = argc > 2 ? std::stoi(argv[2]) : 0;
    const auto group = process_group(
        {.start_timeout = std::chrono::seconds(number > 0 && work == "wait" ? number : 60)});
    if (work == "messages") messages(*group);
    if (work == "sample") sample(*group);
    if (work == "be_killed") be_killed(*group, number);
    if (work == "disagree") SplitColumns(100 + static_cast<std::size_t>(group->rank()), *group);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
