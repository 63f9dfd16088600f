// SPDX-License-Identifier: Apache-2.0
#include "partita/text/internal/ngram_table.hpp"

#include <algorithm>
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

NgramTable::Mixture NgramTable::mixture(std::span<const Token> prefix) const {
  Mixture m;
  for (std::size_t node = 0; m.depth + 1 < order && m.depth <= prefix.size();
       m.path[m.depth++] = node) {
    const std::uint32_t by = m.depth == prefix.size()
                                 ? begin()
                                 : static_cast<std::uint32_t>(prefix[prefix.size() - 1 - m.depth]);
    node = child(node, by);
    if (node == 0) break;
  }
  // The longest context has share 1, takes c / (c + T) of it for its own counts, and passes
  // T / (c + T) on to the next shorter one, down to P(w).
  for (std::size_t d = m.depth; d-- > 0;) {
    const std::size_t n = m.path[d];
    const double types = entry_begin[n + 1] - entry_begin[n];
    m.scale[d] = m.share / (total[n] + types);
    m.share = m.scale[d] * types;
  }
  return m;
}

void NgramTable::log_probs(std::span<const Token> prefix, std::span<double> out) const {
  const Mixture m = mixture(prefix);
  const double log_share = std::log(m.share);
  for (std::size_t w = 0; w < out.size(); ++w) out[w] = log_share + log_unigram[w];
  if (m.depth == 0) return;
  // Only what followed the last symbol has more than the unigram's share: whatever followed a
  // longer context followed this one as well. So no other logarithms are needed.
  const auto each_entry = [&](std::size_t n, const auto& body) {
    for (std::uint32_t e = entry_begin[n]; e < entry_begin[n + 1]; ++e) body(token[e], count[e]);
  };
  each_entry(m.path[0], [&](std::uint32_t w, std::uint32_t c) {
    out[w] = m.share * unigram[w] + m.scale[0] * c;
  });
  for (std::size_t d = 1; d < m.depth; ++d) {
    each_entry(m.path[d], [&](std::uint32_t w, std::uint32_t c) { out[w] += m.scale[d] * c; });
  }
  each_entry(m.path[0], [&](std::uint32_t w, std::uint32_t) { out[w] = std::log(out[w]); });
}

double NgramTable::log_prob(std::span<const Token> prefix, std::uint32_t w) const {
  const Mixture m = mixture(prefix);
  double p = m.share * unigram[w];
  std::size_t d = 0;
  for (; d < m.depth; ++d) {  // nothing follows a longer context that does not follow the shorter
    const auto first = token.begin() + entry_begin[m.path[d]];
    const auto last = token.begin() + entry_begin[m.path[d] + 1];
    const auto found = std::lower_bound(first, last, w);
    if (found == last || *found != w) break;
    p += m.scale[d] * count[static_cast<std::size_t>(found - token.begin())];
  }
  return d == 0 ? std::log(m.share) + log_unigram[w] : std::log(p);
}

}  // namespace partita
