// SPDX-License-Identifier: Apache-2.0
#include "partita/split/internal/shard_parts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>

#include "partita/softmax/internal/row_pass.hpp"

namespace partita::split {

namespace {
constexpr double kInfinity = std::numeric_limits<double>::infinity();
}  // namespace

double log_share(const Normalizer& shard, const Normalizer& row) {
  return ((shard.max - row.max) + shard.log_sum) - row.log_sum;
}

Normalizer combined(std::span<const Normalizer> shards) {
  Normalizer row{-kInfinity, 0};
  std::size_t largest = 0;
  for (std::size_t s = 0; s < shards.size(); ++s) {
    if (shards[s].max > row.max) {
      row.max = shards[s].max;
      largest = s;
    }
  }
  if (row.max == -kInfinity) return row;
  CompensatedSum rest;  // beside the largest logit itself, whose term is 1
  for (std::size_t s = 0; s < shards.size(); ++s) {
    if (shards[s].max == -kInfinity) continue;
    rest.add(s == largest ? std::expm1(shards[s].log_sum)
                          : std::exp((shards[s].max - row.max) + shards[s].log_sum));
  }
  row.log_sum = std::log1p(rest.value());
  return row;
}

Fault Fault::find(Rows logits, std::size_t row, std::size_t first) {
  return visit(logits.dtype(), [&]<Element T>(T) {
    const T* const z = logits.row_data<T>(row);
    for (std::size_t i = 0; i < logits.columns(); ++i) {
      const auto value =
          static_cast<double>(z[static_cast<std::ptrdiff_t>(i) * logits.column_stride()]);
      if (!(value < kInfinity)) {
        return Fault(2 * static_cast<double>(first + i) + (value == kInfinity ? 1 : 0));
      }
    }
    return Fault();
  });
}

std::string Fault::reason() const {
  const double column = std::floor(code_ / 2);
  return fmt::format("{} at column {:.0f}", code_ > 2 * column ? "+inf" : "NaN", column);
}

std::size_t most_shards(const SplitColumns& columns) {
  std::size_t most = 0;
  for (int rank = 0; rank < columns.group().size(); ++rank) {
    most = std::max(most, columns.first_shard_of(rank + 1) - columns.first_shard_of(rank));
  }
  return most;
}

RowExchange::RowExchange(const SplitColumns& columns, std::size_t rows, std::size_t of_shard,
                         std::size_t of_row)
    : columns_(&columns),
      rows_(rows),
      of_shard_(of_shard),
      of_shards_(of_shard * most_shards(columns)),
      length_(of_shards_ + of_row),
      own_(rows * length_, -kInfinity) {}

std::span<double> RowExchange::of_shard(std::size_t row, std::size_t shard) {
  const std::size_t first = row * length_ + of_shard_ * (shard - columns_->first_shard());
  return std::span(own_).subspan(first, of_shard_);
}

std::span<double> RowExchange::of_row(std::size_t row) {
  return std::span(own_).subspan(row * length_, length_).subspan(of_shards_);
}

void RowExchange::exchange() { all_ = columns_->group().all_gather(own_); }

std::span<const double> RowExchange::message(int rank, std::size_t row) const {
  return std::span(all_).subspan((static_cast<std::size_t>(rank) * rows_ + row) * length_, length_);
}

std::vector<double> RowExchange::of_shards(std::size_t row) const {
  std::vector<double> all;
  for (int rank = 0; rank < columns_->group().size(); ++rank) {
    const std::size_t count = columns_->first_shard_of(rank + 1) - columns_->first_shard_of(rank);
    const auto said = message(rank, row).first(count * of_shard_);
    all.insert(all.end(), said.begin(), said.end());
  }
  return all;
}

std::span<const double> RowExchange::of_row(int rank, std::size_t row) const {
  return message(rank, row).subspan(of_shards_);
}

void Messages::set_part(std::size_t row, std::size_t shard, const Normalizer& part) {
  const auto out = exchange_.of_shard(row, shard);
  out[0] = part.max;
  out[1] = part.log_sum;
}

std::vector<Normalizer> Messages::parts(std::size_t row) const {
  const std::vector<double> said = exchange_.of_shards(row);
  std::vector<Normalizer> parts;
  for (std::size_t i = 0; i < said.size(); i += 2) parts.push_back({said[i], said[i + 1]});
  return parts;
}

void Messages::check(std::size_t row, std::span<const Normalizer> parts) const {
  for (int rank = 0; rank < exchange_.columns().group().size(); ++rank) {
    const Fault fault(exchange_.of_row(rank, row)[0]);  // the first rank has the first columns
    if (!fault.is_none()) throw InvalidArgument("logits", fault.reason());
  }
  const bool possible = std::any_of(parts.begin(), parts.end(),
                                    [](const Normalizer& part) { return part.max > -kInfinity; });
  if (!possible) throw InvalidArgument("logits", "every category is impossible (all -inf)");
}

}  // namespace partita::split
