// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/windows.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "partita/random/internal/philox.hpp"

namespace partita {
namespace {

constexpr std::uint64_t kAlways = std::numeric_limits<std::uint64_t>::max();

/// The children of a sampler's stream, each of which has a child for every epoch.
enum Purpose : std::uint64_t { kSubsampling, kWindows };

}  // namespace

WindowSampler::WindowSampler(const Corpus& corpus, const AliasTable& noise, const Stream& stream,
                             const WindowOptions& options)
    : corpus_(corpus), noise_(noise), stream_(stream), options_(options) {
  const auto v = static_cast<WordId>(corpus.vocabulary().size());
  threshold_.reserve(v);
  for (WordId id = 0; id < v; ++id) {
    const double p = keep_probability(id);
    threshold_.push_back(p >= 1 ? kAlways : static_cast<std::uint64_t>(std::ldexp(p, 64)));
  }
}

double WindowSampler::keep_probability(WordId id) const {
  const Vocabulary& vocabulary = corpus_.vocabulary();
  if (options_.sample <= 0) return 1;
  const double ratio = options_.sample * static_cast<double>(vocabulary.total()) /
                       static_cast<double>(vocabulary.count(id));
  return std::min(1.0, std::sqrt(ratio) + ratio);
}

void WindowSampler::append_kept(std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
                                std::vector<Kept>& kept) const {
  constexpr std::size_t kBlock = 1024;
  const Stream stream = stream_.child(kSubsampling).child(epoch);
  std::array<WordId, kBlock> ids{};
  std::array<std::uint64_t, 4> bits{};
  for (std::uint64_t begin = first; begin < last; begin += kBlock) {
    const auto n = static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, last - begin));
    corpus_.read(begin, std::span(ids).first(n));
    for (std::size_t i = 0; i < n; ++i) {
      const std::uint64_t position = begin + i;
      if (i == 0 || position % 4 == 0) bits = philox(stream, position / 4);
      const WordId id = ids[i];
      if (id == Corpus::kLineEnd || threshold_[id] == kAlways ||
          bits[position % 4] < threshold_[id]) {
        kept.push_back({position, id});
      }
    }
  }
}

/// The kept words of the range, and before and after it as many as a window can reach.
std::vector<WindowSampler::Kept> WindowSampler::reach(std::uint64_t epoch, std::uint64_t first,
                                                      std::uint64_t last) const {
  constexpr std::uint64_t kStep = 64;
  const auto enough = [&](const std::vector<Kept>& kept) {
    return kept.size() >= options_.window ||
           std::any_of(kept.begin(), kept.end(),
                       [](const Kept& k) { return k.word == Corpus::kLineEnd; });
  };
  std::vector<Kept> all;
  for (std::uint64_t begin = first; begin > corpus_.first() && !enough(all);) {
    const std::uint64_t end = begin;
    begin = end - std::min(end - corpus_.first(), kStep);
    std::vector<Kept> part;
    append_kept(epoch, begin, end, part);
    all.insert(all.begin(), part.begin(), part.end());
  }
  append_kept(epoch, first, last, all);
  std::vector<Kept> after;
  for (std::uint64_t begin = last; begin < corpus_.last() && !enough(after);) {
    const std::uint64_t end = std::min(corpus_.last(), begin + kStep);
    append_kept(epoch, begin, end, after);
    begin = end;
  }
  all.insert(all.end(), after.begin(), after.end());
  return all;
}

void WindowSampler::sample(std::uint64_t epoch, std::uint64_t first, std::uint64_t last,
                           WindowBatch& batch) const {
  __extension__ using Wide = unsigned __int128;
  const Stream stream = stream_.child(kWindows).child(epoch);
  const std::vector<Kept> kept = reach(epoch, first, last);
  const std::uint64_t draws = (1 + options_.negative + 3) / 4;  // blocks of 4 words, a center
  batch.words.clear();
  batch.windows.clear();
  batch.negatives.clear();
  for (const Kept& k : kept) batch.words.push_back(k.word);
  std::size_t line_first = 0;
  std::size_t line_last = 0;  // the last word of i's line, an index in batch.words like i
  for (std::size_t i = 0; i < kept.size(); ++i) {
    if (i >= line_last) {
      line_first = i;
      const auto end = std::find(batch.words.begin() + static_cast<std::ptrdiff_t>(i),
                                 batch.words.end(), Corpus::kLineEnd);
      line_last = static_cast<std::size_t>(end - batch.words.begin());
    }
    const auto [position, word] = kept[i];
    if (word == Corpus::kLineEnd || position < first || position >= last) continue;
    std::array<std::uint64_t, 4> bits = philox(stream, position * draws);
    const auto size =
        1 + static_cast<std::size_t>((static_cast<Wide>(bits[0]) * options_.window) >> 64U);
    const std::size_t begin = std::max(line_first, i - std::min(i, size));
    const std::size_t end = std::min(line_last, i + size + 1);
    if (end - begin < 2) continue;
    batch.windows.push_back({position, static_cast<std::uint32_t>(i),
                             static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(end)});
    for (std::size_t j = 1; j <= options_.negative; ++j) {
      if (j % 4 == 0) bits = philox(stream, position * draws + j / 4);
      batch.negatives.push_back(noise_(bits[j % 4]));
    }
  }
}

}  // namespace partita
