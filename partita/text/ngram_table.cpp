#include "partita/text/ngram_table.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace partita {

void NgramTable::finish() {
  total.resize(nodes());
  for (std::size_t n = 0; n < nodes(); ++n) {
    total[n] =
        std::accumulate(count.begin() + entry_begin[n], count.begin() + entry_begin[n + 1], 0.0);
  }
  // P(w) interpolates the uniform distribution like any other shorter context.
  const double types = entry_begin[1];
  const double all = total[0] + types;
  unigram.assign(vocabulary, types / all / vocabulary);
  for (std::uint32_t e = 0; e < entry_begin[1]; ++e) unigram[token[e]] += count[e] / all;
  log_unigram.resize(vocabulary);
  std::transform(unigram.begin(), unigram.end(), log_unigram.begin(),
                 [](double p) { return std::log(p); });
}

std::size_t NgramTable::child(std::size_t node, std::uint32_t by) const {
  const auto first = symbol.begin() + child_begin[node];
  const auto last = symbol.begin() + child_begin[node + 1];
  const auto found = std::lower_bound(first, last, by);
  return found != last && *found == by ? static_cast<std::size_t>(found - symbol.begin()) : 0;
}

void NgramTable::log_probs(std::span<const Token> prefix, std::span<double> out) const {
  // The contexts of the prefix that were seen, from one symbol long to the longest.
  std::array<std::size_t, kMaxNgramOrder> path{};
  std::size_t depth = 0;
  for (std::size_t node = 0; depth + 1 < order && depth <= prefix.size(); path[depth++] = node) {
    const std::uint32_t by = depth == prefix.size()
                                 ? begin()
                                 : static_cast<std::uint32_t>(prefix[prefix.size() - 1 - depth]);
    node = child(node, by);
    if (node == 0) break;
  }
  // P(w | longest) = sum over contexts of share * c(w) / (c + T): the longest context has share 1,
  // and passes T / (c + T) of its share on to the next shorter one, down to P(w).
  std::array<double, kMaxNgramOrder> scale{};
  double share = 1;
  for (std::size_t d = depth; d-- > 0;) {
    const std::size_t n = path[d];
    const double types = entry_begin[n + 1] - entry_begin[n];
    scale[d] = share / (total[n] + types);
    share = scale[d] * types;
  }
  const double log_share = std::log(share);
  for (std::size_t w = 0; w < out.size(); ++w) out[w] = log_share + log_unigram[w];
  if (depth == 0) return;
  // Only what followed the last symbol has more than the unigram's share: whatever followed a
  // longer context followed this one, too. So these are all the logarithms that there are to take.
  const auto each_entry = [&](std::size_t n, const auto& body) {
    for (std::uint32_t e = entry_begin[n]; e < entry_begin[n + 1]; ++e) body(token[e], count[e]);
  };
  each_entry(path[0],
             [&](std::uint32_t w, std::uint32_t c) { out[w] = share * unigram[w] + scale[0] * c; });
  for (std::size_t d = 1; d < depth; ++d) {
    each_entry(path[d], [&](std::uint32_t w, std::uint32_t c) { out[w] += scale[d] * c; });
  }
  each_entry(path[0], [&](std::uint32_t w, std::uint32_t) { out[w] = std::log(out[w]); });
}

}  // namespace partita
