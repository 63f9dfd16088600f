// SPDX-License-Identifier: Apache-2.0
#include "partita/random/bootstrap.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/internal/check.hpp"
#include "partita/base/internal/parallel_progress.hpp"
#include "partita/random/internal/quantile.hpp"
#include "partita/random/variates.hpp"

namespace partita {
namespace {

constexpr unsigned kIndexBits = 12;
constexpr std::size_t kBlock = std::size_t{1} << kIndexBits;  // counts of a block stay in cache
constexpr std::size_t kIndicesAWord = 64 / kIndexBits;

/// `n` draws out of a whole block: several indices out of each 64 bits, none of them biased.
void count_block(Draws& draws, std::uint64_t n, std::uint32_t* counts) {
  for (; n >= kIndicesAWord; n -= kIndicesAWord) {
    std::uint64_t word = draws.bits();
    for (std::size_t i = 0; i < kIndicesAWord; ++i, word >>= kIndexBits) {
      ++counts[word % kBlock];
    }
  }
  for (; n > 0; --n) ++counts[draws.bits() % kBlock];
}

/// `n` draws out of fewer rows.
void count_rest(Draws& draws, std::uint64_t n, std::span<std::uint32_t> counts) {
  __extension__ using Wide = unsigned __int128;
  for (; n > 0; --n) {
    ++counts[static_cast<std::size_t>(static_cast<Wide>(draws.bits()) * counts.size() >> 64U)];
  }
}

}  // namespace

void resample(const Stream& stream, std::span<std::uint32_t> counts) {
  std::fill(counts.begin(), counts.end(), 0U);
  Draws draws(stream);
  std::uint64_t left = counts.size();
  while (!counts.empty()) {
    if (counts.size() <= kBlock) {
      counts.size() == kBlock ? count_block(draws, left, counts.data())
                              : count_rest(draws, left, counts);
      return;
    }
    // How many of the draws that are left fall into this block.
    const auto here = static_cast<std::uint64_t>(
        binomial_variate(draws, static_cast<double>(left),
                         static_cast<double>(kBlock) / static_cast<double>(counts.size())));
    count_block(draws, here, counts.data());
    counts = counts.subspan(kBlock);
    left -= here;
  }
}

void resample_groups(Draws& draws, std::span<const std::uint32_t> sizes,
                     std::span<std::uint32_t> counts) {
  double rows = std::accumulate(sizes.begin(), sizes.end(), 0.0);
  double left = rows;  // draws that fall into none of the groups before
  for (std::size_t g = 0; g < sizes.size(); ++g) {
    const double size = sizes[g];
    const double here = size < rows ? binomial_variate(draws, left, size / rows) : left;
    counts[g] = static_cast<std::uint32_t>(here);
    left -= here;
    rows -= size;
  }
}

void BootstrapOptions::check() const {
  check_at_least("resamples", resamples, 2);
  check_in("level", level, "(0, 1)");
}

namespace {

/// @param make_statistic called for each range of resamples; what it returns writes the statistics
///        of resample r to `out`: (r, out)
template <class MakeStatistic>
std::vector<Interval> intervals(std::size_t outputs, const BootstrapOptions& options,
                                const MakeStatistic& make_statistic) {
  options.check();
  std::vector<std::vector<double>> values(outputs, std::vector<double>(options.resamples));
  const auto some = [&](std::size_t first, std::size_t last) {
    auto statistic = make_statistic();
    std::vector<double> out(outputs);
    for (std::size_t r = first; r < last; ++r) {
      statistic(r, std::span(out));
      for (std::size_t i = 0; i < outputs; ++i) values[i][r] = out[i];
    }
  };
  parallel_for(options.resamples, options.threads, options.progress, "resamples", some);
  std::vector<Interval> result;
  for (auto& of_one : values) {
    result.push_back(percentile_interval(std::move(of_one), options.level));
  }
  return result;
}

}  // namespace

std::vector<Interval> bootstrap(std::size_t rows, std::size_t outputs, const Statistic& statistic,
                                const Stream& stream, const BootstrapOptions& options) {
  check_at_least("rows", rows, 1);
  return intervals(outputs, options, [&] {
    return [&, counts = std::vector<std::uint32_t>(rows)](std::size_t r,
                                                          std::span<double> out) mutable {
      resample(stream.child(r), counts);
      statistic(counts, out);
    };
  });
}

std::vector<Interval> bootstrap_groups(std::span<const std::uint32_t> sizes, std::size_t outputs,
                                       const GroupStatistic& statistic, const Stream& stream,
                                       const BootstrapOptions& options) {
  check_at_least("rows", std::accumulate(sizes.begin(), sizes.end(), std::size_t{0}), 1);
  return intervals(outputs, options, [&] {
    return [&, counts = std::vector<std::uint32_t>(sizes.size())](std::size_t r,
                                                                  std::span<double> out) mutable {
      Draws draws(stream.child(r));
      resample_groups(draws, sizes, counts);
      statistic(counts, draws, out);
    };
  });
}

Interval percentile_interval(std::vector<double> values, double level) {
  std::erase_if(values, [](double value) { return std::isnan(value); });
  std::sort(values.begin(), values.end());
  return {quantile(values, (1 - level) / 2), quantile(values, (1 + level) / 2)};
}

}  // namespace partita
