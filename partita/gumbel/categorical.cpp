// A draw is an inverse CDF at three levels, of which the first pass over the row leaves the weights
// of the upper two: blocks of 512 logits, their 16 lanes, and the 32 logits of a lane (see
// softmax/kernels.hpp). What is left of the uniform below one level's choice chooses at the next.
//
// For a few draws, the lanes of a chosen block and the logits of a chosen lane are cumulated when
// they are needed: a hundred nanoseconds. For many, all are cumulated beforehand, and a guide table
// (Chen and Asau 1974) leads to the block. The numbers that are compared are the same.
#include "partita/gumbel/categorical.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <variant>

#include "partita/base/error.hpp"
#include "partita/random/philox.hpp"
#include "partita/softmax/kernels.hpp"
#include "partita/softmax/row_pass.hpp"

namespace partita {

namespace {

using kernels::kBlock;
using kernels::kLanes;

constexpr std::size_t kCell = kBlock / kLanes;  // logits of a lane
constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// The tables cost as much as drawing one category in so many without them.
constexpr std::size_t kColumnsADraw = 256;

/// Replaces weights by their running sums, those from the last positive weight on by infinity:
/// whatever rounding does to a target, it finds a weight > 0. Returns the sum of all.
double cumulate(std::span<double> weights) {
  double sum = 0;
  std::size_t last = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    if (weights[i] > 0) last = i;
    weights[i] = sum += weights[i];
  }
  std::fill(weights.begin() + static_cast<std::ptrdiff_t>(last), weights.end(), kInfinity);
  return sum;
}

/// Choice among n weights in proportion to them.
template <std::size_t n>
struct Choice {
  std::array<double, n> ends;  // cumulated
  double scale;                // their sum, relative to what the level above takes it for

  /// @param whole the sum of the weights, in the units of the level above.
  template <class T>
  void reset(const T* weights, std::size_t step, double whole) {
    for (std::size_t i = 0; i < n; ++i) ends[i] = static_cast<double>(weights[i * step]);
    const double sum = cumulate(ends);
    scale = whole > 0 ? sum / whole : 0;
  }

  /// The index at which the running sums pass `target`, and the target within it. Both in the
  /// units of the level above, on entry.
  std::size_t find(double& target) const {
    target *= scale;
    std::size_t i = 0;
    for (const double end : ends) i += end <= target ? 1 : 0;
    if (i > 0) target -= ends[i - 1];
    return i;
  }
};

template <class T>
class RowSampler {
 public:
  void reset(Rows logits, std::size_t row_index, std::size_t draws) {
    row_ = RowReader<T>(logits, row_index);
    pass_.sum_exp(row_);
    if (std::isinf(pass_.max())) row_.fail("every category is impossible (all -inf)");
    block_ends_.assign(pass_.block_weight().begin(), pass_.block_weight().end());
    total_ = cumulate(block_ends_);
    has_tables_ = draws > row_.columns() / kColumnsADraw;
    if (has_tables_) build_tables();
  }

  std::int64_t draw(std::uint64_t bits) const {
    double target = uniform_from_bits(bits) * total_;
    const std::size_t b = find_block(bits, target);
    if (b > 0) target -= block_ends_[b - 1];
    std::size_t lane = 0;
    std::size_t i = 0;
    if (has_tables_) {
      lane = lanes_[b].find(target);
      i = cells_[b * kLanes + lane].find(target);
    } else {
      Choice<kLanes> lanes;
      weigh_lanes(b, lanes);
      lane = lanes.find(target);
      Choice<kCell> cell;
      weigh_cell(b, lane, cell);
      i = cell.find(target);
    }
    return static_cast<std::int64_t>(b * kBlock + i * kLanes + lane);
  }

 private:
  T weight_of(std::size_t b, std::size_t lane) const { return pass_.lanes()[b * kLanes + lane]; }

  void weigh_lanes(std::size_t b, Choice<kLanes>& choice) const {
    choice.reset(&pass_.lanes()[b * kLanes], 1, pass_.block_weight()[b]);
  }

  void weigh_cell(std::size_t b, std::size_t lane, Choice<kCell>& choice) const {
    const std::size_t first = b * kBlock + lane;
    const std::size_t n = std::min(kCell, (row_.columns() - first + kLanes - 1) / kLanes);
    T z[kCell];
    row_.gather(first, kLanes, n, z);
    std::fill(z + n, z + kCell, -std::numeric_limits<T>::infinity());
    double sums[kCell / kLanes];
    kernels::exp_terms(z, kCell, pass_.block_max()[b], z, sums);
    choice.reset(z, 1, static_cast<double>(weight_of(b, lane)));
  }

  std::size_t find_block(std::uint64_t bits, double target) const {
    if (!has_tables_) {
      return static_cast<std::size_t>(
          std::upper_bound(block_ends_.begin(), block_ends_.end(), target) - block_ends_.begin());
    }
    std::size_t b = guide_[bits >> guide_shift_];
    while (block_ends_[b] <= target) ++b;
    return b;
  }

  void build_tables() {
    const std::size_t blocks = row_.blocks();
    lanes_.resize(blocks);
    cells_.resize(blocks * kLanes);
    for (std::size_t b = 0; b < blocks; ++b) {
      if (pass_.block_weight()[b] == 0) continue;  // is never found
      weigh_lanes(b, lanes_[b]);
      T terms[kBlock];
      const auto z = row_.block(b, terms);
      double sums[kBlock / kLanes];
      kernels::exp_terms(z.data(), z.size(), pass_.block_max()[b], terms, sums);
      std::fill(terms + z.size(), terms + kBlock, T{0});
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        cells_[b * kLanes + lane].reset(terms + lane, kLanes,
                                        static_cast<double>(weight_of(b, lane)));
      }
    }
    const std::size_t entries = std::bit_ceil(blocks + 1);
    guide_shift_ = static_cast<unsigned>(65 - std::bit_width(entries));
    guide_.resize(entries);
    std::size_t b = 0;
    for (std::size_t g = 0; g < entries; ++g) {
      const double least = static_cast<double>(g) / static_cast<double>(entries) * total_;
      while (block_ends_[b] <= least) ++b;
      guide_[g] = b;
    }
  }

  RowReader<T> row_{Rows(static_cast<const T*>(nullptr), 0, 0), 0};
  RowPass<T> pass_;
  std::vector<double> block_ends_;  // cumulated weights, relative to the row's largest logit
  double total_ = 0;

  bool has_tables_ = false;
  std::vector<Choice<kLanes>> lanes_;  // of each block
  std::vector<Choice<kCell>> cells_;   // [blocks, kLanes]
  std::vector<std::size_t> guide_;     // the first block that a uniform of these leading bits finds
  unsigned guide_shift_ = 0;
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
        for (std::size_t i = 0; i < out.size();) {
          const auto words = philox(stream, (first + i) / 4);
          for (std::size_t w = (first + i) % 4; w < 4 && i < out.size(); ++w) {
            out[i++] = sampler.draw(words[w]);
          }
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
