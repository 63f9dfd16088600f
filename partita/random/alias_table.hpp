// SPDX-License-Identifier: Apache-2.0
// Categories drawn in constant time from fixed weights: word counts, a unigram noise distribution.
//
//   const partita::AliasTable noise(counts);    // O(V), once
//   std::vector<std::uint32_t> drawn(25);
//   noise.fill(stream, 0, drawn);               // drawn[i] is the draw at position i of the stream
//   double log_q = noise.log_prob(drawn[0]);    // log(counts[drawn[0]] / sum of counts)
//
// The alias method: Walker (1977), "An efficient method for generating discrete random variables
// with general distributions", with the tables of Vose (1991), "A linear algorithm for generating
// random numbers with a given distribution". One draw reads one position, hence 64 bits: the high
// word of their product with V is the column, and the low word the uniform that chooses between the
// column and its alias. The probability of a category is right to within (V + 8) * 2^-64; one of
// weight 0 is never drawn.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "partita/random/stream.hpp"

namespace partita {

class AliasTable {
 public:
  /// @param weights one for each category 0, 1, 2 ..., finite and >= 0, at least one > 0; they need
  ///        not sum to 1.
  /// @throws InvalidArgument naming the first weight that is negative or not finite; or if there
  ///         are no weights, more than 2^32, or only zeros.
  explicit AliasTable(std::span<const double> weights);

  /// The number of categories, V.
  std::size_t size() const { return columns_.size(); }

  /// The category that 64 uniform bits choose.
  std::uint32_t operator()(std::uint64_t bits) const {
    const Wide product = static_cast<Wide>(bits) * columns_.size();
    const auto column = static_cast<std::uint32_t>(product >> 64U);
    const Column& chosen = columns_[column];
    return static_cast<std::uint64_t>(product) < chosen.own ? column : chosen.alias;
  }

  /// out[i] = the category at position + i of the stream: a range may be split in any way.
  void fill(const Stream& stream, std::uint64_t position, std::span<std::uint32_t> out) const;
  void fill(const Stream& stream, std::uint64_t position, std::span<std::int64_t> out) const;

  /// log(weight / sum of weights), the correctly rounded logarithm or its neighbor; -inf for weight
  /// 0.
  double log_prob(std::size_t category) const { return log_prob_[category]; }
  std::span<const double> log_probs() const { return log_prob_; }

 private:
  __extension__ using Wide = unsigned __int128;

  struct Column {
    std::uint64_t own = 0;  // the column's category below this, its alias from here on
    std::uint32_t alias = 0;
  };

  std::vector<Column> columns_;
  std::vector<double> log_prob_;
};

}  // namespace partita
