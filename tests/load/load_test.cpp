// SPDX-License-Identifier: Apache-2.0
// The sampler and the searches called from 16 threads at once, each call under settings of its own:
// every answer is that of one thread, and memory does not grow. ./dev load takes minutes for it.
#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "load.hpp"
#include "partita/base/group.hpp"
#include "partita/gumbel/addressed.hpp"
#include "partita/gumbel/categorical.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/random/fill.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/text/ngram.hpp"

namespace partita {
namespace {

using testing::load_seconds;
using testing::resident;

constexpr std::size_t kRows = 8;
constexpr std::size_t kColumns = 5000;
constexpr int kThreads = 16;

/// FNV-1a of numbers, which are compared to the bit.
class Hash {
 public:
  template <class T>
  Hash& add(const T& value) {
    const auto* const bytes = reinterpret_cast<const unsigned char*>(&value);
    for (std::size_t i = 0; i < sizeof value; ++i) hash_ = (hash_ ^ bytes[i]) * 0x100000001b3;
    return *this;
  }
  template <class T>
  Hash& all(const std::vector<T>& values) {
    for (const T& value : values) add(value);
    return *this;
  }
  Hash& sequence(const Hypothesis& each) { return all(each.tokens).add(each.log_prob); }
  std::uint64_t value() const { return hash_; }

 private:
  std::uint64_t hash_ = 0xcbf29ce484222325;
};

class Jobs {
 public:
  Jobs() : values_(kRows * kColumns), model_(model()) {
    fill_normal({.seed = 1}, 0, std::span(values_));
    for (float& z : values_) z *= 3;
  }

  /// A function of the number alone.
  std::uint64_t run(std::uint64_t number) const {
    const Stream stream = Stream{2}.child(number);
    // Some calls use several threads themselves.
    const int threads = number % 5 == 0 ? 3 : 1;
    const SamplerSettings settings = settings_of(number);
    Hash hash;
    switch (number % 10) {
      case 0:
        hash.all(sample(rows(), settings, stream, {.threads = threads}));
        break;
      case 1:
        hash.all(gumbel_top_k(rows(), 1 + number % 50, stream, {.threads = threads}).perturbed);
        break;
      case 2:
        hash.all(sample_without_replacement(rows(), 1, settings, stream).log_prob);
        break;
      case 3: {
        std::vector<float> p(kRows * kColumns);
        softmax(rows(), {p.data(), kRows, kColumns}, {.threads = threads});
        hash.all(p);
        break;
      }
      case 4:
        hash.all(addressed_gumbel_top_k(rows(), 3, stream).perturbed);
        break;
      case 5:
        hash.all(categorical(rows(), 9, stream, {.threads = threads}));
        break;
      case 6:
        for (const auto& each :
             stochastic_beam_search(model_, {}, 1 + number % 9, stream, search(settings))
                 .sequences) {
          hash.sequence(each);
        }
        break;
      case 7:
        for (const auto& each : beam_search(model_, {}, 1 + number % 7, search(settings))) {
          hash.sequence(each);
        }
        break;
      case 8: {
        UniqueSampler unique(model_, {}, stream, search({}));
        for (int i = 0; i < 5; ++i) {
          if (const auto next = unique.next()) hash.sequence(*next);
        }
        break;
      }
      default:
        for (const auto& each : ancestral_samples(model_, {}, 4, stream, search(settings))) {
          hash.sequence(each);
        }
    }
    return hash.value();
  }

 private:
  static NgramModel model() {
    std::vector<std::string> lines;
    for (std::uint64_t i = 0; i < 200; ++i) {
      std::string& line = lines.emplace_back();
      for (std::uint64_t c = 0; c < 4 + i % 5; ++c) {
        line += static_cast<char>('a' + Stream{3}.child(i).bits(c) % 20);
      }
    }
    return train_ngram(TextUnits::learn(UnitKind::character, lines), lines, {.order = 4});
  }

  static SamplerSettings settings_of(std::uint64_t number) {
    SamplerSettings s;
    if (number % 2 == 0) s.temperature = 0.5 + static_cast<double>(number % 7) / 4;
    if (number % 3 == 0) s.top_k = 5 + number % 40;
    if (number % 4 == 0) s.top_p = 0.8;
    if (number % 7 == 0) s.min_p = 0.02;
    if (number % 11 == 0) s.typical_p = 0.9;
    if (number % 13 == 0) s.top_n_sigma = 2;
    if (number % 17 == 0) s.min_k = 3;
    return s;
  }

  static SearchOptions search(const SamplerSettings& settings) {
    return {.max_length = 12, .filter = settings};
  }

  Rows rows() const { return {values_.data(), kRows, kColumns}; }

  std::vector<float> values_;
  NgramModel model_;
};

TEST(Load, SixteenThreadsWithMixedSettings) {
  constexpr std::uint64_t kJobs = 210;
  const Jobs jobs;
  std::vector<std::uint64_t> expected(kJobs);
  for (std::uint64_t job = 0; job < kJobs; ++job) expected[job] = jobs.run(job);

  const double seconds = std::max(load_seconds(), 3.0);
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  std::atomic<std::uint64_t> next{0};
  std::atomic<std::uint64_t> wrong{0};
  std::atomic<bool> ended{false};
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      while (!ended) {
        const std::uint64_t job = next++ % kJobs;
        if (jobs.run(job) != expected[job]) ++wrong;
      }
    });
  }
  std::size_t early = 0;  // the most of the second quarter of the time, when all have begun
  std::size_t late = 0;   // and of the last
  while (passed() < seconds) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    const double share = passed() / seconds;
    std::size_t& most = share < 0.5 ? early : late;
    if (share >= 0.25 && (share < 0.5 || share >= 0.75)) most = std::max(most, resident());
  }
  ended = true;
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0U) << "of " << next;
  EXPECT_GE(next, kJobs);
#ifndef __SANITIZE_ADDRESS__
  // AddressSanitizer keeps what is freed for a while.
  constexpr std::size_t kArenas = 16U << 20U;  // what 16 threads' free lists may still take
  EXPECT_LE(late, early + kArenas);
#endif
  fmt::print("{} calls in {:.0f} s, {} wrong; resident {:.1f} MiB, then {:.1f} MiB\n", next.load(),
             passed(), wrong.load(), static_cast<double>(early) / 0x1p20,
             static_cast<double>(late) / 0x1p20);
}

}  // namespace
}  // namespace partita
