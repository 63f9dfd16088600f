// SPDX-License-Identifier: Apache-2.0
// A draw is an inverse CDF at three levels, and one pass over the row gives the weights of the
// upper two: blocks of 512 logits, their 16 lanes, and the 32 logits of a lane (see
// softmax/kernels.hpp). What is left of the uniform after one level's choice chooses at the next.
//
// For a few draws, the lanes of a chosen block and the logits of a chosen lane are cumulated when
// they are needed: a hundred nanoseconds. For many, all are cumulated beforehand, and a choice
// compares a vector of sums at a time. The numbers that are compared are the same.
#include "partita/gumbel/categorical.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <variant>

#include "partita/base/error.hpp"
#include "partita/gumbel/internal/categorical_kernels.hpp"
#include "partita/random/fill.hpp"
#include "partita/softmax/internal/kernels.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

namespace {

using kernels::kBlock;
using kernels::kCell;
using kernels::kLanes;
using Total = kernels::LevelTotal;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The tables cost as much as drawing one category for this many columns without them.
constexpr std::size_t kColumnsADraw = 256;

/// The last of n (a power of 2) running sums that is not above `target`, from which that sum is
/// subtracted. It is never the sum before a weight 0: the next one begins at the same place.
/// Numbers >= 0 are compared by their bits, without a branch.
std::size_t choose(const double* starts, std::size_t n, const Total& total, double& target) {
  target = std::min(target * total.scale, total.largest_target);
  const auto bits = std::bit_cast<std::int64_t>(target);
  std::size_t i = 0;
  for (std::size_t half = n / 2; half > 0; half /= 2) {
    const std::size_t middle = i + half;
    i = std::bit_cast<std::int64_t>(starts[middle]) <= bits ? middle : i;
  }
  target -= starts[i];
  return i;
}

template <class T>
class RowSampler {
 public:
  void reset(Rows logits, std::size_t row_index, std::size_t draws) {
    row_ = RowReader<T>(logits, row_index);
    pass_.sum_exp(row_);
    if (std::isinf(pass_.max())) row_.fail("every category is impossible (all -inf)");
    const std::size_t blocks = row_.blocks();
    block_starts_.assign(std::bit_ceil(blocks), kInfinity);
    double sum = 0;
    for (std::size_t b = 0; b < blocks; ++b) {
      block_starts_[b] = sum;
      sum += pass_.block_weight()[b];
    }
    total_ = Total(sum, 1);
    has_tables_ = draws > row_.columns() / kColumnsADraw;
    if (has_tables_) build_tables();
  }

  /// out[i] = the category that uniforms[i] chooses.
  void draw(std::span<const double> uniforms, std::int64_t* out) const {
    if (!has_tables_) {
      for (const double uniform : uniforms) *out++ = draw_one(uniform);
      return;
    }
    kernels::choose_categories(
        {block_starts_.data(), block_starts_.size(), total_, lane_starts_.data(),
         lane_totals_.data(), cell_starts_.data(), cell_totals_.data()},
        uniforms.data(), uniforms.size(), out);
  }

 private:
  std::int64_t draw_one(double target) const {
    const std::size_t b = choose(block_starts_.data(), block_starts_.size(), total_, target);
    std::array<double, kCell> starts;
    const Total lanes = cumulate_lanes(b, starts.data());
    const std::size_t lane = choose(starts.data(), kLanes, lanes, target);
    const Total cell = cumulate_cell(b, lane, starts.data());
    const std::size_t i = choose(starts.data(), kCell, cell, target);
    return static_cast<std::int64_t>(b * kBlock + i * kLanes + lane);
  }

  double lane_weight(std::size_t b, std::size_t lane) const {
    return static_cast<double>(pass_.lanes()[b * kLanes + lane]);
  }

  /// starts[i] = the sum of weights before i; returns that of all n.
  static double cumulate(const T* weights, std::size_t n, double* starts) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      starts[i] = sum;
      sum += static_cast<double>(weights[i]);
    }
    return sum;
  }

  Total cumulate_lanes(std::size_t b, double* starts) const {
    return {cumulate(&pass_.lanes()[b * kLanes], kLanes, starts), pass_.block_weight()[b]};
  }

  Total cumulate_cell(std::size_t b, std::size_t lane, double* starts) const {
    const std::size_t first = b * kBlock + lane;
    const std::size_t n = std::min(kCell, (row_.columns() - first + kLanes - 1) / kLanes);
    T z[kCell];
    row_.gather(first, kLanes, n, z);
    std::fill(z + n, z + kCell, -std::numeric_limits<T>::infinity());
    double sums[kCell / kLanes];
    kernels::of<T>().exp_terms(z, kCell, pass_.block_max()[b], z, sums);
    return {cumulate(z, kCell, starts), lane_weight(b, lane)};
  }

  void build_tables() {
    const std::size_t blocks = row_.blocks();
    lane_starts_.resize(blocks * kLanes);
    lane_totals_.resize(blocks);
    cell_starts_.resize(blocks * kBlock);
    cell_totals_.resize(blocks * kLanes);
    for (std::size_t b = 0; b < blocks; ++b) {
      if (pass_.block_weight()[b] == 0) continue;  // it is never chosen
      lane_totals_[b] = cumulate_lanes(b, &lane_starts_[b * kLanes]);
      T buffer[kBlock];
      const auto z = row_.block(b, buffer);
      double sums[kBlock + kLanes];
      kernels::of<T>().lane_cumulate_exp(z.data(), z.size(), pass_.block_max()[b], sums);
      const std::size_t steps = z.size() / kLanes;
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        const std::size_t cell = b * kLanes + lane;
        double* starts = &cell_starts_[cell * kCell];
        for (std::size_t i = 0; i < steps; ++i) starts[i] = sums[i * kLanes + lane];
        std::fill(starts + steps, starts + kCell, kInfinity);
        cell_totals_[cell] = {sums[z.size() + lane], lane_weight(b, lane)};
      }
    }
  }

  RowReader<T> row_{Rows(static_cast<const T*>(nullptr), 0, 0), 0};
  RowPass<T> pass_;
  std::vector<double> block_starts_;  // infinity after the last
  Total total_;

  bool has_tables_ = false;
  std::vector<double> lane_starts_;  // [blocks, kLanes]
  std::vector<Total> lane_totals_;   // [blocks]
  std::vector<double> cell_starts_;  // [blocks, kLanes, kCell]
  std::vector<Total> cell_totals_;   // [blocks, kLanes]
};

}  // namespace

struct CategoricalSampler::State {
  std::variant<RowSampler<float>, RowSampler<double>> sampler;
};

CategoricalSampler::CategoricalSampler() : state_(std::make_unique<State>()) {}
CategoricalSampler::~CategoricalSampler() = default;
CategoricalSampler::CategoricalSampler(CategoricalSampler&&) noexcept = default;
CategoricalSampler& CategoricalSampler::operator=(CategoricalSampler&&) noexcept = default;

void CategoricalSampler::reset(Rows logits, std::size_t row, std::size_t draws) {
  with_arithmetic_type(logits.dtype(), logits.dtype(), [&](auto zero) {
    using Wanted = RowSampler<decltype(zero)>;
    auto& sampler = state_->sampler;
    if (!std::holds_alternative<Wanted>(sampler)) sampler.template emplace<Wanted>();
    std::get<Wanted>(sampler).reset(logits, row, draws);
  });
}

void CategoricalSampler::draw(Stream stream, std::uint64_t first,
                              std::span<std::int64_t> out) const {
  std::visit(
      [&](const auto& sampler) {
        if (out.size() == 1) {  // generates no more words than it needs
          const double uniform = stream.uniform(first);
          return sampler.draw({&uniform, 1}, out.data());
        }
        constexpr std::size_t kChunk = 256;
        std::array<double, kChunk> uniforms;
        for (std::size_t done = 0; done < out.size();) {
          const std::size_t count = std::min(kChunk - first % 4, out.size() - done);
          fill_uniform(stream, first, std::span(uniforms).first(count));
          sampler.draw(std::span(uniforms).first(count), &out[done]);
          first += count;
          done += count;
        }
      },
      state_->sampler);
}

std::vector<std::int64_t> categorical(Rows logits, std::size_t draws, const Streams& streams,
                                      const RowOptions& options) {
  streams.check_covers(logits.rows());
  std::vector<std::int64_t> drawn(logits.rows() * draws, -1);
  for_each_row<CategoricalSampler>(
      logits.rows(), options, [&](std::size_t row, CategoricalSampler& sampler) {
        sampler.reset(logits, row, draws);
        sampler.draw(streams[row], 0, std::span(drawn).subspan(row * draws, draws));
      });
  return drawn;
}

}  // namespace partita
