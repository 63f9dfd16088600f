// SPDX-License-Identifier: Apache-2.0
#include "partita/split/internal/top_of_rows.hpp"

#include <algorithm>
#include <cmath>
#include <compare>
#include <span>

#include "partita/base/error.hpp"
#include "partita/base/parallel.hpp"
#include "partita/gumbel/top_down.hpp"

namespace partita::split {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

void write(const Perturbed& each, double* out) {
  out[0] = each.perturbed;
  out[1] = static_cast<double>(each.shard);
  out[2] = static_cast<double>(each.index);
  out[3] = each.logit;
}

Perturbed read_from(const double* in) {
  return {in[0], static_cast<std::size_t>(in[1]), static_cast<std::int64_t>(in[2]), in[3]};
}

/// Where a perturbed log-probability of a shard stands among those of all, whatever rounds: the sum
/// of its largest logit, its log-sum-exp less that and the perturbed value, to twice the digits.
struct Place {
  double high = -kInfinity;
  double low = 0;

  Place() = default;
  Place(const Normalizer& shard, double perturbed) {
    const double rest = shard.log_sum + perturbed;
    high = shard.max + rest;
    const double added = high - shard.max;
    if (std::isfinite(high)) low = (shard.max - (high - added)) + (rest - added);
  }
  auto operator<=>(const Place&) const = default;  // NOLINT(modernize-use-nullptr): its 0s
};

/// The shards of one rank, merged from the top down.
class OwnShards {
 public:
  /// Takes a row. A shard of only -inf has no part in it.
  Fault reset(Rows own, std::size_t row, const Stream& stream, const SplitColumns& columns) {
    shards_.clear();
    walks_.resize(std::max(walks_.size(), columns.last_shard() - columns.first_shard()));
    for (std::size_t s = columns.first_shard(); s < columns.last_shard(); ++s) {
      const Rows shard = columns.shard_of(own, s);
      if (shard.columns() == 0) continue;
      TopDown& walk = walks_[s - columns.first_shard()];
      try {
        shards_.push_back({s, columns.shard_begin(s), &walk, walk.reset(shard, row), 0});
      } catch (const InvalidArgument&) {
        const Fault fault = Fault::find(shard, row, columns.shard_begin(s));
        if (!fault.is_none()) return fault;
        continue;
      }
      walk.start(stream.child(s));
      shards_.back().next = walk.peek();
    }
    return {};
  }

  void write_parts(Messages& messages, std::size_t row) const {
    for (const Shard& each : shards_) messages.set_part(row, each.shard, each.normalizer);
  }

  /// The next without its category: that of the largest.
  Perturbed peek() {
    const Shard* const best = largest();
    if (best == nullptr) return {};
    return {best->next, best->shard, -1, -kInfinity};
  }

  Perturbed next() {
    Shard* const best = largest();
    if (best == nullptr) return {};
    const auto item = best->walk->next();
    best->next = best->walk->peek();
    return {item->perturbed, best->shard, static_cast<std::int64_t>(best->first) + item->index,
            item->logit};
  }

 private:
  struct Shard {
    std::size_t shard;
    std::size_t first;  // column
    TopDown* walk;
    Normalizer normalizer;
    double next;
  };

  Shard* largest() {
    Shard* best = nullptr;
    Place highest;
    for (Shard& each : shards_) {
      if (each.next == -kInfinity) continue;
      const Place place(each.normalizer, each.next);
      if (best != nullptr && !(place > highest)) continue;
      best = &each;
      highest = place;
    }
    return best;
  }

  std::vector<TopDown> walks_;
  std::vector<Shard> shards_;
};

}  // namespace

TopOfRows::TopOfRows(Rows own, std::size_t k, const Streams& streams, const SplitColumns& columns,
                     int threads)
    : k_(k), messages_(columns, own.rows(), (k + 1) * Perturbed::kNumbers) {
  for_each_row<OwnShards>(own.rows(), {.threads = threads},
                          [&](std::size_t row, OwnShards& shards) {
                            const Fault fault = shards.reset(own, row, streams[row], columns);
                            messages_.set_fault(row, fault);
                            if (!fault.is_none()) return;
                            shards.write_parts(messages_, row);
                            double* out = messages_.extra(row).data();
                            for (std::size_t i = 0; i < k; ++i, out += Perturbed::kNumbers) {
                              write(shards.next(), out);
                            }
                            write(shards.peek(), out);
                          });
  messages_.exchange();
}

void TopOfRows::read(std::size_t row, TopOfRow& out) const {
  const std::vector<Normalizer> parts = messages_.parts(row);
  messages_.check(row, parts);
  out.normalizer = combined(parts);
  std::vector<Perturbed>& found = out.largest;
  found.clear();
  for (int rank = 0; rank < messages_.columns().group().size(); ++rank) {
    const auto said = messages_.extra(rank, row);
    for (std::size_t i = 0; i < said.size(); i += Perturbed::kNumbers) {
      const Perturbed each = read_from(&said[i]);
      if (each.perturbed > -kInfinity) found.push_back(each);
    }
  }
  // In the order in which a rank merges its own, so that any number of them gives the same.
  std::stable_sort(found.begin(), found.end(), [&](const Perturbed& a, const Perturbed& b) {
    const Place of_a(parts[a.shard], a.perturbed);
    const Place of_b(parts[b.shard], b.perturbed);
    return of_a != of_b ? of_a > of_b : a.shard < b.shard;
  });
  double previous = kInfinity;
  for (Perturbed& each : found) {
    previous = std::min(previous, each.perturbed + log_share(parts[each.shard], out.normalizer));
    each.perturbed = previous;
  }
  // The next of a rank has no index, and comes after k that have.
  out.next = found.size() > k_ ? found[k_].perturbed : -kInfinity;
  found.resize(std::min(found.size(), k_));
}

}  // namespace partita::split
