// SPDX-License-Identifier: Apache-2.0
// Counting. Every place where a token follows something is an occurrence. All occurrences belong to
// the root; those of a node, sorted by one symbol more of their past, fall into the node's
// children. One level of the trie after the other, so the nodes come out in breadth-first order.
#include <fmt/format.h>

#include <algorithm>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/text/internal/ngram_table.hpp"
#include "partita/text/ngram.hpp"

namespace partita {
namespace {

constexpr std::size_t kMostTokens = std::size_t{1} << 27U;  // 16 orders of them count in 32 bits

/// The lines one after the other, each between its begin and its end.
std::vector<std::uint32_t> encode_lines(const TextUnits& units, std::span<const std::string> lines,
                                        const NgramTable& table) {
  std::vector<std::uint32_t> text;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    text.push_back(table.begin());
    try {
      for (const Token token : units.encode(lines[i])) {
        text.push_back(static_cast<std::uint32_t>(token));
      }
    } catch (const InvalidArgument& error) {
      throw InvalidArgument("lines", fmt::format("line {}: {}", i + 1, error.reason()));
    }
    text.push_back(table.end);
    if (text.size() > kMostTokens) {
      throw InvalidArgument(
          "lines", fmt::format("line {}: more than {} tokens and line ends", i + 1, kMostTokens));
    }
  }
  return text;
}

/// The occurrences of one node: order[first ... last).
struct Range {
  std::size_t first;
  std::size_t last;
};

class Counter {
 public:
  Counter(std::vector<std::uint32_t> text, NgramTable& table)
      : table_(table), text_(std::move(text)), tally_(table.vocabulary) {
    for (std::size_t i = 0; i < text_.size(); ++i) {
      if (text_[i] != table.begin()) order_.push_back(static_cast<std::uint32_t>(i));
    }
  }

  void run(const Progress& progress) {
    std::vector<Range> level{{0, order_.size()}};
    table_.symbol.push_back(0);  // the root's, unused
    table_.entry_begin.push_back(0);
    for (std::uint32_t depth = 0; depth < table_.order; ++depth) {
      const std::size_t first_node = table_.symbol.size() - level.size();
      std::vector<Range> next;
      for (std::size_t i = 0; i < level.size(); ++i) {
        count(level[i]);
        table_.child_begin.push_back(static_cast<std::uint32_t>(table_.symbol.size()));
        const bool reached_begin = depth > 0 && table_.symbol[first_node + i] == table_.begin();
        if (depth + 1 < table_.order && !reached_begin) split(level[i], depth + 1, next);
      }
      level = std::move(next);
      if (progress) progress({depth + 1, table_.order, "n-gram orders"});
    }
    table_.child_begin.push_back(static_cast<std::uint32_t>(table_.symbol.size()));
  }

 private:
  /// Appends a node's entries.
  void count(Range range) {
    for (std::size_t i = range.first; i < range.last; ++i) {
      const std::uint32_t token = text_[order_[i]];
      if (tally_[token]++ == 0) met_.push_back(token);
    }
    std::sort(met_.begin(), met_.end());
    for (const std::uint32_t token : met_) {
      table_.token.push_back(token);
      table_.count.push_back(std::exchange(tally_[token], 0));
    }
    met_.clear();
    table_.entry_begin.push_back(static_cast<std::uint32_t>(table_.token.size()));
  }

  /// Sorts a node's occurrences by the symbol `depth` places back and appends its children.
  void split(Range range, std::uint32_t depth, std::vector<Range>& children) {
    keys_.clear();
    for (std::size_t i = range.first; i < range.last; ++i) {
      keys_.emplace_back(text_[order_[i] - depth], order_[i]);
    }
    std::sort(keys_.begin(), keys_.end());
    for (std::size_t i = 0; i < keys_.size(); ++i) {
      order_[range.first + i] = keys_[i].second;
      if (i == 0 || keys_[i].first != keys_[i - 1].first) {
        table_.symbol.push_back(keys_[i].first);
        children.push_back({range.first + i, range.first + i});
      }
      ++children.back().last;
    }
  }

  NgramTable& table_;
  std::vector<std::uint32_t> text_;        // from encode_lines()
  std::vector<std::uint32_t> order_ = {};  // places in text_, grouped by node
  std::vector<std::uint32_t> tally_;       // [vocabulary] of the node at hand, else 0
  std::vector<std::uint32_t> met_ = {};
  std::vector<std::pair<std::uint32_t, std::uint32_t>> keys_ = {};
};

}  // namespace

NgramModel train_ngram(TextUnits units, std::span<const std::string> lines,
                       const NgramOptions& options, const Progress& progress) {
  check_between("order", options.order, 1, kMaxNgramOrder);
  check_at_least("lines", lines.size(), 1);
  auto table = std::make_shared<NgramTable>();
  table->order = static_cast<std::uint32_t>(options.order);
  table->vocabulary = static_cast<std::uint32_t>(units.size());
  table->end = static_cast<std::uint32_t>(units.end_token());
  Counter(encode_lines(units, lines, *table), *table).run(progress);
  table->finish();
  return {std::move(units), std::move(table)};
}

}  // namespace partita
