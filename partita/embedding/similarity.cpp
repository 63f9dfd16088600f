// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/similarity.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <numeric>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/internal/parallel_progress.hpp"
#include "partita/io/text.hpp"

namespace partita {
namespace {

std::vector<std::string_view> fields(std::string_view line, std::string_view separators) {
  std::vector<std::string_view> out;
  for (;;) {
    const std::size_t begin = line.find_first_not_of(separators);
    if (begin == std::string_view::npos) return out;
    const std::size_t end = std::min(line.find_first_of(separators, begin), line.size());
    out.push_back(line.substr(begin, end - begin));
    line.remove_prefix(end);
  }
}

/// Ranks from 1; those of equal values are their mean.
std::vector<double> ranks(std::span<const double> values) {
  std::vector<std::size_t> order(values.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](auto i, auto j) { return values[i] < values[j]; });
  std::vector<double> out(values.size());
  for (std::size_t first = 0; first < order.size();) {
    std::size_t last = first;
    while (last < order.size() && values[order[last]] == values[order[first]]) ++last;
    const double rank = (static_cast<double>(first + last) + 1) / 2;
    for (; first < last; ++first) out[order[first]] = rank;
  }
  return out;
}

float dot(std::span<const float> a, std::span<const float> b) {
  constexpr std::size_t kLanes = 16;  // sums that the compiler keeps in a vector
  std::array<float, kLanes> sums{};
  std::size_t i = 0;
  for (; i + kLanes <= a.size(); i += kLanes) {
    for (std::size_t lane = 0; lane < kLanes; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  }
  for (; i < a.size(); ++i) sums[0] += a[i] * b[i];
  return std::accumulate(sums.begin(), sums.end(), 0.0F);
}

/// False if the vector is zero. In double: the length of small floats is 0 in single precision, and
/// one over it infinite.
bool scale_to_one(std::span<float> vector) {
  double square = 0;
  for (const float x : vector) square += static_cast<double>(x) * static_cast<double>(x);
  if (square == 0) return false;
  const double scale = 1 / std::sqrt(square);
  for (float& x : vector) x = static_cast<float>(static_cast<double>(x) * scale);
  return true;
}

}  // namespace

double spearman(std::span<const double> a, std::span<const double> b) {
  check_size("b", b.size(), a.size(), "as many as a");
  if (a.size() < 2) return std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> x = ranks(a);
  const std::vector<double> y = ranks(b);
  const double mean = (static_cast<double>(a.size()) + 1) / 2;
  double xy = 0;
  double xx = 0;
  double yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean) * (y[i] - mean);
    xx += (x[i] - mean) * (x[i] - mean);
    yy += (y[i] - mean) * (y[i] - mean);
  }
  if (xx == 0 || yy == 0) return std::numeric_limits<double>::quiet_NaN();
  return xy / std::sqrt(xx * yy);
}

WordSimilarity::WordSimilarity(WordVectors vectors) : vectors_(std::move(vectors)) {
  for (std::size_t i = 0; i < vectors_.words.size(); ++i) {
    index_.emplace(vectors_.words[i], i);
    const std::span vector(vectors_.values.data() + i * vectors_.dim, vectors_.dim);
    scale_to_one(vector);
  }
}

std::span<const float> WordSimilarity::row(std::size_t i) const {
  return {vectors_.values.data() + i * vectors_.dim, vectors_.dim};
}

std::optional<std::size_t> WordSimilarity::find(std::string_view word) const {
  if (const auto found = index_.find(word); found != index_.end()) return found->second;
  std::string lower(word);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  const auto found = index_.find(lower);
  return found == index_.end() ? std::nullopt : std::optional(found->second);
}

std::vector<Neighbor> WordSimilarity::nearest(std::span<const float> query, std::size_t k,
                                              std::span<const std::size_t> without) const {
  std::vector<std::pair<float, std::size_t>> scored;
  scored.reserve(vectors_.words.size());
  for (std::size_t i = 0; i < vectors_.words.size(); ++i) {
    if (std::find(without.begin(), without.end(), i) != without.end()) continue;
    scored.emplace_back(-dot(query, row(i)), i);
  }
  k = std::min(k, scored.size());
  std::partial_sort(scored.begin(), scored.begin() + static_cast<std::ptrdiff_t>(k), scored.end());
  std::vector<Neighbor> out;
  for (std::size_t i = 0; i < k; ++i) {
    out.push_back({vectors_.words[scored[i].second], -static_cast<double>(scored[i].first)});
  }
  return out;
}

std::vector<Neighbor> WordSimilarity::nearest(std::string_view query, std::size_t k) const {
  std::vector<float> sum(vectors_.dim);
  std::vector<std::size_t> used;
  const auto add = [&](std::string_view word, float sign) {
    const auto id = find(word);
    if (!id) throw InvalidArgument("word", fmt::format("{} has no vector", word));
    for (std::size_t c = 0; c < sum.size(); ++c) sum[c] += sign * row(*id)[c];
    used.push_back(*id);
  };
  float sign = 1;
  while (!find(query)) {  // what is a word itself is not taken apart
    const std::size_t end = std::min(query.find(" + "), query.find(" - "));
    if (end == std::string_view::npos) break;
    add(query.substr(0, end), sign);
    sign = query[end + 1] == '-' ? -1.0F : 1.0F;
    query.remove_prefix(end + 3);
  }
  add(query, sign);
  if (!scale_to_one(sum)) throw InvalidArgument("word", "the vector is zero: it has no direction");
  return nearest(sum, k, used);
}

SimilarityScore WordSimilarity::similarity(const std::filesystem::path& path) const {
  const TextLines text = read_lines(path);
  SimilarityScore score{};
  std::vector<double> people;
  std::vector<double> cosines;
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    if (text.lines[i].starts_with('#')) continue;
    const auto field = fields(text.lines[i], " \t,;");
    double value = 0;
    const bool is_pair =
        field.size() >= 3 &&
        std::from_chars(field[2].data(), field[2].data() + field[2].size(), value).ptr ==
            field[2].data() + field[2].size();
    if (!is_pair && score.lines == 0) continue;  // a heading
    if (!is_pair) {
      throw DataError(path.string(),
                      fmt::format("line {}: expected two words and a score", text.line_number[i]));
    }
    ++score.lines;
    const auto a = find(field[0]);
    const auto b = find(field[1]);
    if (!a || !b) continue;
    people.push_back(value);
    cosines.push_back(dot(row(*a), row(*b)));
  }
  if (score.lines == 0) throw DataError(path.string(), "no line of two words and a score");
  score.pairs = people.size();
  score.correlation = spearman(people, cosines);
  return score;
}

std::vector<AnalogyScore> WordSimilarity::analogies(const std::filesystem::path& path, int threads,
                                                    const Progress& progress) const {
  struct Question {
    std::array<std::size_t, 4> word;
    std::size_t section;
  };
  const TextLines text = read_lines(path);
  std::vector<AnalogyScore> scores;
  std::vector<Question> questions;
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    const auto field = fields(text.lines[i], " \t");
    if (field[0].starts_with(':')) {
      const std::string_view name = field.size() > 1 ? field[1] : field[0].substr(1);
      scores.push_back({std::string(name), 0, 0, 0});
      continue;
    }
    if (field.size() != 4) {
      throw DataError(path.string(), fmt::format("line {}: expected four words, got {}",
                                                 text.line_number[i], field.size()));
    }
    if (scores.empty()) scores.push_back({"", 0, 0, 0});
    ++scores.back().lines;
    Question question{{}, scores.size() - 1};
    bool known = true;
    for (std::size_t j = 0; j < 4; ++j) {
      const auto id = find(field[j]);
      known = known && id.has_value();
      question.word[j] = id.value_or(0);
    }
    if (!known) continue;
    ++scores.back().questions;
    questions.push_back(question);
  }
  std::vector<char> correct(questions.size());
  const auto some = [&](std::size_t first, std::size_t last) {
    std::vector<float> query(vectors_.dim);
    for (std::size_t q = first; q < last; ++q) {
      const auto& [a, b, c, d] = questions[q].word;
      for (std::size_t i = 0; i < query.size(); ++i) {
        query[i] = row(b)[i] - row(a)[i] + row(c)[i];
      }
      const auto best = nearest(query, 1, std::array{a, b, c});
      correct[q] = !best.empty() && best[0].word == vectors_.words[d] ? 1 : 0;
    }
  };
  parallel_for(questions.size(), threads, progress, "questions", some);
  for (std::size_t q = 0; q < questions.size(); ++q) {
    scores[questions[q].section].correct += correct[q] != 0 ? 1 : 0;
  }
  return scores;
}

}  // namespace partita
