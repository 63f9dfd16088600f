// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/internal/word_reader.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdint>
#include <limits>
#include <span>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/io/text.hpp"

namespace partita {
namespace {

/// Bytes of a file or of standard input, inflated where they are gzip.
class Source {
 public:
  explicit Source(const std::filesystem::path& path)
      : name_(path == "-" ? "standard input" : path.string()) {
    const int fd = path == "-" ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) fail("open", errno);
    struct stat status {};
    if (::fstat(fd, &status) == 0 && S_ISDIR(status.st_mode)) {
      ::close(fd);
      fail("read", EISDIR);
    }
    file_ = ::gzdopen(fd, "rb");
    if (file_ == nullptr) {
      ::close(fd);
      fail("read", ENOMEM);
    }
    constexpr unsigned kBuffer = 1U << 18U;
    ::gzbuffer(file_, kBuffer);
  }
  ~Source() { ::gzclose(file_); }
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;

  const std::string& name() const { return name_; }

  bool is_plain() const { return ::gzdirect(file_) != 0; }

  /// From here on, of a file that is not gzip, only its bytes [first, last) are read.
  void restrict_to(std::uint64_t first, std::uint64_t last) {
    check(::gzseek(file_, static_cast<z_off_t>(first), SEEK_SET) < 0 ? -1 : 0);
    left_ = last - first;
  }

  /// Fewer than asked for only at the end.
  std::size_t read(char* to, std::size_t size) {
    size = static_cast<std::size_t>(std::min<std::uint64_t>(size, left_));
    std::size_t got = 0;
    while (got < size) {
      const auto step = static_cast<unsigned>(std::min<std::size_t>(size - got, 1U << 24U));
      errno = 0;
      const int n = ::gzread(file_, to + got, step);
      check(n);
      if (n == 0) break;
      got += static_cast<std::size_t>(n);
    }
    left_ -= got;
    return got;
  }

 private:
  [[noreturn]] void fail(std::string_view what, int error) const {
    throw IoError(name_,
                  fmt::format("cannot {}: {}", what, std::generic_category().message(error)));
  }

  void check(int result) const {
    const int system_error = errno;
    int error = Z_OK;
    ::gzerror(file_, &error);
    if (error == Z_BUF_ERROR) throw DataError(name_, "cut short: the gzip data end early");
    if (result >= 0 && error >= 0) return;
    if (error == Z_ERRNO) fail("read", system_error);
    throw DataError(name_, "damaged gzip data");
  }

  std::string name_;
  gzFile file_ = nullptr;
  std::uint64_t left_ = std::numeric_limits<std::uint64_t>::max();  // bytes to be read at most
};

enum class Kind : std::uint8_t { letter, space, line_end, nul, lead };

/// What a byte is; `lead` may begin one of the spaces beyond ASCII.
constexpr std::array<Kind, 256> kKinds = [] {
  std::array<Kind, 256> kinds{};
  for (const char c : {' ', '\t', '\v', '\f', '\r', '\x1C', '\x1D', '\x1E', '\x1F'}) {
    kinds[static_cast<unsigned char>(c)] = Kind::space;
  }
  kinds['\n'] = Kind::line_end;
  kinds[0] = Kind::nul;
  for (const unsigned c : {0xC2U, 0xE1U, 0xE2U, 0xE3U}) kinds[c] = Kind::lead;
  return kinds;
}();

Kind kind_of(char c) { return kKinds[static_cast<unsigned char>(c)]; }

constexpr std::ptrdiff_t kLongestSpace = 3;  // bytes of a space beyond ASCII

/// The number of bytes of the white space beyond ASCII that begins at `p`, or 0 if there is none:
/// U+0085 U+00A0 U+1680 U+2000-200A U+2028 U+2029 U+202F U+205F U+3000.
std::size_t wide_space(const char* p, const char* end) {
  const auto byte = [&](std::ptrdiff_t i) -> unsigned {
    return p + i < end ? static_cast<unsigned char>(p[i]) : 0U;
  };
  if (byte(0) == 0xC2) return byte(1) == 0x85 || byte(1) == 0xA0 ? 2 : 0;
  const unsigned tail = byte(1) << 8U | byte(2);
  switch (byte(0)) {
    case 0xE1:
      return tail == 0x9A80 ? 3 : 0;
    case 0xE2:
      return (tail >= 0x8080 && tail <= 0x808A) || tail == 0x80A8 || tail == 0x80A9 ||
                     tail == 0x80AF || tail == 0x819F
                 ? 3
                 : 0;
    default:
      return byte(0) == 0xE3 && tail == 0x8080 ? 3 : 0;
  }
}

constexpr std::size_t kBuffer = 1U << 18U;

/// Where the index-th part begins: behind the first white space of ASCII that lies at or after the
/// byte before its share of the file. It is no part of another character, so whoever looks from
/// anywhere finds the same.
std::uint64_t begin_of(const std::filesystem::path& path, const FilePart& part) {
  const std::uint64_t size = std::filesystem::file_size(path);
  const std::uint64_t share =
      size / part.count * part.index + size % part.count * part.index / part.count;
  if (share == 0 || share == size) return share;
  Source source(path);
  source.restrict_to(share - 1, size);
  std::vector<char> buffer(kBuffer);
  for (std::uint64_t at = share - 1;;) {
    const std::size_t got = source.read(buffer.data(), buffer.size());
    const auto end = buffer.begin() + static_cast<std::ptrdiff_t>(got);
    const auto space = std::find_if(buffer.begin(), end, [](char c) {
      return kind_of(c) == Kind::space || kind_of(c) == Kind::line_end;
    });
    at += static_cast<std::uint64_t>(space - buffer.begin());
    if (space != end) return at + 1;
    if (got < buffer.size()) return at;
  }
}

class Tokenizer {
 public:
  Tokenizer(const std::filesystem::path& path, const FilePart& part,
            const std::function<void(std::string_view)>& on_word,
            const std::function<void()>& on_line_end)
      : source_(path), on_word_(on_word), on_line_end_(on_line_end), buffer_(kBuffer) {
    if (part.count == 1) return;
    begin_ = begin_of(path, part);
    source_.restrict_to(begin_, begin_of(path, {part.index + 1, part.count}));
  }

  void run() {
    refill(0);
    if (begin_ == 0 && std::string_view(buffer_.data(), size_).starts_with("\xEF\xBB\xBF")) {
      next_ = 3;
    }
    line_start_ = static_cast<std::int64_t>(next_);
    for (;;) {
      tokenize();
      if (ended_) return;
      refill(next_);
    }
  }

 private:
  /// Moves the bytes from `first` on to the front of the buffer and reads more after them.
  void refill(std::size_t first) {
    std::copy(buffer_.begin() + static_cast<std::ptrdiff_t>(first),
              buffer_.begin() + static_cast<std::ptrdiff_t>(size_), buffer_.begin());
    line_start_ -= static_cast<std::int64_t>(first);
    size_ -= first;
    next_ = 0;
    if (size_ > kLongestWord) too_long(0, size_);
    if (size_ > buffer_.size() / 2) buffer_.resize(2 * buffer_.size());
    const std::size_t wanted = buffer_.size() - size_;
    const std::size_t got = source_.read(buffer_.data() + size_, wanted);
    size_ += got;
    ended_ = got < wanted;
  }

  /// Reports all words that end in the buffer. What is left begins at next_.
  void tokenize() {
    const char* const begin = buffer_.data();
    const char* const end = begin + size_;
    // Nearer to the end, a lead byte may have its continuation in what has not been read.
    const char* const sure = ended_ ? end : std::max(begin, end - (kLongestSpace - 1));
    const char* word = begin + next_;
    const char* p = word;
    bool ascii = true;
    while (p < sure) {
      const Kind kind = kind_of(*p);
      std::size_t space = 1;
      if (kind == Kind::letter) {
        ascii = ascii && static_cast<unsigned char>(*p) < 0x80;
        ++p;
        continue;
      }
      if (kind == Kind::lead) {
        space = wide_space(p, end);
        if (space == 0) {
          ascii = false;
          ++p;
          continue;
        }
      }
      if (kind == Kind::nul) fail(p - begin, "NUL", "not a text file");
      give(word, p, ascii);
      p += space;
      word = p;
      ascii = true;
      if (kind == Kind::line_end) {
        on_line_end_();
        ++line_;
        line_start_ = word - begin;
      }
    }
    if (ended_) {
      give(word, end, ascii);
      word = end;
    }
    next_ = static_cast<std::size_t>(word - begin);
  }

  void give(const char* word, const char* end, bool ascii) {
    if (word == end) return;
    const std::string_view bytes(word, static_cast<std::size_t>(end - word));
    if (!ascii) {
      if (const auto invalid = find_invalid_utf8(bytes)) {
        fail(word - buffer_.data() + static_cast<std::ptrdiff_t>(*invalid), "invalid UTF-8");
      }
    }
    if (bytes.size() > kLongestWord) too_long(word - buffer_.data(), bytes.size());
    on_word_(bytes);
  }

  [[noreturn]] void too_long(std::ptrdiff_t place, std::size_t bytes) const {
    fail(place, fmt::format("a word of {} bytes or more", bytes),
         fmt::format("expected {} or fewer: is this a text?", kLongestWord));
  }

  [[noreturn]] void fail(std::ptrdiff_t place, std::string_view what,
                         std::string_view why = {}) const {
    const auto [lines, rest] = before_part();
    const std::ptrdiff_t byte = place - line_start_ + 1 + (line_ == 1 ? rest : 0);
    throw DataError(source_.name(), fmt::format("line {}: {} at byte {}{}{}", lines + line_, what,
                                                byte, why.empty() ? "" : ": ", why));
  }

  /// The lines that end before the part, and how many bytes of another one lie there.
  std::pair<std::uint64_t, std::ptrdiff_t> before_part() const {
    std::uint64_t lines = 0;
    std::ptrdiff_t rest = 0;
    if (begin_ == 0) return {lines, rest};
    Source source(source_.name());
    source.restrict_to(0, begin_);
    std::vector<char> buffer(kBuffer);
    while (const std::size_t got = source.read(buffer.data(), buffer.size())) {
      for (const char c : std::span(buffer).first(got)) {
        ++rest;
        if (c != '\n') continue;
        ++lines;
        rest = 0;
      }
    }
    return {lines, rest};
  }

  Source source_;
  const std::function<void(std::string_view)>& on_word_;
  const std::function<void()>& on_line_end_;
  std::vector<char> buffer_;
  std::uint64_t begin_ = 0;  // of the part, in the file
  std::size_t size_ = 0;     // how much of the buffer is filled
  std::size_t next_ = 0;     // where the first word not yet reported begins
  bool ended_ = false;       // the buffer holds the last byte
  std::uint64_t line_ = 1;
  std::int64_t line_start_ = 0;  // its place in the buffer; negative once it has moved out
};

}  // namespace

bool is_divisible(const std::filesystem::path& path) {
  if (path == "-" || !std::filesystem::is_regular_file(path)) return false;
  Source source(path);
  return source.is_plain();
}

void read_words(const std::filesystem::path& path, const FilePart& part,
                const std::function<void(std::string_view word)>& on_word,
                const std::function<void()>& on_line_end) {
  Tokenizer(path, part, on_word, on_line_end).run();
}

}  // namespace partita
