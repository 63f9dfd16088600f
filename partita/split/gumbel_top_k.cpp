// SPDX-License-Identifier: Apache-2.0
#include "partita/split/gumbel_top_k.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <limits>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/gumbel/internal/unanswered.hpp"
#include "partita/gumbel/top_down.hpp"
#include "partita/split/internal/shard_parts.hpp"

namespace partita {

namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

/// A perturbed log-probability within its shard, and whose it is. In a message: four numbers.
struct Candidate {
  static constexpr std::size_t kNumbers = 4;

  double perturbed = -kInfinity;
  std::size_t shard = 0;
  std::int64_t index = -1;  // -1: nobody's
  double logit = -kInfinity;

  void write(double* out) const {
    out[0] = perturbed;
    out[1] = static_cast<double>(shard);
    out[2] = static_cast<double>(index);
    out[3] = logit;
  }
  static Candidate read(const double* in) {
    return {in[0], static_cast<std::size_t>(in[1]), static_cast<std::int64_t>(in[2]), in[3]};
  }
};

/// The shards of one rank, merged from the top down.
class OwnShards {
 public:
  /// Takes a row. A shard of only -inf has no part in it.
  split::Fault reset(Rows own, std::size_t row, const Stream& stream, const SplitColumns& columns) {
    shards_.clear();
    walks_.resize(std::max(walks_.size(), columns.last_shard() - columns.first_shard()));
    double largest = -kInfinity;
    for (std::size_t s = columns.first_shard(); s < columns.last_shard(); ++s) {
      const Rows shard = columns.shard_of(own, s);
      if (shard.columns() == 0) continue;
      TopDown& walk = walks_[s - columns.first_shard()];
      try {
        shards_.push_back({s, columns.shard_begin(s), &walk, walk.reset(shard, row), 0, 0});
      } catch (const InvalidArgument&) {
        const split::Fault fault = split::Fault::find(shard, row, columns.shard_begin(s));
        if (!fault.is_none()) return fault;
        continue;
      }
      walk.start(stream.child(s));
      largest = std::max(largest, shards_.back().normalizer.max);
    }
    for (Shard& each : shards_) {
      // Any origin will do to compare one rank's shards.
      each.shift = (each.normalizer.max - largest) + each.normalizer.log_sum;
      each.next = each.walk->peek();
    }
    return {};
  }

  void write_parts(split::Messages& messages, std::size_t row) const {
    for (const Shard& each : shards_) messages.set_part(row, each.shard, each.normalizer);
  }

  /// The next without its category: that of the largest.
  Candidate peek() {
    const Shard* const best = largest();
    if (best == nullptr) return {};
    return {best->next, best->shard, -1, -kInfinity};
  }

  Candidate next() {
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
    double shift;
    double next;
  };

  Shard* largest() {
    Shard* best = nullptr;
    for (Shard& each : shards_) {
      if (each.next == -kInfinity) continue;
      if (best == nullptr || each.next + each.shift > best->next + best->shift) best = &each;
    }
    return best;
  }

  std::vector<TopDown> walks_;
  std::vector<Shard> shards_;
};

}  // namespace

TopKSample gumbel_top_k(Rows own, std::size_t k, const Streams& streams,
                        const SplitColumns& columns, const RowOptions& options) {
  const std::size_t rows = own.rows();
  check_between("k", k, 1, columns.columns(), "categories");
  check_size("logits", own.columns(), columns.size(), "this rank's columns");
  streams.check_covers(rows);
  split::Messages messages(columns, rows, (k + 1) * Candidate::kNumbers);
  for_each_row<OwnShards>(
      rows, {.threads = options.threads}, [&](std::size_t row, OwnShards& shards) {
        const split::Fault fault = shards.reset(own, row, streams[row], columns);
        messages.set_fault(row, fault);
        if (!fault.is_none()) return;
        shards.write_parts(messages, row);
        double* out = messages.extra(row).data();
        for (std::size_t i = 0; i < k; ++i, out += Candidate::kNumbers) {
          shards.next().write(out);
        }
        shards.peek().write(out);
      });
  messages.exchange();

  TopKSample sample = unanswered(rows, k);
  for_each_row<std::vector<Candidate>>(
      rows, options, [&](std::size_t row, std::vector<Candidate>& found) {
        const std::vector<Normalizer> parts = messages.parts(row);
        messages.check(row, parts);
        const Normalizer whole = split::combined(parts);
        found.clear();
        for (int rank = 0; rank < columns.group().size(); ++rank) {
          const auto said = messages.extra(rank, row);
          for (std::size_t i = 0; i < said.size(); i += Candidate::kNumbers) {
            Candidate each = Candidate::read(&said[i]);
            if (each.perturbed == -kInfinity) continue;
            each.perturbed += split::log_share(parts[each.shard], whole);
            found.push_back(each);
          }
        }
        std::sort(found.begin(), found.end(), [](const Candidate& a, const Candidate& b) {
          return a.perturbed != b.perturbed ? a.perturbed > b.perturbed : a.index > b.index;
        });
        const auto possible = static_cast<std::size_t>(std::count_if(
            found.begin(), found.end(), [](const Candidate& c) { return c.index >= 0; }));
        if (possible < k) {
          throw InvalidArgument(
              "logits",
              fmt::format("k = {}, but only {} categories are possible (not -inf)", k, possible));
        }
        for (std::size_t j = 0; j < k; ++j) {
          sample.indices[row * k + j] = found[j].index;
          sample.perturbed[row * k + j] = found[j].perturbed;
          sample.log_prob[row * k + j] = whole.log_prob(found[j].logit);
        }
        sample.log_sum_exp[row] = whole.max + whole.log_sum;
        sample.threshold[row] = found.size() > k ? found[k].perturbed : -kInfinity;
      });
  return sample;
}

std::vector<std::int64_t> gumbel_max(Rows own, const Streams& streams, const SplitColumns& columns,
                                     const RowOptions& options) {
  return gumbel_top_k(own, 1, streams, columns, options).indices;
}

}  // namespace partita
