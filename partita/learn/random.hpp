// SPDX-License-Identifier: Apache-2.0
// The source of random numbers in learn/: a core stream, or a torch generator. Nothing here touches
// torch's global seed.
//
//   partita::Random random(partita::Stream{.seed = 1});         // pure: the same on every machine,
//   auto z = q.rsample({64}, random);                            // device and number of threads
//   auto y = q.rsample({64}, random);                            // the draws that follow
//
//   q.sample({64}, partita::Stream{.seed = 1});                  // always the same 64 draws
//   q.sample({64}, at::make_generator<at::CPUGeneratorImpl>(1)); // torch's own numbers, on its
//                                                                // generator's device
//
// Like at::Generator, a Random is a handle: its copies share one position.
//
// From a stream, element i (in row-major order) of a draw depends on (stream, position) and i
// alone, so the leading draws of sample({64}) are those of sample({32}). They are made on the CPU
// and moved to the requested device. A torch generator must live on that device.
//
// So a process that holds some rows of a batch can draw their numbers, and only theirs:
//
//   // The rows of random.normal({64, 50}, options) that are in the share:
//   random.of(share).normal({share.size, 50}, options);
#pragma once

#include <ATen/core/Generator.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "partita/learn/share.hpp"
#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"

namespace partita {

class Random {
 public:
  Random(Stream stream);            // NOLINT(google-explicit-constructor)
  Random(at::Generator generator);  // NOLINT(google-explicit-constructor)

  /// The same source for the own rows of a batch: what it draws is what those rows have in the
  /// draws for the whole batch. Dimension `dim` of a draw's shape is that of the rows;
  /// categorical() takes them from the leading dimension of its logits, flattened.
  /// @throws InvalidArgument if the source is a torch generator, and the share not the whole.
  Random of(const Share& share, std::int64_t dim = 0) const;
  /// The same source for what all rows have in common.
  Random whole() const;

  // Each of the following returns a tensor of `shape` with the type and device of `options`, a
  // floating-point type. Draws are made in at least single precision, from 64 random bits each.

  /// Uniform on the open interval (0, 1).
  Tensor uniform(IntArrayRef shape, const at::TensorOptions& options) const;
  /// Exponential of rate 1, with its whole tail: never 0, up to 45.
  Tensor exponential(IntArrayRef shape, const at::TensorOptions& options) const;
  /// Standard normal.
  Tensor normal(IntArrayRef shape, const at::TensorOptions& options) const;
  /// Standard Gumbel, between -3.81 and 45.1. (-log(-log(u)) of a float32 u ends at 15.9.)
  Tensor gumbel(IntArrayRef shape, const at::TensorOptions& options) const;
  /// Standard logistic, logit(u), between -45 and 45.
  Tensor logistic(IntArrayRef shape, const at::TensorOptions& options) const;

  // Elementwise draws whose parameters are tensors (see partita/random/variates.hpp). The result
  // has their shape, type and device, and carries no gradient; a parameter outside its range gives
  // NaN. They are made on the CPU in double, from a fork() if the source is a torch generator.

  /// The logarithm of a gamma draw of rate 1, since a small concentration gives draws that no
  /// floating-point number can hold; concentration >= 0.
  Tensor log_standard_gamma(const Tensor& concentration) const;
  /// Poisson; rate >= 0.
  Tensor poisson(const Tensor& rate) const;
  /// Binomial; total_count >= 0 and probs in [0, 1]. @throws InvalidArgument if shapes differ.
  Tensor binomial(const Tensor& total_count, const Tensor& probs) const;
  /// Von Mises around 0, in [-pi, pi]; concentration >= 0.
  Tensor von_mises(const Tensor& concentration) const;

  /// `count` independent categories from each row's softmax, [count, rows], int64 (a row's draws
  /// are adjacent in memory): by the core's CategoricalSampler from a fork() or, if the source is a
  /// generator on another device, on that device by the arg max of logits plus Gumbel noise.
  /// @param logits [rows, V], finite or -inf.
  /// @throws InvalidArgument (on the CPU) naming the row that holds NaN or +inf, or only -inf.
  Tensor categorical(const Tensor& logits, std::int64_t count) const;

  /// A fresh core stream, for what takes one (gumbel_top_k): the next child of this source's stream
  /// or, for a torch generator, a stream whose seed is its next 64 bits.
  /// @throws InvalidArgument for a share of rows, which the new stream would not know: take that
  /// of whole().
  Stream fork() const;

  // For what draws from a fork by itself.

  /// The place of the first own row among all; 0 without a share. @param rows of the draw, own
  std::uint64_t first_row(std::int64_t rows) const;
  /// Calls body(place, first, count) for the elements of a draw of this shape, in pieces: elements
  /// first ... first + count - 1 are those from `place` on of the whole draw. On torch's threads.
  using Piece = std::function<void(std::uint64_t place, std::int64_t first, std::int64_t count)>;
  void for_each_piece(IntArrayRef shape, std::int64_t grain, const Piece& body) const;

 private:
  struct State;
  struct Window;
  struct OfRows {
    Share share;
    std::int64_t dim;
  };
  Random(std::shared_ptr<State> state, std::optional<OfRows> rows)
      : state_(std::move(state)), rows_(rows) {}

  Window window(IntArrayRef shape) const;
  /// Draws of a floating-point type by fill(stream, position, span).
  template <class Fill>
  Tensor from_stream(IntArrayRef shape, const at::TensorOptions& options, const Fill& fill) const;
  template <class Variate, class... Tensors>
  Tensor elementwise(const Variate& variate, const Tensor& first, const Tensors&... others) const;
  template <class Fill>
  Tensor filled(const Fill& fill, const Tensor& parameter) const;
  Tensor gumbel_max(const Tensor& logits, std::int64_t count) const;

  std::shared_ptr<State> state_;
  std::optional<OfRows> rows_ = {};
};

}  // namespace partita
