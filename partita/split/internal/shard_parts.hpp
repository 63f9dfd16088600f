// SPDX-License-Identifier: Apache-2.0
// Internal to partita/split: what ranks tell each other about their shards of a row.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "partita/base/parallel.hpp"
#include "partita/softmax/softmax.hpp"
#include "partita/split/columns.hpp"

namespace partita::split {

/// The normalizer of a row from those of its shards, added in their order.
Normalizer combined(std::span<const Normalizer> shards);

/// log of the share that a shard has in its row.
double log_share(const Normalizer& shard, const Normalizer& row);

/// Of a row: where the first NaN or +inf stands, and which of them it is, as one number.
class Fault {
 public:
  Fault() = default;
  explicit Fault(double code) : code_(code) {}
  /// In a row that may be all -inf. @param first the column of `logits`' first, of the vocabulary's
  static Fault find(Rows logits, std::size_t row, std::size_t first);

  double code() const { return code_; }
  bool is_none() const { return code_ < 0; }
  bool operator<(const Fault& other) const { return code_ < other.code_; }
  std::string reason() const;

 private:
  double code_ = -1;  // 2 column + 1 if it is +inf
};

/// The most shards that a rank has.
std::size_t most_shards(const SplitColumns& columns);

/// Numbers about each row and each of its shards, which every rank sends to all, [ranks, rows,
/// length], in one exchange.
class RowExchange {
 public:
  /// Before the exchange, all numbers are -inf.
  RowExchange(const SplitColumns& columns, std::size_t rows, std::size_t of_shard,
              std::size_t of_row);

  const SplitColumns& columns() const { return *columns_; }

  // What this rank says, before exchange().
  std::span<double> of_shard(std::size_t row, std::size_t shard);  ///< one of its own
  std::span<double> of_row(std::size_t row);

  void exchange();

  // What all said.
  std::vector<double> of_shards(std::size_t row) const;  ///< [shards, of_shard]
  std::span<const double> of_row(int rank, std::size_t row) const;

 private:
  std::span<const double> message(int rank, std::size_t row) const;

  const SplitColumns* columns_;
  std::size_t rows_;
  std::size_t of_shard_;
  std::size_t of_shards_;  // of the rank that has the most shards
  std::size_t length_;
  std::vector<double> own_;
  std::vector<double> all_;
};

/// The normalizers of shards, and what is wrong with a row.
class Messages {
 public:
  /// @param extra numbers beside the shards' parts and a fault
  Messages(const SplitColumns& columns, std::size_t rows, std::size_t extra)
      : exchange_(columns, rows, 2, 1 + extra) {}

  // What this rank says, before exchange().
  void set_part(std::size_t row, std::size_t shard, const Normalizer& part);
  void set_fault(std::size_t row, const Fault& fault) { exchange_.of_row(row)[0] = fault.code(); }
  std::span<double> extra(std::size_t row) { return exchange_.of_row(row).subspan(1); }

  const SplitColumns& columns() const { return exchange_.columns(); }

  void exchange() { exchange_.exchange(); }

  // What all said.
  std::vector<Normalizer> parts(std::size_t row) const;  ///< [shards]
  /// @throws InvalidArgument with the first fault of the row, or if all of it is impossible.
  void check(std::size_t row, std::span<const Normalizer> parts) const;
  std::span<const double> extra(int rank, std::size_t row) const {
    return exchange_.of_row(rank, row).subspan(1);
  }

 private:
  RowExchange exchange_;
};

}  // namespace partita::split
