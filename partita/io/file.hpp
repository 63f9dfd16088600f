// SPDX-License-Identifier: Apache-2.0
// Whole files: read, mapped, and written so that a reader never sees half of one.
//
//   std::string bytes = partita::read_file("words.txt");
//   partita::write_file("words.model", bytes);     // the old file or the new one, never a mixture
//
//   partita::MappedFile file("logits.npy");        // 10 GB? Only the pages used are read.
//   std::string_view view = file.bytes();
//
// The path "-" is standard input, or standard output, as "/dev/stdin" and "/dev/stdout" are; a file
// of that name is "./-". Everything here throws IoError, which names the path and the system's
// reason.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <string>
#include <string_view>

namespace partita {

/// All bytes of a file (or of a pipe, until its end).
/// @throws IoError
std::string read_file(const std::filesystem::path& path);

/// Replaces a file: writes a new one beside it (".NAME.PID.N.part"), syncs it to disk, and renames
/// it over the old one. A reader of `path`, at any moment and after any crash, finds the old bytes
/// or the new ones. On failure the new file is removed. A link is followed, also to a file that
/// does not exist yet; the mode of an existing file is kept; a device or pipe (/dev/stdout) is
/// written directly.
/// @throws IoError
void write_file(const std::filesystem::path& path, std::string_view bytes);

/// The same, with the bytes in several pieces (a header and its data).
void write_file(const std::filesystem::path& path, std::initializer_list<std::string_view> pieces);

/// Receives the next bytes of a file that is being written.
using Sink = std::function<void(std::string_view bytes)>;

/// The same, with bytes that are never in memory all at once: `produce` is called once and passes
/// them to its sink. If it throws, the old file stays.
void write_file(const std::filesystem::path& path,
                const std::function<void(const Sink& sink)>& produce);

/// Adds bytes at the end of a file, which is made if there is none. On failure the file keeps its
/// old size: no half line stays in a log.
/// @throws IoError
void append_file(const std::filesystem::path& path, std::string_view bytes);

/// Removes the new files of every write_file() that has not ended, which will not end. For a
/// handler of SIGTERM and its like, before the process ends: it neither locks nor allocates. Knows
/// up to 16 files at once, with paths of up to 4095 bytes.
void remove_unfinished_files() noexcept;

/// Throws what write_file() would for this path, before the work whose result goes there: the
/// directory is missing or may not be written, the file may not be written or is a mount point,
/// which cannot be replaced. Leaves everything as it is.
/// @throws IoError
void check_writable(const std::filesystem::path& path);

/// Whether a path is "-", a device or a pipe, so that no extension says what it holds.
bool is_stream(const std::filesystem::path& path);

/// The path by which messages name a file: "standard input" for "-".
std::string input_name(const std::filesystem::path& path);

/// A file's bytes, mapped read-only for as long as this lives. A pipe is read into memory, and a
/// gzip file inflated there. Another process must not shorten a mapped file meanwhile: the next
/// access to what is missing raises SIGBUS (mapped_path). One that replaces the file, as write_file
/// does, is fine.
class MappedFile {
 public:
  /// @throws IoError; DataError for damaged gzip data
  explicit MappedFile(const std::filesystem::path& path);
  ~MappedFile();
  MappedFile(MappedFile&& other) noexcept;
  MappedFile& operator=(MappedFile&& other) noexcept;
  MappedFile(const MappedFile&) = delete;
  MappedFile& operator=(const MappedFile&) = delete;

  std::string_view bytes() const {
    return mapped_ != nullptr ? std::string_view(static_cast<const char*>(mapped_), size_)
                              : std::string_view(read_);
  }

 private:
  void unmap();

  void* mapped_ = nullptr;
  std::size_t size_ = 0;
  std::string read_;  // in place of a mapping: an empty file, a pipe, what was compressed
};

/// The path of the MappedFile that an address belongs to; nullptr if there is none. May be called
/// from a handler of SIGBUS, to say which file was shortened.
const char* mapped_path(const void* address) noexcept;

}  // namespace partita
