// SPDX-License-Identifier: Apache-2.0
#include "partita/io/internal/word_vector_format.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/io/internal/number.hpp"
#include "partita/io/text.hpp"

namespace partita {
namespace {

struct Header {
  std::size_t words = 0;
  std::size_t dim = 0;
};

/// "WORDS DIM", or nothing.
std::optional<Header> header_in(std::string_view line) {
  Header header;
  const char* const end = line.data() + line.size();
  const auto words = std::from_chars(line.data(), end, header.words);
  if (words.ec != std::errc{} || words.ptr == end || *words.ptr != ' ') return std::nullopt;
  const auto dim = std::from_chars(words.ptr + 1, end, header.dim);
  if (dim.ec != std::errc{} || dim.ptr != end) return std::nullopt;
  return header;
}

/// Takes the last field from a line; empty if there is no other.
std::string_view take_last(std::string_view& line) {
  const std::size_t space = line.rfind(' ');
  if (space == std::string_view::npos) return {};
  const std::string_view field = line.substr(space + 1);
  line.remove_suffix(line.size() - space);
  return field;
}

/// Bytes that no text has.
bool holds_control_characters(std::string_view bytes) {
  return std::any_of(bytes.begin(), bytes.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte < 0x20 && c != '\t' && c != '\n' && c != '\r';
  });
}

std::string shown(std::string_view text) {
  return find_invalid_utf8(text) ? "?" : std::string(text.substr(0, 40));
}

/// Reads words and vectors until the bytes end.
class Reader {
 public:
  /// @param exact whether the first line must have the right number of words
  Reader(std::string name, std::string_view bytes, const WordVectorOptions& options, bool exact)
      : rest_(bytes), name_(std::move(name)), exact_(exact), words_(name_, options) {
    if (rest_.starts_with("\xEF\xBB\xBF")) rest_.remove_prefix(3);
  }

  WordVectors text() {
    read_header();
    if (!expected_) out_.dim = dim_without_header();
    reserve(2 * out_.dim + 1);
    while (!words_.is_enough() && has_line()) read_line();
    return finished();
  }

  WordVectors binary() {
    read_header();
    if (!expected_) fail("no first line of \"WORDS DIM\", two numbers above 0");
    reserve(4 * out_.dim + 2);
    constexpr std::size_t kSurely = 1000;  // records that nothing else looks like
    while (skip_line_ends()) {
      if (words_.is_enough() && words_.seen() >= std::min(kSurely, *expected_)) break;
      read_record();
    }
    return finished();
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw DataError(name_, what); }
  [[noreturn]] void fail_line(std::string_view what) const {
    fail(fmt::format("line {}: {}", line_, what));
  }

  std::string_view take_line() {
    const std::size_t end = rest_.find('\n');
    complete_ = end != std::string_view::npos;
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(complete_ ? end + 1 : rest_.size());
    ++line_;
    while (line.ends_with('\r') || line.ends_with(' ')) {  // a space in fastText's and word2vec's
      line.remove_suffix(1);
    }
    return line;
  }

  /// Before the next word. False at the end of the file.
  bool skip_line_ends() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of('\n'), rest_.size()));
    return !rest_.empty();
  }

  /// False if nothing but blank lines is left.
  bool has_line() {
    if (rest_.find_first_not_of("\r\n") == std::string_view::npos) rest_ = {};
    return !rest_.empty();
  }

  void read_header() {
    constexpr std::size_t kLongest = 64;
    if (rest_.substr(0, kLongest).find('\n') == std::string_view::npos) return;
    const std::string_view before = rest_;
    if (const auto header = header_in(take_line())) {
      if (header->words == 0 || header->dim == 0) {
        fail(fmt::format("the first line says {} words of {} numbers", header->words, header->dim));
      }
      if (header->dim > rest_.size()) {
        fail(fmt::format("the first line says {} numbers a word, more than the file has bytes",
                         header->dim));
      }
      expected_ = header->words;
      out_.dim = header->dim;
      return;
    }
    rest_ = before;
    line_ = 0;
  }

  /// How many numbers follow the word in the first line.
  std::size_t dim_without_header() const {
    std::string_view line = rest_.substr(0, rest_.find('\n'));
    line = line.substr(0, line.find_last_not_of(" \r") + 1);
    std::size_t dim = 0;
    while (parse_number<float>(take_last(line))) ++dim;
    if (dim == 0) {
      fail(
          "not a file of word vectors: expected \"WORDS DIM\", two numbers above 0, or a word and "
          "its numbers in the first line");
    }
    return dim;
  }

  /// As much as the first line says, but no more than the file can hold.
  void reserve(std::size_t bytes_of_word) {
    const std::size_t most = rest_.size() / bytes_of_word + 1;
    out_.values.reserve(std::min(expected_.value_or(0), most) * out_.dim);
  }

  void read_line() {
    const std::string_view line = take_line();
    // From the end: what is left of the numbers is the word, whatever it holds.
    std::string_view word = line;
    const std::size_t first = out_.values.size();
    out_.values.resize(first + out_.dim);
    for (std::size_t i = out_.dim; i-- > 0;) {
      if (word.rfind(' ') == std::string_view::npos) {
        fail_line(fmt::format("{} numbers, expected {}", out_.dim - 1 - i, out_.dim));
      }
      const std::string_view field = take_last(word);
      const auto number = parse_number<float>(field);
      if (!number) {
        fail_line(fmt::format("number {} of {} is none: {}", i + 1, out_.dim, shown(field)));
      }
      if (!std::isfinite(*number)) {
        fail_line(fmt::format("number {} is {}, expected a finite float", i + 1, shown(field)));
      }
      out_.values[first + i] = *number;
    }
    std::string_view before = word;
    if (parse_number<float>(take_last(before))) {
      fail_line(fmt::format("more than {} numbers", out_.dim));
    }
    // Several spaces may follow a word, but a space may also be the word.
    const std::size_t last = word.find_last_not_of(' ');
    if (last != std::string_view::npos) word = word.substr(0, last + 1);
    if (!words_.add(word, fmt::format("line {}", line_))) out_.values.resize(first);
  }

  void read_record() {
    const std::size_t end = rest_.find(' ');
    const std::size_t bytes = out_.dim * sizeof(float);
    const std::size_t number = words_.seen() + 1;
    if (end == std::string_view::npos || (rest_.size() - end - 1) / sizeof(float) < out_.dim) {
      fail(fmt::format("cut short in word {} of {}", number, *expected_));
    }
    const std::string_view word = rest_.substr(0, end);
    const std::string where = fmt::format("word {}", number);
    if (word.find('\n') != std::string_view::npos) fail(where + ": contains a line end");
    const std::size_t first = out_.values.size();
    out_.values.resize(first + out_.dim);
    std::memcpy(out_.values.data() + first, rest_.data() + end + 1, bytes);
    for (std::size_t i = first; i < out_.values.size(); ++i) {
      if (!std::isfinite(out_.values[i])) {
        fail(fmt::format("{}: number {} is {}", where, i - first + 1, out_.values[i]));
      }
    }
    rest_.remove_prefix(end + 1 + bytes);
    if (!words_.add(word, where)) out_.values.resize(first);
  }

  WordVectors finished() {
    const bool to_the_end = rest_.empty();
    if (expected_ && to_the_end && words_.seen() != *expected_) {
      if (exact_) fail(fmt::format("{} words, expected {}", words_.seen(), *expected_));
      if (!complete_ && words_.seen() < *expected_) {
        fail(fmt::format("cut short in line {}: the first line says {} words", line_, *expected_));
      }
      out_.notes.push_back(fmt::format("{}: the first line says {} words, the file has {}", name_,
                                       *expected_, words_.seen()));
    }
    words_.finish(out_);
    out_.values.resize(out_.words.size() * out_.dim);
    if (out_.words.empty()) fail("no words");
    return std::move(out_);
  }

  std::string_view rest_;
  std::string name_;
  bool exact_;
  WordCollector words_;
  std::optional<std::size_t> expected_ = {};  // by the first line
  std::size_t line_ = 0;                      // the last one read, from 1
  bool complete_ = true;                      // whether a line end followed it
  WordVectors out_ = {};
};

/// The number in the fewest digits that read back to it.
void append(std::string& out, float value) {
  fmt::format_to(std::back_inserter(out), " {}", value);
}

}  // namespace

bool WordCollector::add(std::string_view word, const std::string& where) {
  ++seen_;
  std::string repaired;
  if (const auto invalid = find_invalid_utf8(word)) {
    if (options_.encoding_errors == EncodingErrors::strict) {
      throw DataError(name_, fmt::format("{}: invalid UTF-8 at byte {}", where, *invalid + 1));
    }
    ++repaired_;
    word = repaired = repair_utf8(
        word, options_.encoding_errors == EncodingErrors::replace ? "\xEF\xBF\xBD" : "");
    if (word.empty()) return false;
  }
  if (word.empty()) throw DataError(name_, where + ": empty word");
  if (is_enough()) return false;
  const auto [at, is_new] = index_.emplace(word);
  if (is_new) {
    words_.push_back(*at);
  } else if (duplicates_++ == 0) {
    first_duplicate_ = fmt::format("{}: duplicate word {}", where, word);
  }
  return is_new;
}

void WordCollector::finish(WordVectors& out) {
  if (duplicates_ > 0) {
    out.notes.push_back(
        fmt::format("{}: {}{}; the first counts", name_, first_duplicate_,
                    duplicates_ == 1 ? "" : fmt::format(" and {} more", duplicates_ - 1)));
  }
  if (repaired_ > 0) {
    out.notes.push_back(fmt::format("{}: {} word{} with invalid UTF-8", name_, repaired_,
                                    repaired_ == 1 ? "" : "s"));
  }
  out.words = std::move(words_);
}

WordVectors parse_word_vectors(const std::string& name, std::string_view bytes,
                               std::optional<VectorFormat> format,
                               const WordVectorOptions& options) {
  const auto read = [&](VectorFormat as, bool exact) {
    Reader reader(name, bytes, options, exact);
    return as == VectorFormat::text ? reader.text() : reader.binary();
  };
  const bool binary_expected = format == VectorFormat::binary;
  try {
    return read(binary_expected ? VectorFormat::binary : VectorFormat::text, false);
  } catch (const DataError& error) {
    // What could be text is text that is damaged.
    if (!binary_expected && !holds_control_characters(bytes)) throw;
    try {
      return read(binary_expected ? VectorFormat::text : VectorFormat::binary, true);
    } catch (const DataError& other) {
      if (format) throw error;
      const auto reason = [&](const DataError& why) {
        return std::string_view(why.what()).substr(name.size() + 2);
      };
      throw DataError(name, fmt::format("neither word vectors in text ({}) nor in binary ({})",
                                        reason(error), reason(other)));
    }
  }
}

void write_word_vectors(const Sink& sink, VectorFormat format,
                        const std::function<std::string_view(std::size_t i)>& word, Rows vectors) {
  constexpr std::size_t kBlock = 1U << 16U;
  std::string block = fmt::format("{} {}\n", vectors.rows(), vectors.columns());
  for (std::size_t i = 0; i < vectors.rows(); ++i) {
    block += word(i);
    const float* const row = vectors.row_data<float>(i);
    if (format == VectorFormat::text) {
      for (std::size_t c = 0; c < vectors.columns(); ++c) append(block, row[c]);
    } else {
      block += ' ';
      block.append(reinterpret_cast<const char*>(row), vectors.columns() * sizeof(float));
    }
    block += '\n';
    if (block.size() >= kBlock) {
      sink(block);
      block.clear();
    }
  }
  sink(block);
}

}  // namespace partita
