// SPDX-License-Identifier: Apache-2.0
// How the largest of V sums z_i + G_i are found while almost no G_i is computed.
//
// One pass finds the largest logit of each cell (a lane of a block, 32 logits). A second makes the
// first 16 bits of every category's noise, in SIMD, and keeps only the largest in each cell. It
// bounds the cell's Gumbels, so a block is opened only if in one of its cells the largest logit
// plus that bound reaches the k-th largest sum so far: about k log(V / k) of them are, and the
// others cost no logarithm. In an open block the same bound decides which sums are computed from
// all 64 bits.
//
// The largest logit goes first, so that there is something to reach.
#include "partita/gumbel/addressed.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <limits>
#include <variant>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/addressed_kernels.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/softmax/internal/row_pass.hpp"
#include "partita/softmax/softmax.hpp"

namespace partita {
namespace {

constexpr double kMinusInfinity = -std::numeric_limits<double>::infinity();

struct Perturbed {
  std::int64_t index;
  double logit;
  double gumbel;

  double value() const { return logit + gumbel; }
};

/// Whether a stands before b in a sample.
bool before(const Perturbed& a, const Perturbed& b) {
  return a.value() != b.value() ? a.value() > b.value() : a.index < b.index;
}

template <class T>
class Search {
 public:
  /// The k first categories, fewer if there are no more, in order.
  /// @param exact whether `normalizer` is wanted
  const std::vector<Perturbed>& find(Rows logits, std::size_t row_index, std::size_t k,
                                     const Stream& address, bool exact, Normalizer& normalizer) {
    const RowReader<T> row(logits, row_index);
    exact ? pass_.sum_exp_accurate(row) : pass_.find_max(row);
    if (std::isinf(pass_.max())) row.fail("every category is impossible (all -inf)");
    if (exact) normalizer = {pass_.max(), pass_.log_sum(row)};
    const AddressedNoise noise(address);
    best_.clear();
    k_ = k;
    const std::size_t likeliest = pass_.argmax(row);
    consider(likeliest, pass_.max(), noise);
    const T* const lanes = pass_.lanes().data();
    const auto next = [&](std::size_t block) {
      return kernels::find_block(noise, lanes, block, row.blocks(), reach());
    };
    for (auto reached = next(0); reached.lanes != 0; reached = next(reached.block + 1)) {
      open(row, noise, reached, likeliest);
    }
    std::sort_heap(best_.begin(), best_.end(), before);
    return best_;
  }

 private:
  /// What a sum has to reach.
  double reach() const { return best_.size() < k_ ? kMinusInfinity : best_.front().value(); }

  void consider(std::size_t column, double logit, const AddressedNoise& noise) {
    const Perturbed candidate{static_cast<std::int64_t>(column), logit,
                              noise.gumbel(static_cast<std::uint32_t>(column))};
    if (best_.size() == k_) {
      if (!before(candidate, best_.front())) return;
      std::pop_heap(best_.begin(), best_.end(), before);
      best_.pop_back();
    }
    best_.push_back(candidate);
    std::push_heap(best_.begin(), best_.end(), before);
  }

  void open(const RowReader<T>& row, const AddressedNoise& noise, const kernels::Reached& reached,
            std::size_t considered) {
    T buffer[kernels::kBlock];
    const auto z = row.block(reached.block, buffer);
    std::uint16_t prefixes[kernels::kBlock];
    kernels::prefixes(noise, reached.block, prefixes);
    for (std::uint32_t left = reached.lanes; left != 0; left &= left - 1) {
      const auto lane = static_cast<std::size_t>(std::countr_zero(left));
      for (std::size_t i = lane; i < z.size(); i += kernels::kLanes) {
        const auto logit = static_cast<double>(z[i]);
        if (logit + kernels::gumbel_bound(prefixes[i]) < reach() || logit == kMinusInfinity)
          continue;
        const std::size_t column = reached.block * kernels::kBlock + i;
        if (column != considered) consider(column, logit, noise);
      }
    }
  }

  RowPass<T> pass_;
  std::size_t k_ = 0;
  std::vector<Perturbed> best_;  // a heap with the last of them in front
};

/// A Search for the arithmetic of any row, with memory that is kept from row to row.
struct AnySearch {
  std::variant<Search<float>, Search<double>> search;

  const std::vector<Perturbed>& find(Rows logits, std::size_t row, std::size_t k,
                                     const Stream& address, bool exact, Normalizer& normalizer) {
    return with_arithmetic_type(
        logits.dtype(), logits.dtype(), [&](auto zero) -> const std::vector<Perturbed>& {
          using Wanted = Search<decltype(zero)>;
          if (!std::holds_alternative<Wanted>(search)) search.template emplace<Wanted>();
          return std::get<Wanted>(search).find(logits, row, k, address, exact, normalizer);
        });
  }
};

}  // namespace

TopKSample addressed_gumbel_top_k(Rows logits, std::size_t k, const Streams& streams,
                                  const TopKOptions& options) {
  check_between("k", k, 1, logits.columns(), "categories");
  check_between("logits", logits.columns(), 1, std::uint64_t{1} << 32U, "categories with noise");
  streams.check_covers(logits.rows());
  const bool exact = options.log_sum_exp;
  TopKSample sample = unanswered(logits.rows(), k, exact);
  for_each_row<AnySearch>(
      logits.rows(), {options.threads, options.errors}, [&](std::size_t row, AnySearch& search) {
        Normalizer normalizer{};
        // One more than is asked for is the threshold.
        const std::vector<Perturbed>& found =
            search.find(logits, row, exact ? k + 1 : k, streams[row], exact, normalizer);
        if (found.size() < k) {
          throw InvalidArgument(
              "logits", fmt::format("k = {}, but only {} categories are possible (not -inf)", k,
                                    found.size()));
        }
        double last = -kMinusInfinity;  // Rounding may put a value above the one before.
        const auto perturbed = [&](const Perturbed& item) {
          return last = std::min(last, normalizer.log_prob(item.logit) + item.gumbel);
        };
        for (std::size_t j = 0; j < k; ++j) {
          sample.indices[row * k + j] = found[j].index;
          sample.log_prob[row * k + j] = normalizer.log_prob(found[j].logit);
          sample.perturbed[row * k + j] = perturbed(found[j]);
        }
        if (exact) {
          sample.log_sum_exp[row] = normalizer.max + normalizer.log_sum;
          sample.threshold[row] = found.size() == k ? kMinusInfinity : perturbed(found[k]);
        }
      });
  return sample;
}

std::vector<std::int64_t> addressed_gumbel_max(Rows logits, const Streams& streams,
                                               const RowOptions& options) {
  return addressed_gumbel_top_k(
             logits, 1, streams,
             {.threads = options.threads, .errors = options.errors, .log_sum_exp = false})
      .indices;
}

}  // namespace partita
