// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/corpus.hpp"

#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/embedding/internal/word_reader.hpp"

namespace partita {

/// Numbers in a file without a name, which disappears once it is closed, whatever happens.
class Corpus::Spool {
 public:
  Spool() : path_((std::filesystem::temp_directory_path() / "partita-corpus-XXXXXX").string()) {
    fd_ = ::mkstemp(path_.data());
    if (fd_ < 0) fail("create");
    ::unlink(path_.c_str());
  }
  ~Spool() { ::close(fd_); }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void write(std::uint64_t position, std::span<const WordId> ids) {
    transfer(position, ids.data(), ids.size(), ::pwrite, "write");
  }
  void read(std::uint64_t position, std::span<WordId> ids) const {
    transfer(position, ids.data(), ids.size(), ::pread, "read");
  }

 private:
  [[noreturn]] void fail(std::string_view what, int error = errno) const {
    throw IoError(path_,
                  fmt::format("cannot {}: {}", what, std::generic_category().message(error)));
  }

  template <class T, class Call>
  void transfer(std::uint64_t position, T* ids, std::size_t count, const Call& call,
                std::string_view what) const {
    auto* data = reinterpret_cast<std::conditional_t<std::is_const_v<T>, const char*, char*>>(ids);
    std::size_t left = count * sizeof(WordId);
    auto offset = static_cast<off_t>(position * sizeof(WordId));
    while (left > 0) {
      const ssize_t done = call(fd_, data, left, offset);
      if (done < 0 && errno == EINTR) continue;
      if (done <= 0) fail(what, done < 0 ? errno : EIO);
      data += done;
      left -= static_cast<std::size_t>(done);
      offset += done;
    }
  }

  std::string path_;
  int fd_ = -1;
};

namespace {

constexpr std::size_t kBlock = 1U << 16U;  // ids on their way to or from the file

std::string name_of(const std::filesystem::path& path) {
  return path == "-" ? "standard input" : path.string();
}

/// Appends to a spool, a block at a time.
template <class Spool>
class Appender {
 public:
  explicit Appender(Spool& spool) : spool_(spool) { block_.reserve(kBlock); }

  void push(WordId id) {
    block_.push_back(id);
    if (block_.size() == kBlock) flush();
  }
  void flush() {
    spool_.write(written_, block_);
    checksum_ = static_cast<std::uint32_t>(::crc32_z(
        checksum_, reinterpret_cast<const Bytef*>(block_.data()), block_.size() * sizeof(WordId)));
    written_ += block_.size();
    block_.clear();
  }
  std::uint64_t size() const { return written_ + block_.size(); }
  /// CRC-32 of what was flushed.
  std::uint32_t checksum() const { return checksum_; }

 private:
  Spool& spool_;
  std::vector<WordId> block_;
  std::uint64_t written_ = 0;
  std::uint32_t checksum_ = 0;
};

[[noreturn]] void refuse_empty(const std::string& name, const WordCounter& counter,
                               std::uint64_t total, std::uint64_t min_count) {
  if (total == 0) throw DataError(name, "no words");
  throw DataError(name, fmt::format("no word occurs {} times (min-count): of {}, the most frequent "
                                    "occurs {} times",
                                    min_count, counter.words(), counter.largest_count()));
}

}  // namespace

Corpus::Corpus(const std::filesystem::path& path, const VocabularyOptions& options,
               const Progress& progress)
    : spool_(std::make_unique<Spool>()), vocabulary_(WordCounter().vocabulary({})) {
  constexpr std::uint64_t kBetweenUpdates = 1U << 18U;  // words
  // First the numbers of a WordCounter, in the order of the text ...
  WordCounter counter;
  Appender text(*spool_);
  std::uint64_t total = 0;
  read_words(
      path,
      [&](std::string_view word) {
        text.push(counter.add(word));
        if (++total % kBetweenUpdates == 0 && progress) progress({total, 0, "words"});
      },
      [&] { text.push(kLineEnd); });
  text.flush();
  if (progress) progress({total, total, "words"});

  std::vector<WordId> ids;
  vocabulary_ = counter.vocabulary(options, &ids);
  if (vocabulary_.size() == 0) refuse_empty(name_of(path), counter, total, options.min_count);

  // ... and in their place, as they become fewer, those of the vocabulary.
  Appender kept(*spool_);
  std::vector<WordId> block(kBlock);
  bool line_ended = false;
  for (std::uint64_t first = 0; first < text.size(); first += block.size()) {
    block.resize(static_cast<std::size_t>(std::min<std::uint64_t>(kBlock, text.size() - first)));
    spool_->read(first, block);
    for (const WordId number : block) {
      if (number == kLineEnd) {
        line_ended = true;
        continue;
      }
      const WordId id = ids[number];
      if (id == WordCounter::kNoWord) continue;
      if (std::exchange(line_ended, false) && kept.size() > 0) kept.push(kLineEnd);
      kept.push(id);
    }
  }
  kept.flush();
  size_ = kept.size();
  checksum_ = kept.checksum();
}

Corpus::~Corpus() = default;
Corpus::Corpus(Corpus&&) noexcept = default;
Corpus& Corpus::operator=(Corpus&&) noexcept = default;

void Corpus::read(std::uint64_t first, std::span<WordId> out) const {
  if (first > size_ || out.size() > size_ - first) {
    throw InvalidArgument("first", fmt::format("expected positions below {}, got {}..{}", size_,
                                               first, first + out.size()));
  }
  spool_->read(first, out);
}

}  // namespace partita
