// SPDX-License-Identifier: Apache-2.0
// Categories from a softmax, independent of each other: sampling with replacement.
//
//   std::vector<std::int64_t> drawn = partita::categorical({z.data(), 64, 50257}, 100, stream);
//   drawn[row * 100 + j]                        // the j-th of 100 draws from row's softmax
//
//   partita::CategoricalSampler sampler;        // keeps its memory from row to row
//   sampler.reset({z.data(), 64, 50257}, row);  // one pass over the logits
//   sampler.draw(stream, 0, out);               // as many as you like
//
// Draw j is a function of the logits and of position j of the stream: it is the category at which
// the cumulative probabilities, in a fixed order of categories (not that of their columns), pass
// the uniform found there. So 32 draws are the first 32 of 64, whoever makes them. Every possible
// category can be drawn, as far as the 53 bits of a uniform resolve: down to probabilities of
// 1e-16.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita {

class CategoricalSampler {
 public:
  CategoricalSampler();
  ~CategoricalSampler();
  CategoricalSampler(CategoricalSampler&&) noexcept;
  CategoricalSampler& operator=(CategoricalSampler&&) noexcept;

  /// Takes one row of `logits`, finite or -inf, which must outlive the draws.
  /// @param draws roughly how many there will be: for many, tables are built beforehand. It affects
  ///        speed, not the draws.
  /// @throws InvalidArgument if the row holds NaN or +inf, or only -inf.
  void reset(Rows logits, std::size_t row = 0, std::size_t draws = 1);

  /// out[i] = draw number first + i of `stream`.
  void draw(Stream stream, std::uint64_t first, std::span<std::int64_t> out) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// `draws` categories from softmax of every row, [rows, draws]; -1 in a failed row.
/// @param logits  [rows, V], finite or -inf (an impossible category, never drawn).
/// @param streams the random stream of each row. A row's draws depend on its logits and stream
///        alone.
/// A row that holds NaN or +inf, or only -inf, is a row error (RowOptions).
std::vector<std::int64_t> categorical(Rows logits, std::size_t draws, const Streams& streams,
                                      const RowOptions& options = {});

}  // namespace partita
