// How the largest of V perturbed logits are found without drawing V Gumbels.
//
// The points (i, g) of a Poisson process with intensity exp(phi_i - g) dg have, as the highest point
// of each i, a Gumbel(phi_i), independent of the others (Maddison, "A Poisson process model for Monte
// Carlo", 2016). So the k largest phi_i + G_i are the first k distinct categories met when the process
// is walked from the top down, and a category that has been met is simply taken out of it.
//
// The walk. Let W be the sum of exp(phi_i) over what is left. With x = exp(-g), the points of the
// whole process come at rate W in x: the next one is x + Exponential(1) / W. (In g, that is the
// TruncatedGumbel(log W) below the last value; x is a sum of positive terms, so it never cancels.) Its
// category is i with probability exp(phi_i) / W.
//
// The tree. A row is cut in cells of up to 32 logits: the lanes of its 512-logit blocks, because lanes
// are what a SIMD pass sums without further work. A cell is chosen by its weight, through a sum tree
// over the blocks and a scan of the block's 16 lanes; then the category inside the cell; then the
// cell's weight is summed anew without it. A draw costs log2(V / 512) + 16 + 32 steps.
//
// Thinning. With Weights::bounded no exponentials are summed beforehand: the weight of a cell of n
// logits is its bound n exp(largest). A point then proposes one of the n at random and keeps it with
// probability exp(phi_i - largest), which thins the bounding process to the right one (Lewis and
// Shedler 1979). After its first proposal a cell is given its exact weight.
#include "partita/gumbel/top_down.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/gumbel/sum_tree.hpp"
#include "partita/softmax/kernels.hpp"
#include "partita/softmax/row_pass.hpp"

namespace partita {

using kernels::kBlock;
using kernels::kLanes;

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kCell = kBlock / kLanes;  // 32 logits: their taken flags are one word

// Weights are relative to the largest logit left when they were last summed, and those more than 87
// nats below it (the range of float) count as nothing. Long before that could be seen, when less than
// this is left in all, they are summed anew from what remains.
constexpr double kRenew = 0x1p-60;

template <class T>
class Engine {
 public:
  double reset(Rows logits, std::size_t row_index, TopDown::Weights weights) {
    row_ = RowReader<T>(logits, row_index);
    // In a single block there is nothing to be saved by bounds.
    const bool exact = weights == TopDown::Weights::exact || row_.blocks() <= 1;
    exact ? pass_.sum_exp(row_) : pass_.find_max(row_);
    if (std::isinf(pass_.max())) row_.fail("every category is impossible (all -inf)");
    const std::size_t blocks = row_.blocks();
    taken_.assign(blocks * kLanes, 0);
    bounded_.assign(blocks, exact ? 0 : 0xFFFF);
    reference_ = pass_.max();
    unit_ = exact ? 1 : static_cast<double>(kCell);
    tree_.reset(blocks);
    if (exact) {
      blocks_.resize(blocks);
      for (std::size_t b = 0; b < blocks; ++b) {
        blocks_[b] = {pass_.block_max()[b], pass_.block_max_scale()[b]};
        tree_.set_leaf(b, pass_.block_weight()[b]);
      }
    } else {
      auto& lanes = pass_.lanes();
      kernels::exp_terms(lanes.data(), lanes.size(), static_cast<T>(reference_), lanes.data());
      blocks_.assign(blocks, {reference_, unit_});
      for (std::size_t b = 0; b < blocks; ++b) tree_.set_leaf(b, block_weight(b));
    }
    tree_.build();
    return exact ? reference_ + pass_.rest(row_).log_sum() : std::numeric_limits<double>::quiet_NaN();
  }

  void start(Stream stream, const TopDown::Start& start) {
    stream_ = stream;
    next_words_ = start.position / 4;
    location_ = start.location;
    maximum_ = start.maximum;
    x_ = maximum_ == kInfinity ? 0 : std::exp(location_ + reference_ - maximum_);
    has_point_ = false;
  }

  std::optional<TopDown::Item> next() {
    while (advance()) {
      has_point_ = false;
      const std::size_t b = tree_.find(uniform_from_bits(words_[1]) * tree_.total());
      const T* lanes = &pass_.lanes()[b * kLanes];
      const std::size_t lane =
          choose(lanes, kLanes, uniform_from_bits(words_[2]) * kernels::sum_lanes(lanes));
      if (const auto item = take_from_cell(b, lane, uniform_from_bits(words_[3]))) return item;
    }
    return std::nullopt;
  }

  double peek() { return advance() ? value_ : -kInfinity; }

 private:
  /// Moves to the next point of the process, unless the last one is still to be used. False if there
  /// is none.
  bool advance() {
    if (has_point_) return true;
    if (tree_.total() < kRenew && !renew()) return false;
    words_ = stream_.words(next_words_++);
    if (maximum_ != kInfinity) {
      value_ = std::exchange(maximum_, kInfinity);
    } else {
      x_ += exponential_from_bits(words_[0]) / tree_.total();
      value_ = location_ + reference_ - std::log(x_);
    }
    return has_point_ = true;
  }

  /// Uses the point for a category of the cell, if the cell keeps it; in any case the cell's weight is
  /// exact afterwards, and without what was taken.
  std::optional<TopDown::Item> take_from_cell(std::size_t b, std::size_t lane, double u) {
    T z[kCell];
    read_cell(b, lane, z);
    T max = *std::max_element(z, z + kCell);
    T weights[kCell];
    kernels::exp_terms(z, kCell, max, weights);
    std::size_t chosen = kCell;  // none
    const auto bit = static_cast<std::uint16_t>(1U << lane);
    if ((bounded_[b] & bit) != 0) {
      bounded_[b] = static_cast<std::uint16_t>(bounded_[b] & ~bit);
      const double place = u * static_cast<double>(kCell);
      const auto proposed = static_cast<std::size_t>(place);
      if (place - static_cast<double>(proposed) < static_cast<double>(weights[proposed])) {
        chosen = proposed;
      }
    } else {
      chosen = choose(weights, kCell, u * sum_cell(weights));
    }
    std::optional<TopDown::Item> item;
    if (chosen < kCell) {
      item = TopDown::Item{static_cast<std::int64_t>(b * kBlock + lane + chosen * kLanes), value_,
                           static_cast<double>(z[chosen])};
      taken_[b * kLanes + lane] |= 1U << chosen;
      z[chosen] = kNever;
      weights[chosen] = 0;
    }
    double left = sum_cell(weights);
    if (left < kRenew) {  // as for the row: the next ones may be far below
      max = *std::max_element(z, z + kCell);
      if (max != kNever) {
        kernels::exp_terms(z, kCell, max, weights);
        left = sum_cell(weights);
      }
    }
    T& weight = pass_.lanes()[b * kLanes + lane];
    weight = left == 0 ? T{0}
                       : static_cast<T>(left * std::exp(static_cast<double>(max) - blocks_[b].max) / unit_);
    tree_.update(b, block_weight(b));
    return item;
  }

  static double sum_cell(const T* weights) {
    return kernels::sum_lanes(weights) + kernels::sum_lanes(weights + kLanes);
  }

  /// The index i at which the sum of weights passes target; never one of weight 0, if there is another.
  static std::size_t choose(const T* weights, std::size_t n, double target) {
    std::size_t chosen = 0;
    for (std::size_t i = 0; i < n; ++i) {
      if (weights[i] <= 0) continue;
      chosen = i;
      target -= static_cast<double>(weights[i]);
      if (target < 0) break;
    }
    return chosen;
  }

  /// What is left in one cell, -inf for what is not.
  void read_cell(std::size_t b, std::size_t lane, T* z) const {
    const std::size_t first = b * kBlock + lane;
    const std::size_t columns = row_.columns();
    const std::size_t n = first < columns ? std::min(kCell, (columns - first + kLanes - 1) / kLanes) : 0;
    row_.gather(first, kLanes, n, z);
    std::fill(z + n, z + kCell, kNever);
    for (std::uint32_t taken = taken_[b * kLanes + lane]; taken != 0; taken &= taken - 1) {
      z[std::countr_zero(taken)] = kNever;
    }
  }

  double block_weight(std::size_t b) const {
    return kernels::sum_lanes(&pass_.lanes()[b * kLanes]) * blocks_[b].scale;
  }

  /// Sums everything that is left anew, relative to the largest logit left. False if nothing is.
  bool renew() {
    double largest = -kInfinity;
    for (std::size_t b = 0; b < row_.blocks(); ++b) {
      T buffer[kBlock];
      const auto z = row_.block(b, buffer);
      if (z.data() != buffer) std::copy(z.begin(), z.end(), buffer);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        for (std::uint32_t taken = taken_[b * kLanes + lane]; taken != 0; taken &= taken - 1) {
          buffer[lane + kLanes * static_cast<std::size_t>(std::countr_zero(taken))] = kNever;
        }
      }
      T* lanes = &pass_.lanes()[b * kLanes];
      T max{};
      kernels::lane_max(buffer, z.size(), lanes, max);
      if (max == kNever) {
        std::fill(lanes, lanes + kLanes, T{0});
      } else {
        kernels::lane_sum_exp(buffer, z.size(), max, lanes);
      }
      blocks_[b].max = static_cast<double>(max);
      largest = std::max(largest, blocks_[b].max);
      bounded_[b] = 0;
    }
    if (largest == -kInfinity) return false;
    x_ *= std::exp(largest - reference_);
    reference_ = largest;
    unit_ = 1;
    for (std::size_t b = 0; b < row_.blocks(); ++b) {
      blocks_[b].scale = std::exp(blocks_[b].max - reference_);
      tree_.set_leaf(b, block_weight(b));
    }
    tree_.build();
    return true;
  }

  static constexpr T kNever = -std::numeric_limits<T>::infinity();

  struct Block {
    double max;    // a logit, -inf in an empty block
    double scale;  // unit * exp(max - reference)
  };

  RowReader<T> row_{Rows(static_cast<const T*>(nullptr), 0, 0), 0};
  RowPass<T> pass_;  // lanes()[l] * scale is the weight of cell l of a block
  std::vector<Block> blocks_;
  double unit_ = 1;                     // 32 while there are bounds: cells of 32 of their largest
  double reference_ = 0;                // a logit that all weights, and x, are relative to
  SumTree tree_;                        // of the blocks' weights
  std::vector<std::uint32_t> taken_;    // of each cell: bit i for its logit i
  std::vector<std::uint16_t> bounded_;  // of each block: bit l if cell l still has its bound

  Stream stream_;
  std::uint64_t next_words_ = 0;
  double location_ = 0;
  double maximum_ = kInfinity;  // value of the first point, if given and not yet used
  double x_ = 0;                // exp(reference - g) of the last point
  double value_ = 0;            // location + g
  bool has_point_ = false;      // words_ and value_ are drawn and not yet used
  std::array<std::uint64_t, 4> words_{};
};

}  // namespace

struct TopDown::State {
  Engine<float> single;
  Engine<double> wide;
  bool is_wide = false;

  template <class F>
  auto with(F&& f) {
    return is_wide ? f(wide) : f(single);
  }
};

TopDown::TopDown() : state_(std::make_unique<State>()) {}
TopDown::~TopDown() = default;
TopDown::TopDown(TopDown&&) noexcept = default;
TopDown& TopDown::operator=(TopDown&&) noexcept = default;

double TopDown::reset(Rows logits, std::size_t row, Weights weights) {
  state_->is_wide = logits.dtype() == DType::f64;
  return state_->with([&](auto& engine) { return engine.reset(logits, row, weights); });
}

void TopDown::start(Stream stream, const Start& start) {
  state_->with([&](auto& engine) { engine.start(stream, start); });
}

std::optional<TopDown::Item> TopDown::next() {
  return state_->with([](auto& engine) { return engine.next(); });
}

double TopDown::peek() {
  return state_->with([](auto& engine) { return engine.peek(); });
}

}  // namespace partita
