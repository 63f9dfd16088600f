// SPDX-License-Identifier: Apache-2.0
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
// Its category is i with probability exp(phi_i) / W: that is what cells.hpp chooses, whose weights
// may also be upper bounds, which thin the process.
//
// When a sixteenth of the row has been taken, all that is left is drawn at once, in the textbook's
// way, and sorted as far as it is asked for.
#include "partita/gumbel/top_down.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <variant>

#include "partita/base/internal/lazy_sort.hpp"
#include "partita/gumbel/internal/cells.hpp"
#include "partita/softmax/internal/row_pass.hpp"

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// At least this many categories are taken one by one before the rest is drawn at once.
constexpr std::size_t kOneByOne = 24;
// The least weight of a category in the rest: below it, 1 / weight might overflow.
constexpr double kSmallestWeight = 1e-200;

struct Higher {
  bool operator()(const TopDown::Item& a, const TopDown::Item& b) const {
    return a.perturbed != b.perturbed ? a.perturbed > b.perturbed : a.index < b.index;
  }
};

template <class T>
class Walk {
 public:
  Normalizer reset(Rows logits, std::size_t row, TopDown::Weights weights) {
    // In a single block, bounds would save nothing.
    const bool exact = weights == TopDown::Weights::exact || logits.columns() <= kernels::kBlock;
    normalizer_ = cells_.reset(logits, row, exact);
    if (weights == TopDown::Weights::bounded) normalizer_ = {};
    taken_ = 0;
    reveal_after_ = std::max(kOneByOne, logits.columns() / 16);
    revealed_.reset();
    revealed_next_ = 0;
    exhausted_ = false;
    return normalizer_;
  }

  void start(Stream stream, const TopDown::Start& start) {
    stream_ = stream;
    next_words_ = start.position / 4;
    location_ = start.location;
    maximum_ = start.maximum;
    reference_ = cells_.reference();
    x_ = maximum_ == kInfinity ? 0
                               : std::exp(location_ + normalizer_.log_prob(reference_) - maximum_);
    has_point_ = false;
    last_ = kInfinity;
  }

  std::optional<TopDown::Item> next() {
    auto item = find();
    // Rounding may put a value above the one before.
    if (item) last_ = item->perturbed = std::min(item->perturbed, last_);
    return item;
  }

  double peek() {
    double value = advance() ? value_ : -kInfinity;
    if (revealed_next_ < revealed_.size()) {
      value = std::max(value, revealed_[revealed_next_].perturbed);
    }
    return std::min(value, last_);
  }

 private:
  std::optional<TopDown::Item> find() {
    while (true) {
      const bool has_point = advance();
      if (revealed_next_ < revealed_.size() &&
          (!has_point || revealed_[revealed_next_].perturbed >= value_)) {
        return revealed_[revealed_next_++];
      }
      if (!has_point) return std::nullopt;
      has_point_ = false;
      const auto category = cells_.take(uniform_from_bits(words_[1]), uniform_from_bits(words_[2]),
                                        uniform_from_bits(words_[3]));
      if (!category) continue;
      maximum_ = kInfinity;
      ++taken_;
      return item(*category, value_);
    }
  }

  /// Moves to the next point of the process, unless the last one is still to be used. False if
  /// there is none.
  bool advance() {
    if (has_point_) return true;
    if (taken_ == reveal_after_) reveal_rest();
    if (exhausted_ || !prepare()) return false;
    words_ = stream_.words(next_words_++);
    if (maximum_ != kInfinity) {
      value_ = maximum_;
    } else {
      x_ += exponential_from_bits(words_[0]) / cells_.total();
      value_ = value_at(x_);
    }
    return has_point_ = true;
  }

  bool prepare() {
    exhausted_ = !cells_.prepare();
    if (cells_.reference() != reference_) {
      x_ *= std::exp(cells_.reference() - reference_);
      reference_ = cells_.reference();
    }
    return !exhausted_;
  }

  double value_at(double x) const {
    return location_ + normalizer_.log_prob(reference_) - std::log(x);
  }

  static TopDown::Item item(const typename Cells<T>::Category& category, double value) {
    return {static_cast<std::int64_t>(category.column), value, category.logit};
  }

  /// Draws the first point of every category that is left: below the last value they are
  /// independent. Categories too unlikely for x to hold their point stay where they are.
  void reveal_rest() {
    ++taken_;  // so that reveal_after_ is passed
    if (!prepare()) return;
    std::uint64_t drawn = 0;
    std::array<std::uint64_t, 4> words{};
    cells_.take_each([&](const typename Cells<T>::Category& category) {
      const double weight = std::exp(category.logit - reference_);
      if (weight < kSmallestWeight) return false;
      if (drawn % 4 == 0) words = stream_.words(next_words_++);
      const double x = x_ + exponential_from_bits(words[drawn++ % 4]) / weight;
      revealed_.push_back(item(category, value_at(x)));
      return true;
    });
  }

  Cells<T> cells_;
  std::size_t taken_ = 0;         // number of categories taken from cells_
  std::size_t reveal_after_ = 0;  // reveal once this many are taken
  LazySort<TopDown::Item, Higher> revealed_;
  std::size_t revealed_next_ = 0;
  bool exhausted_ = false;  // everything left is revealed

  Stream stream_;
  std::uint64_t next_words_ = 0;
  Normalizer normalizer_;
  double location_ = 0;
  double maximum_ = kInfinity;  // value of the first point, if given and not yet used
  double reference_ = 0;        // that of cells_ when x_ was last updated
  double x_ = 0;                // exp(reference - g) of the last point
  double value_ = 0;            // location + g
  double last_ = kInfinity;     // value of the item before
  bool has_point_ = false;      // words_ and value_ are drawn and not yet used
  std::array<std::uint64_t, 4> words_{};
};

}  // namespace

struct TopDown::State {
  std::variant<Walk<float>, Walk<double>> walk;
};

TopDown::TopDown() : state_(std::make_unique<State>()) {}
TopDown::~TopDown() = default;
TopDown::TopDown(TopDown&&) noexcept = default;
TopDown& TopDown::operator=(TopDown&&) noexcept = default;

Normalizer TopDown::reset(Rows logits, std::size_t row, Weights weights) {
  return with_arithmetic_type(logits.dtype(), logits.dtype(), [&](auto zero) {
    using Wanted = Walk<decltype(zero)>;
    auto& walk = state_->walk;
    if (!std::holds_alternative<Wanted>(walk)) walk.template emplace<Wanted>();
    return std::get<Wanted>(walk).reset(logits, row, weights);
  });
}

void TopDown::start(Stream stream, const Start& start) {
  std::visit([&](auto& walk) { walk.start(stream, start); }, state_->walk);
}

std::optional<TopDown::Item> TopDown::next() {
  return std::visit([](auto& walk) { return walk.next(); }, state_->walk);
}

double TopDown::peek() {
  return std::visit([](auto& walk) { return walk.peek(); }, state_->walk);
}

}  // namespace partita
