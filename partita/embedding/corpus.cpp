// SPDX-License-Identifier: Apache-2.0
#include "partita/embedding/corpus.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>
#include <zlib.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include "partita/base/error.hpp"
#include "partita/embedding/internal/word_reader.hpp"
#include "partita/io/archive.hpp"

namespace partita {

/// Numbers in a file without a name, which disappears once it is closed, whatever happens.
class Corpus::Spool {
 public:
  Spool() : path_(directory()) {
    constexpr mode_t kMode = 0600;
    fd_ = ::open(path_.c_str(), O_RDWR | O_TMPFILE | O_CLOEXEC, kMode);
    if (fd_ >= 0) return;
    std::string name = path_ + "/partita-corpus-XXXXXX";  // the file system knows only names
    fd_ = ::mkostemp(name.data(), O_CLOEXEC);
    if (fd_ < 0) fail("make a temporary file");
    ::unlink(name.c_str());
  }
  ~Spool() { ::close(fd_); }
  Spool(const Spool&) = delete;
  Spool& operator=(const Spool&) = delete;

  void write(std::uint64_t position, std::span<const WordId> ids) {
    transfer(position, ids.data(), ids.size(), ::pwrite, "write the words");
  }
  void read(std::uint64_t position, std::span<WordId> ids) const {
    transfer(position, ids.data(), ids.size(), ::pread, "read the words");
  }

 private:
  static std::string directory() {
    std::error_code error;
    const std::filesystem::path found = std::filesystem::temp_directory_path(error);
    if (error) throw IoError("TMPDIR", "not a directory for temporary files: " + error.message());
    return found.string();
  }

  [[noreturn]] void fail(std::string_view what, int error = errno) const {
    throw IoError(path_, fmt::format("cannot {}: {} (TMPDIR chooses another directory)", what,
                                     std::generic_category().message(error)));
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

/// CRC-32 of what came before, whose own is `before`, and these.
std::uint32_t checksum_of(std::span<const WordId> ids, std::uint32_t before) {
  return static_cast<std::uint32_t>(
      ::crc32_z(before, reinterpret_cast<const Bytef*>(ids.data()), ids.size_bytes()));
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
    checksum_ = checksum_of(block_, checksum_);
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

/// The words that all ranks have counted, in the order of the text. Fills `numbers` with what this
/// rank's own numbers are there.
void add_up(const WordCounter& own, Group& group, WordCounter& all,
            std::vector<std::uint32_t>& numbers) {
  constexpr std::string_view kKind = "word counts";
  ArchiveWriter counted(kKind, 1);
  counted.u64(own.words());
  for (std::uint32_t number = 0; number < own.words(); ++number) {
    counted.string(own.word(number));
    counted.u64(own.count(number));
  }
  const std::vector<std::string> parts = all_gather_bytes(counted.bytes(), group);
  for (std::size_t rank = 0; rank < parts.size(); ++rank) {
    ArchiveReader in = ArchiveReader::from_bytes("what a rank has counted", parts[rank], kKind, 1);
    for (std::uint64_t left = in.u64(); left > 0; --left) {
      const std::string word = in.string();
      const std::uint32_t number = all.add(word, in.u64());
      if (rank == static_cast<std::size_t>(group.rank())) numbers.push_back(number);
    }
  }
}

[[noreturn]] void refuse_empty(const std::string& name, const WordCounter& counter,
                               std::uint64_t min_count) {
  if (counter.words() == 0) throw DataError(name, "no words");
  throw DataError(name, fmt::format("no word occurs {} times (min-count): of {}, the most frequent "
                                    "occurs {} times",
                                    min_count, counter.words(), counter.largest_count()));
}

/// Of all ranks. Fills `ids` with the id of each number of this rank's counter.
Vocabulary vocabulary_of(const WordCounter& own, const VocabularyOptions& options,
                         const std::string& name, Group& group, std::vector<WordId>& ids) {
  if (group.size() == 1) {
    Vocabulary vocabulary = own.vocabulary(options, &ids);
    if (vocabulary.size() == 0) refuse_empty(name, own, options.min_count);
    return vocabulary;
  }
  WordCounter all;
  std::vector<std::uint32_t> numbers;
  add_up(own, group, all, numbers);
  std::vector<WordId> ids_of_all;
  Vocabulary vocabulary = all.vocabulary(options, &ids_of_all);
  if (vocabulary.size() == 0) refuse_empty(name, all, options.min_count);
  for (const std::uint32_t number : numbers) ids.push_back(ids_of_all[number]);
  return vocabulary;
}

/// What a rank keeps of its part of a text.
struct Part {
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;
  bool line_ends_before = false;  ///< between the part's begin and the first position
  bool line_ends_after = false;   ///< between the last position and the part's end
};

/// Those of all ranks, where a line end between two parts has become the last position of the
/// first of them.
std::vector<Part> joined(const Part& own, Group& group) {
  const std::vector<double> told = group.all_gather(std::array<double, 4>{
      static_cast<double>(own.size), static_cast<double>(own.checksum),
      static_cast<double>(own.line_ends_before), static_cast<double>(own.line_ends_after)});
  std::vector<Part> parts;
  for (std::size_t i = 0; i < told.size(); i += 4) {
    parts.push_back({static_cast<std::uint64_t>(told[i]), static_cast<std::uint32_t>(told[i + 1]),
                     told[i + 2] > 0, told[i + 3] > 0});
  }
  Part* before = nullptr;
  bool line_ended = false;
  for (Part& part : parts) {
    line_ended = line_ended || part.line_ends_before;
    if (part.size == 0) continue;
    if (before != nullptr && line_ended) {
      before->size += 1;
      before->checksum = checksum_of(std::array{Corpus::kLineEnd}, before->checksum);
    }
    before = &part;
    line_ended = part.line_ends_after;
  }
  return parts;
}

}  // namespace

Corpus::Corpus(const std::filesystem::path& path, const VocabularyOptions& options,
               const Progress& progress, Group& group)
    : spool_(std::make_unique<Spool>()), vocabulary_(WordCounter().vocabulary({})) {
  constexpr std::uint64_t kBetweenUpdates = 1U << 18U;  // words
  double whole = group.size() > 1 && is_divisible(path) ? 0 : 1;
  group.all_reduce(std::span(&whole, 1), Reduction::max);
  Group& readers = whole > 0 ? Group::alone() : group;

  // First the numbers of a WordCounter, in the order of the text ...
  WordCounter own;
  Appender text(*spool_);
  std::uint64_t words = 0;
  read_words(
      path, {static_cast<std::size_t>(readers.rank()), static_cast<std::size_t>(readers.size())},
      [&](std::string_view word) {
        text.push(own.add(word));
        if (++words % kBetweenUpdates == 0 && progress) progress({words, 0, "words"});
      },
      [&] { text.push(kLineEnd); });
  text.flush();
  if (progress) progress({words, words, "words"});

  std::vector<WordId> ids;
  vocabulary_ = vocabulary_of(own, options, name_of(path), readers, ids);

  // ... and in their place, as they become fewer, those of the vocabulary.
  Appender kept(*spool_);
  std::vector<WordId> block(kBlock);
  Part part;
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
      if (std::exchange(line_ended, false)) {
        if (kept.size() > 0) {
          kept.push(kLineEnd);
        } else {
          part.line_ends_before = true;
        }
      }
      kept.push(id);
    }
  }
  (kept.size() > 0 ? part.line_ends_after : part.line_ends_before) = line_ended;
  kept.flush();
  part.size = kept.size();
  part.checksum = kept.checksum();
  const std::vector<Part> parts = joined(part, readers);
  if (parts[static_cast<std::size_t>(readers.rank())].size > kept.size()) {
    kept.push(kLineEnd);
    kept.flush();
  }
  for (int rank = 0; rank < readers.size(); ++rank) {
    const auto& [size, checksum, before, after] = parts[static_cast<std::size_t>(rank)];
    if (rank == readers.rank()) {
      first_ = size_;
      last_ = size_ + size;
    }
    size_ += size;
    checksum_ = static_cast<std::uint32_t>(
        ::crc32_combine(checksum_, checksum, static_cast<z_off_t>(size * sizeof(WordId))));
  }
}

Corpus::~Corpus() = default;
Corpus::Corpus(Corpus&&) noexcept = default;
Corpus& Corpus::operator=(Corpus&&) noexcept = default;

void Corpus::read(std::uint64_t first, std::span<WordId> out) const {
  if (first < first_ || first > last_ || out.size() > last_ - first) {
    throw InvalidArgument("first", fmt::format("expected positions {}..{}, got {}..{}", first_,
                                               last_, first, first + out.size()));
  }
  spool_->read(first - first_, out);
}

}  // namespace partita
