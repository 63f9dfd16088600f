// SPDX-License-Identifier: Apache-2.0
// Random numbers as a pure function: (seed, stream, position) -> draw.
//
// There is no generator to share, lock or advance. A Stream is two numbers, and the draw at a
// position of it never changes, so a result does not depend on the batch it was computed in, on the
// number of threads or on the order of evaluation.
//
//   partita::Stream stream{.seed = 1, .id = request_number};
//   double u = stream.uniform(0);        // the same on every machine
//   double e = stream.exponential(7);
//
//   partita::Draws draws(stream);        // reads a stream in order from its beginning
//   double a = draws.uniform(), b = draws.normal();
//
//   enum class Purpose { order, noise };
//   partita::Stream noise = stream.child(Purpose::noise).child(step);   // disjoint from others
//
// A stream is either read or divided: a function that is given one may do either, so whoever needs
// several hands out children and draws nothing from the parent itself.
//
// The bits are Philox4x64-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011; Random123), with key (seed, id) and a counter of 256 bits: position / 4 in its
// lowest word, the path from the root in the other three. The period of a stream is 2^64 positions.
//
// Why children are disjoint. Philox is a bijection of counters for every key, so two draws under
// one key can only be the same words of the same block if their counters are equal. The path of a
// stream is the numbers of the child() calls that led to it, written as hexadecimal digits: a
// leading 1, then for each number how many digits it has, less one, and those digits. Since each
// number says where it ends, different paths are different digits, hence different counters. A path
// has room for 47 digits after the leading 1: seven numbers under 16^5, or fifteen under 16^2. A
// child that does not fit starts over under a key of 128 bits drawn from a block of its parent that
// no position reads; only from there on is "no stream twice" a matter of chance, at 2^-128 a pair.
// Different keys (seed, id) are independent as far as Philox is random: that is its claim, tested
// by its authors with TestU01's BigCrush.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <span>
#include <type_traits>

namespace partita {

/// One uniform on the open interval (0, 1), a multiple of 2^-53 (bits below 2^11 give 2^-54).
double uniform_from_bits(std::uint64_t bits);

/// One standard exponential, -log of a uniform that keeps all 64 bits at both ends: never 0, never
/// infinite, between 2.7e-20 and 45.1.
double exponential_from_bits(std::uint64_t bits);

/// A stream of random numbers, addressed by position.
struct Stream {
  std::uint64_t seed = 0;
  std::uint64_t id = 0;
  std::array<std::uint64_t, 3> path{};  ///< the descent from (seed, id): written by child()

  /// The n-th child: a stream that shares no draw with this one, with its other children, or with
  /// theirs. Let an enumeration or a count (a step, a row, a token) say what n is.
  Stream child(std::uint64_t n) const;

  template <class Purpose>
  requires std::is_enum_v<Purpose> Stream child(Purpose purpose)
  const { return child(static_cast<std::uint64_t>(purpose)); }

  /// The four words at positions 4 * block ... 4 * block + 3, block < 2^62.
  std::array<std::uint64_t, 4> words(std::uint64_t block) const;

  std::uint64_t bits(std::uint64_t position) const { return words(position / 4)[position % 4]; }

  /// Uniform on the open interval (0, 1).
  double uniform(std::uint64_t position) const { return uniform_from_bits(bits(position)); }

  /// Exponential of rate 1.
  double exponential(std::uint64_t position) const { return exponential_from_bits(bits(position)); }

  /// Standard normal, by Box and Muller (1958): sqrt(2 E) cos(2 pi u) at even positions, with E
  /// exponential, and the sine of the same pair at the odd position that follows.
  double normal(std::uint64_t position) const;

  /// Standard Gumbel, -log E with E exponential: between -3.81 and 45.1, never infinite.
  double gumbel(std::uint64_t position) const;

  /// Standard logistic, log(u / (1 - u)) of a uniform that keeps all 64 bits at both ends: between
  /// -45.1 and 45.1.
  double logistic(std::uint64_t position) const;

  bool operator==(const Stream&) const = default;
};

/// Reads a stream in order: a position, and the four words around it.
class Draws {
 public:
  explicit Draws(Stream stream, std::uint64_t position = 0)
      : stream_(stream), position_(position) {}

  std::uint64_t bits() {
    const std::uint64_t block = position_ / 4;
    if (block != block_ || !filled_) {
      words_ = stream_.words(block);
      block_ = block;
      filled_ = true;
    }
    return words_[position_++ % 4];
  }
  double uniform() { return uniform_from_bits(bits()); }
  double exponential() { return exponential_from_bits(bits()); }
  double gumbel();
  /// Standard normal, by Box and Muller; reads two positions.
  double normal();

  /// The position that the next draw will read.
  std::uint64_t position() const { return position_; }

 private:
  Stream stream_;
  std::uint64_t position_;
  std::uint64_t block_ = 0;
  std::array<std::uint64_t, 4> words_{};
  bool filled_ = false;
};

/// The stream of each row of a batch: the children of one Stream, or a list.
///
///   gumbel_top_k(logits, 10, stream);               // row r draws from stream.child(r)
///   gumbel_top_k(later_rows, 10, {stream, 1000});   // row r draws from stream.child(1000 + r)
///   gumbel_top_k(logits, 10, std::span(streams));   // row r draws from streams[r]
class Streams {
 public:
  // NOLINTNEXTLINE(google-explicit-constructor)
  Streams(const Stream& parent, std::uint64_t first_row = 0)
      : parent_(parent), first_row_(first_row) {}
  Streams(std::span<const Stream> each) : each_(each) {}  // NOLINT(google-explicit-constructor)

  Stream operator[](std::size_t row) const {
    return each_.data() == nullptr ? parent_.child(first_row_ + row) : each_[row];
  }
  /// @throws InvalidArgument if a list was given that is shorter than `rows`.
  void check_covers(std::size_t rows) const;

 private:
  Stream parent_{};
  std::uint64_t first_row_ = 0;
  std::span<const Stream> each_;
};

}  // namespace partita
