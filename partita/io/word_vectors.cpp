#include "partita/io/word_vectors.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstring>
#include <iterator>
#include <unordered_set>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"
#include "partita/io/text.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

enum class Format : std::uint8_t { text, binary, npy };

Format format_of(const fs::path& path) {
  const std::string extension = path.extension().string();
  if (extension == ".txt" || extension == ".vec") return Format::text;
  if (extension == ".bin") return Format::binary;
  if (extension == ".npy") return Format::npy;
  throw InvalidArgument(
      "path",
      fmt::format("expected an extension of .txt, .vec, .bin or .npy, got {}", path.string()));
}

fs::path words_path(fs::path path) { return path.replace_extension(".words.txt"); }

/// Reads text or binary from the bytes of a file.
class Parser {
 public:
  Parser(std::string name, std::string_view bytes) : name_(std::move(name)), rest_(bytes) {}

  WordVectors parse() {
    parse_header();
    const bool binary = is_binary();
    while (!rest_.empty() && out_.words.size() < expected_) {
      binary ? parse_record() : parse_line();
    }
    const std::size_t more = rest_.find_first_not_of("\r\n");
    if (out_.words.size() < expected_) {
      fail(fmt::format("the first line says {} words, but the file ends after {}", expected_,
                       out_.words.size()));
    }
    if (more != std::string_view::npos) {
      fail(fmt::format("the first line says {} words, but the file continues after them",
                       expected_));
    }
    return std::move(out_);
  }

 private:
  [[noreturn]] void fail(std::string_view what) const { throw DataError(name_, what); }
  [[noreturn]] void fail_line(std::string_view what) const {
    fail(fmt::format("line {}: {}", out_.words.size() + 2, what));
  }

  std::string_view take_line() {
    const std::size_t end = rest_.find('\n');
    std::string_view line = rest_.substr(0, end);
    rest_.remove_prefix(end == std::string_view::npos ? rest_.size() : end + 1);
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    return line;
  }

  void parse_header() {
    constexpr std::size_t kLongest = 64;
    const std::string_view line = rest_.substr(0, kLongest).find('\n') == std::string_view::npos
                                      ? std::string_view()
                                      : take_line();
    const char* const end = line.data() + line.size();
    const auto words = std::from_chars(line.data(), end, expected_);
    const bool spaced = words.ec == std::errc{} && words.ptr < end && *words.ptr == ' ';
    const auto dim = spaced ? std::from_chars(words.ptr + 1, end, out_.dim) : words;
    if (!spaced || dim.ec != std::errc{} || dim.ptr != end || expected_ == 0 || out_.dim == 0) {
      fail("not a file of word vectors: the first line is not \"WORDS DIM\", two numbers above 0");
    }
    // A number takes at least two bytes, so no header makes this allocate more than the file's
    // size.
    if (out_.dim > rest_.size() / 2 || expected_ > rest_.size() / 2 / out_.dim) {
      fail(fmt::format(
          "the first line says {} words of {} numbers, but the file is too short for them",
          expected_, out_.dim));
    }
    out_.words.reserve(expected_);
    out_.values.reserve(expected_ * out_.dim);
  }

  /// Whether the bytes after the first word are not those of numbers in text.
  bool is_binary() const {
    const std::size_t begin = rest_.find(' ');
    const std::string_view numbers =
        begin == std::string_view::npos ? rest_ : rest_.substr(begin, 4 * out_.dim + 1);
    return numbers.substr(0, numbers.find('\n'))
               .find_first_not_of("0123456789+-.eEinfaINFA \r\n") != std::string_view::npos;
  }

  void parse_record() {
    rest_.remove_prefix(std::min(rest_.find_first_not_of('\n'), rest_.size()));
    const std::size_t end = rest_.find(' ');
    const std::size_t bytes = out_.dim * sizeof(float);
    if (end == std::string_view::npos || rest_.size() - end - 1 < bytes) {
      fail(fmt::format("cut short in word {} of {}", out_.words.size() + 1, expected_));
    }
    const std::size_t first = out_.values.size();
    out_.values.resize(first + out_.dim);
    std::memcpy(out_.values.data() + first, rest_.data() + end + 1, bytes);
    for (std::size_t i = first; i < out_.values.size(); ++i) {
      if (!std::isfinite(out_.values[i])) {
        fail(fmt::format("word {}: number {} is {}", out_.words.size() + 1, i - first + 1,
                         out_.values[i]));
      }
    }
    add_word(rest_.substr(0, end), fmt::format("word {}", out_.words.size() + 1));
    rest_.remove_prefix(end + 1 + bytes);
    if (rest_.starts_with('\n')) rest_.remove_prefix(1);
  }

  void parse_line() {
    const std::string_view line = take_line();
    // From the end: what is left of the numbers is the word, whatever it holds.
    std::string_view word = line;
    const std::size_t first = out_.values.size();
    out_.values.resize(first + out_.dim);
    for (std::size_t i = out_.dim; i-- > 0;) {
      const std::size_t space = word.rfind(' ');
      if (space == std::string_view::npos) {
        fail_line(fmt::format("{} numbers, expected {}", out_.dim - 1 - i, out_.dim));
      }
      std::string_view number = word.substr(space + 1);
      if (number.starts_with('+')) number.remove_prefix(1);
      float& value = out_.values[first + i];
      const char* const end = number.data() + number.size();
      const auto [stop, error] = std::from_chars(number.data(), end, value);
      if (stop != end || (error != std::errc{} && error != std::errc::result_out_of_range)) {
        fail_line(fmt::format("number {} of {} is none: {}", i + 1, out_.dim,
                              find_invalid_utf8(number) ? "?" : number.substr(0, 40)));
      }
      if (error == std::errc::result_out_of_range) value = 0;  // subnormal
      if (!std::isfinite(value)) fail_line(fmt::format("number {} is {}", i + 1, value));
      word.remove_suffix(word.size() - space);
    }
    const std::size_t space = word.rfind(' ');
    float extra = 0;
    if (space != std::string_view::npos &&
        std::from_chars(word.data() + space + 1, word.data() + word.size(), extra).ptr ==
            word.data() + word.size()) {
      fail_line(fmt::format("more than {} numbers", out_.dim));
    }
    add_word(word, fmt::format("line {}", out_.words.size() + 2));
  }

  void add_word(std::string_view word, const std::string& where) {
    if (word.empty()) fail(where + ": empty word");
    if (const auto invalid = find_invalid_utf8(word)) {
      fail(fmt::format("{}: invalid UTF-8 at byte {}", where, *invalid + 1));
    }
    out_.words.emplace_back(word);
  }

  std::string name_;
  std::string_view rest_;
  std::size_t expected_ = 0;
  WordVectors out_;
};

WordVectors load_npy(const fs::path& path) {
  const NpyFile file(path);
  const Rows rows = file.rows();
  if (rows.dtype() != DType::f32) throw DataError(path.string(), "expected float32 elements");
  WordVectors out{read_lines(words_path(path)).lines, rows.columns(), {}};
  if (out.words.size() != rows.rows()) {
    throw DataError(
        words_path(path).string(),
        fmt::format("{} words, but {} has {} rows", out.words.size(), path.string(), rows.rows()));
  }
  const float* const data = rows.row_data<float>(0);
  out.values.assign(data, data + rows.rows() * rows.columns());
  return out;
}

void check_words(const WordVectors& vectors, const fs::path& path) {
  std::unordered_set<std::string_view> seen;
  for (const std::string& word : vectors.words) {
    if (!seen.insert(word).second)
      throw DataError(path.string(), fmt::format("duplicate word {}", word));
  }
}

/// The number in the fewest digits that read back to it.
void append(std::string& out, float value) {
  fmt::format_to(std::back_inserter(out), " {}", value);
}

}  // namespace

WordVectors load_word_vectors(const fs::path& path) {
  WordVectors vectors;
  if (path.extension() == ".npy") {
    vectors = load_npy(path);
  } else {
    const MappedFile file(path);
    vectors = Parser(path.string(), file.bytes()).parse();
  }
  check_words(vectors, path);
  return vectors;
}

void check_word_vectors_path(const fs::path& path) { format_of(path); }

void save_word_vectors(const fs::path& path,
                       const std::function<std::string_view(std::size_t i)>& word, Rows vectors) {
  const Format format = format_of(path);
  if (vectors.dtype() != DType::f32 || vectors.column_stride() != 1) {
    throw InvalidArgument("vectors", "expected rows of contiguous float");
  }
  const auto checked = [&](std::size_t i) {
    const std::string_view text = word(i);
    if (text.empty() ||
        text.find_first_of(std::string_view(" \n\r\0", 4)) != std::string_view::npos) {
      throw InvalidArgument("words",
                            fmt::format("word {}: empty, or contains a space or line ending", i));
    }
    return text;
  };
  if (format == Format::npy) {
    write_file(words_path(path), [&](const Sink& sink) {
      for (std::size_t i = 0; i < vectors.rows(); ++i) sink(fmt::format("{}\n", checked(i)));
    });
    save_npy(path, vectors);
    return;
  }
  constexpr std::size_t kBlock = 1U << 16U;
  write_file(path, [&](const Sink& sink) {
    std::string block = fmt::format("{} {}\n", vectors.rows(), vectors.columns());
    for (std::size_t i = 0; i < vectors.rows(); ++i) {
      block += checked(i);
      const float* const row = vectors.row_data<float>(i);
      if (format == Format::text) {
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
  });
}

void save_word_vectors(const fs::path& path, std::span<const std::string> words, Rows vectors) {
  check_size("words", words.size(), vectors.rows(), "one for each row");
  save_word_vectors(
      path, [&](std::size_t i) { return std::string_view(words[i]); }, vectors);
}

}  // namespace partita
