// How the largest of V perturbed logits are found without drawing V Gumbels.
//
// The points (i, g) of a Poisson process with intensity exp(phi_i - g) dg have, as the highest
// point of each i, a Gumbel(phi_i), independent of the others (Maddison, "A Poisson process model
// for Monte Carlo", 2016). So the k largest phi_i + G_i are the first k distinct categories met
// when the process is walked from the top down, and a category that has been met is simply taken
// out of it.
//
// The walk. Let W be the sum of exp(phi_i) over what is left. With x = exp(-g), the points of the
// whole process come at rate W in x: the next one is x + Exponential(1) / W. (In g, that is the
// TruncatedGumbel(log W) below the last value; x is a sum of positive terms, so it never cancels.)
// Its category is i with probability exp(phi_i) / W.
//
// The tree. A row is cut in cells of up to 32 logits: the lanes of its 512-logit blocks, because
// lanes are what a SIMD pass sums without further work. A cell is chosen by its weight, through a
// sum tree over the blocks and a scan of the block's 16 lanes; then the category inside the cell;
// then the cell's weight is summed anew without it. A draw costs log2(V / 512) + 16 + 32 steps.
//
// Thinning. With Weights::bounded no exponentials are summed beforehand: the weight of a cell of n
// logits is its bound n exp(largest). A point then proposes one of the n at random and keeps it
// with probability exp(phi_i - largest), which thins the bounding process to the right one (Lewis
// and Shedler 1979). A cell that rejects twice is given its exact weight.
#include "partita/gumbel/top_down.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <variant>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/base/lazy_sort.hpp"
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
// nats below it (the range of float) count as nothing. Long before that could be seen, when less
// than this is left in all, they are summed anew from what remains.
constexpr double kRenew = 0x1p-60;

// The least number of categories taken one by one before the rest is drawn at once.
constexpr std::size_t kOneByOne = 24;
// What a category must weigh to be among them: below it, 1 / weight might overflow.
constexpr double kSmallestWeight = 1e-200;

struct Higher {
  bool operator()(const TopDown::Item& a, const TopDown::Item& b) const {
    return a.perturbed != b.perturbed ? a.perturbed > b.perturbed : a.index < b.index;
  }
};

/// One flag a cell.
class CellFlags {
 public:
  void reset(std::size_t blocks, bool value) { lanes_.assign(blocks, value ? 0xFFFF : 0); }
  bool test(std::size_t b, std::size_t lane) const { return (lanes_[b] >> lane & 1U) != 0; }
  void set(std::size_t b, std::size_t lane) {
    lanes_[b] = static_cast<Word>(lanes_[b] | 1U << lane);
  }
  void clear(std::size_t b, std::size_t lane) {
    lanes_[b] = static_cast<Word>(lanes_[b] & ~(1U << lane));
  }

 private:
  using Word = std::uint16_t;  // a bit a lane
  std::vector<Word> lanes_;
};

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
    bounded_.reset(blocks, !exact);
    rejected_.reset(blocks, false);
    has_unweighed_ = false;
    rejections_ = 0;
    takes_ = 0;
    reveal_after_ = std::max(kOneByOne, row_.columns() / 16);
    revealed_.reset();
    revealed_next_ = 0;
    exhausted_ = false;
    reference_ = pass_.max();
    unit_ = exact ? 1 : static_cast<double>(kCell);
    tree_.reset(blocks);
    if (exact) {
      blocks_.resize(blocks);
      for (std::size_t b = 0; b < blocks; ++b) {
        blocks_[b] = {static_cast<double>(pass_.block_max()[b]), pass_.block_scale()[b]};
        tree_.set_leaf(b, pass_.block_weight()[b]);
      }
    } else {
      auto& lanes = pass_.lanes();
      bounds_.resize(blocks);
      kernels::exp_terms(lanes.data(), lanes.size(), static_cast<T>(reference_), lanes.data(),
                         bounds_.data());
      blocks_.assign(blocks, {reference_, unit_});
      for (std::size_t b = 0; b < blocks; ++b) tree_.set_leaf(b, unit_ * bounds_[b]);
    }
    tree_.build();
    return exact ? reference_ + pass_.log_sum(row_) : std::numeric_limits<double>::quiet_NaN();
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
    while (true) {
      const bool has_point = advance();
      if (revealed_next_ < revealed_.size() &&
          (!has_point || revealed_[revealed_next_].perturbed >= value_)) {
        return revealed_[revealed_next_++];
      }
      if (!has_point) return std::nullopt;
      has_point_ = false;
      const std::size_t b = tree_.find(uniform_from_bits(words_[1]) * tree_.total());
      const T* lanes = cells(b);
      const std::size_t lane =
          choose(lanes, kLanes, uniform_from_bits(words_[2]) * kernels::sum_lanes(lanes));
      const double u = uniform_from_bits(words_[3]);
      if (!bounded_.test(b, lane)) return take_from_weighed(b, lane, u);
      if (const auto item = take_from_bounded(b, lane, u)) return item;
    }
  }

  double peek() {
    double value = advance() ? value_ : -kInfinity;
    if (revealed_next_ < revealed_.size()) {
      value = std::max(value, revealed_[revealed_next_].perturbed);
    }
    return value;
  }

 private:
  /// Moves to the next point of the process, unless the last one is still to be used. False if
  /// there is none.
  bool advance() {
    if (has_point_) return true;
    if (has_unweighed_) weigh_cell(unweighed_block_, unweighed_lane_);
    if (takes_ == reveal_after_) reveal_rest();
    if (exhausted_) return false;
    if (tree_.total() < kRenew && !renew()) return false;
    words_ = stream_.words(next_words_++);
    if (maximum_ != kInfinity) {
      value_ = maximum_;
    } else {
      x_ += exponential_from_bits(words_[0]) / tree_.total();
      value_ = location_ + reference_ - std::log(x_);
    }
    return has_point_ = true;
  }

  TopDown::Item take_from_weighed(std::size_t b, std::size_t lane, double u) {
    Cell cell = read_cell(b, lane);
    const std::size_t i = choose(cell.weights, kCell, u * cell.total);
    const TopDown::Item item = take(b, lane, i, cell.z[i]);
    cell.z[i] = kNever;
    cell.weights[i] = 0;
    cell.total = kernels::sum_lanes(cell.weights) + kernels::sum_lanes(cell.weights + kLanes);
    set_weight(b, lane, cell);
    return item;
  }

  /// Proposes one place of the cell, and keeps it or not. What follows a proposal that is kept is
  /// left for the next point, which may not be asked for.
  std::optional<TopDown::Item> take_from_bounded(std::size_t b, std::size_t lane, double u) {
    const double place = u * static_cast<double>(kCell);
    const auto i = static_cast<std::size_t>(place);
    const std::size_t column = b * kBlock + lane + i * kLanes;
    if (column < row_.columns()) {
      const T z = row_.at(column);
      const double kept =
          std::exp(static_cast<double>(z) - reference_) / static_cast<double>(cells(b)[lane]);
      if (place - static_cast<double>(i) < kept) {
        has_unweighed_ = true;
        unweighed_block_ = b;
        unweighed_lane_ = lane;
        return take(b, lane, i, z);
      }
    }
    // One rejection is cheaper than weighing the cell, two are not; and many cost as much as
    // weighing the whole row.
    if (++rejections_ == row_.blocks()) {
      renew();
    } else if (rejected_.test(b, lane)) {
      weigh_cell(b, lane);
    } else {
      rejected_.set(b, lane);
    }
    return std::nullopt;
  }

  TopDown::Item take(std::size_t b, std::size_t lane, std::size_t i, T z) {
    taken_[b * kLanes + lane] |= 1U << i;
    maximum_ = kInfinity;
    ++takes_;
    return {static_cast<std::int64_t>(b * kBlock + lane + i * kLanes), value_,
            static_cast<double>(z)};
  }

  /// What is left in one cell: logits, -inf for what is not, and exp(z - max).
  struct Cell {
    T z[kCell];
    T max;
    T weights[kCell];
    double total;
  };

  Cell read_cell(std::size_t b, std::size_t lane) const {
    Cell cell;
    const std::size_t first = b * kBlock + lane;
    const std::size_t columns = row_.columns();
    const std::size_t n =
        first < columns ? std::min(kCell, (columns - first + kLanes - 1) / kLanes) : 0;
    row_.gather(first, kLanes, n, cell.z);
    std::fill(cell.z + n, std::end(cell.z), kNever);
    for (std::uint32_t taken = taken_[b * kLanes + lane]; taken != 0; taken &= taken - 1) {
      cell.z[std::countr_zero(taken)] = kNever;
    }
    exponentiate(cell);
    return cell;
  }

  static void exponentiate(Cell& cell) {
    cell.max = *std::max_element(std::begin(cell.z), std::end(cell.z));
    double sums[kCell / kLanes];
    kernels::exp_terms(cell.z, kCell, cell.max, cell.weights, sums);  // all 0 if nothing is left
    cell.total = sums[0] + sums[1];
  }

  /// Gives a cell its exact weight in place of its bound, or after something was taken from it.
  void weigh_cell(std::size_t b, std::size_t lane) {
    has_unweighed_ = false;
    bounded_.clear(b, lane);
    Cell cell = read_cell(b, lane);
    set_weight(b, lane, cell);
  }

  void set_weight(std::size_t b, std::size_t lane, Cell& cell) {
    if (cell.total < kRenew) exponentiate(cell);  // the next ones may be far below what was taken
    const double scale = std::exp(static_cast<double>(cell.max) - blocks_[b].max);
    cells(b)[lane] = cell.total == 0 ? T{0} : static_cast<T>(cell.total * scale / unit_);
    tree_.update(b, block_weight(b));
  }

  /// The index i at which the sum of weights passes target; never one of weight 0, if there is
  /// another.
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

  T* cells(std::size_t b) { return &pass_.lanes()[b * kLanes]; }
  const T* cells(std::size_t b) const { return &pass_.lanes()[b * kLanes]; }

  double block_weight(std::size_t b) const {
    return kernels::sum_lanes(cells(b)) * blocks_[b].scale;
  }

  /// Sums everything that is left anew, relative to the largest logit left. False if nothing is.
  bool renew() {
    T largest = kNever;
    for (std::size_t b = 0; b < row_.blocks(); ++b) {
      T buffer[kBlock];
      const auto z = row_.block(b, buffer);
      if (z.data() != buffer) std::copy(z.begin(), z.end(), buffer);
      for (std::size_t lane = 0; lane < kLanes; ++lane) {
        for (std::uint32_t taken = taken_[b * kLanes + lane]; taken != 0; taken &= taken - 1) {
          buffer[lane + kLanes * static_cast<std::size_t>(std::countr_zero(taken))] = kNever;
        }
      }
      T max{};
      double sum = 0;
      kernels::lane_max(buffer, z.size(), cells(b), &max);
      kernels::lane_sum_exp(buffer, z.size(), &max, cells(b), &sum);
      blocks_[b].max = static_cast<double>(max);
      largest = std::max(largest, max);
    }
    exhausted_ = largest == kNever;
    if (exhausted_) return false;
    x_ *= std::exp(static_cast<double>(largest) - reference_);
    reference_ = static_cast<double>(largest);
    unit_ = 1;
    bounded_.reset(row_.blocks(), false);
    for (std::size_t b = 0; b < row_.blocks(); ++b) {
      blocks_[b].scale = std::exp(blocks_[b].max - reference_);
      tree_.set_leaf(b, block_weight(b));
    }
    tree_.build();
    return true;
  }

  /// Draws the first point of every category that is left, as one would without any of this: below
  /// the last value, they are independent. Once a good part of a row has been taken, drawing the
  /// rest and sorting costs less than going on one by one. Categories too unlikely for x to hold
  /// their point stay where they are.
  void reveal_rest() {
    std::uint64_t drawn = 0;
    std::array<std::uint64_t, 4> words{};
    for (std::size_t column = 0; column < row_.columns(); ++column) {
      const std::size_t cell = column / kBlock * kLanes + column % kLanes;
      const std::uint32_t bit = 1U << (column % kBlock / kLanes);
      if ((taken_[cell] & bit) != 0) continue;
      const auto z = static_cast<double>(row_.at(column));
      const double weight = std::exp(z - reference_);
      if (weight < kSmallestWeight) continue;
      if (drawn % 4 == 0) words = stream_.words(next_words_++);
      const double x = x_ + exponential_from_bits(words[drawn++ % 4]) / weight;
      revealed_.push_back(
          {static_cast<std::int64_t>(column), location_ + reference_ - std::log(x), z});
      taken_[cell] |= bit;
    }
    ++takes_;  // past reveal_after_
    renew();
  }

  static constexpr T kNever = -std::numeric_limits<T>::infinity();

  struct Block {
    double max;    // a logit, -inf in an empty block
    double scale;  // unit * exp(max - reference)
  };

  RowReader<T> row_{Rows(static_cast<const T*>(nullptr), 0, 0), 0};
  RowPass<T> pass_;  // lanes()[l] * scale is the weight of cell l of a block
  std::vector<Block> blocks_;
  std::vector<double> bounds_;
  double unit_ = 1;                   // 32 while there are bounds: cells of 32 of their largest
  double reference_ = 0;              // a logit that all weights, and x, are relative to
  SumTree tree_;                      // of the blocks' weights
  std::vector<std::uint32_t> taken_;  // of each cell: bit i for its logit i
  CellFlags bounded_;                 // its weight is still a bound
  CellFlags rejected_;                // a proposal from it was rejected
  bool has_unweighed_ = false;        // something was taken from this cell since it was weighed:
  std::size_t unweighed_block_ = 0;
  std::size_t unweighed_lane_ = 0;

  std::size_t rejections_ = 0;
  std::size_t takes_ = 0;
  std::size_t reveal_after_ = 0;  // so many takes
  LazySort<TopDown::Item, Higher> revealed_;
  std::size_t revealed_next_ = 0;
  bool exhausted_ = false;  // nothing is left but what is revealed

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
  std::variant<Engine<float>, Engine<double>> engine;
};

TopDown::TopDown() : state_(std::make_unique<State>()) {}
TopDown::~TopDown() = default;
TopDown::TopDown(TopDown&&) noexcept = default;
TopDown& TopDown::operator=(TopDown&&) noexcept = default;

double TopDown::reset(Rows logits, std::size_t row, Weights weights) {
  return with_arithmetic_type(logits.dtype(), logits.dtype(), [&](auto zero) {
    using Wanted = Engine<decltype(zero)>;
    auto& engine = state_->engine;
    if (!std::holds_alternative<Wanted>(engine)) engine.template emplace<Wanted>();
    return std::get<Wanted>(engine).reset(logits, row, weights);
  });
}

void TopDown::start(Stream stream, const Start& start) {
  std::visit([&](auto& engine) { engine.start(stream, start); }, state_->engine);
}

std::optional<TopDown::Item> TopDown::next() {
  return std::visit([](auto& engine) { return engine.next(); }, state_->engine);
}

double TopDown::peek() {
  return std::visit([](auto& engine) { return engine.peek(); }, state_->engine);
}

}  // namespace partita
