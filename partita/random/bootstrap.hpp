// SPDX-License-Identifier: Apache-2.0
// The bootstrap (Efron 1979): how much a statistic of n rows would vary, found by computing it
// again from n rows drawn with replacement from the same n.
//
//   auto mean = [&](std::span<const std::uint32_t> counts, std::span<double> out) {
//     double sum = 0;
//     for (std::size_t i = 0; i < x.size(); ++i) sum += counts[i] * x[i];
//     out[0] = sum / x.size();
//   };
//   partita::Interval interval = partita::bootstrap(x.size(), 1, mean, {.seed = 1})[0];
//
// A resample is passed as counts, how often each row occurs in it: a statistic that needs its rows
// sorted sorts them once, then walks them with the counts of each resample. Resample r is a
// function of stream.child(r) and n alone: no result depends on the number of threads.
//
// Where rows are many, those that are nearly alike can be put in groups (bootstrap_groups): how
// many of the draws fall into each is multinomial, and costs one draw a group instead of one a row.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <vector>

#include "partita/base/progress.hpp"
#include "partita/random/stream.hpp"

namespace partita {

/// counts[i] = how often row i occurs among n = counts.size() draws with replacement; they add up
/// to n. Multinomial, up to a relative bias of at most 2^-52.
void resample(const Stream& stream, std::span<std::uint32_t> counts);

/// counts[g] = how many of n draws with replacement fall into group g, of sizes[g] of the n rows;
/// they add up to n.
void resample_groups(Draws& draws, std::span<const std::uint32_t> sizes,
                     std::span<std::uint32_t> counts);

struct Interval {
  double low;
  double high;
};

struct BootstrapOptions {
  std::size_t resamples = 1000;  ///< >= 2
  double level = 0.95;           ///< share of the resamples inside the interval, in (0, 1)
  int threads = 1;               ///< >= 1
  Progress progress = {};        ///< hears how many resamples are done

  /// @throws InvalidArgument naming the first option that is out of its range.
  void check() const;
};

/// Writes the statistics of the rows given by counts to `out`; called from several threads.
using Statistic = std::function<void(std::span<const std::uint32_t> counts, std::span<double> out)>;

/// The percentile interval of each of the `outputs` numbers of a statistic: see
/// percentile_interval. Resample r draws from stream.child(r).
/// @throws InvalidArgument if rows = 0 or an option is out of its range
std::vector<Interval> bootstrap(std::size_t rows, std::size_t outputs, const Statistic& statistic,
                                const Stream& stream, const BootstrapOptions& options = {});

/// The same of a statistic of groups of rows, which may draw what varies inside them.
using GroupStatistic =
    std::function<void(std::span<const std::uint32_t> counts, Draws& draws, std::span<double> out)>;
std::vector<Interval> bootstrap_groups(std::span<const std::uint32_t> sizes, std::size_t outputs,
                                       const GroupStatistic& statistic, const Stream& stream,
                                       const BootstrapOptions& options = {});

/// The quantiles (1 - level) / 2 and (1 + level) / 2 of the values, linearly interpolated (Hyndman
/// and Fan 1996, type 7, like NumPy's). NaN values, from resamples for which the statistic is
/// undefined, are left out; if all are NaN, so are the ends.
Interval percentile_interval(std::vector<double> values, double level);

}  // namespace partita
