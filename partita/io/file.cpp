// SPDX-License-Identifier: Apache-2.0
#include "partita/io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <cstdint>
#include <mutex>
#include <optional>
#include <string>
#include <system_error>
#include <utility>

#include "partita/base/error.hpp"
#include "partita/io/gzip.hpp"
#include "partita/io/internal/unfinished.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

bool is_standard(const fs::path& path) {
  return path == "-" || path == "/dev/stdin" || path == "/dev/stdout";
}

[[noreturn]] void fail(const std::string& name, std::string_view what, int error = errno) {
  throw IoError(name, fmt::format("cannot {}: {}", what, std::generic_category().message(error)));
}

[[noreturn]] void fail_to_write(const fs::path& path, int error = errno) {
  fail(is_standard(path) ? "standard output" : path.string(), "write", error);
}

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;

  int get() const { return fd_; }
  bool ok() const { return fd_ >= 0; }
  /// For a writer: a file system may report only here that the disk is full.
  int close() { return ::close(std::exchange(fd_, -1)); }

 private:
  int fd_;
};

struct stat status_of(const Descriptor& file, const fs::path& path) {
  struct stat status {};
  if (::fstat(file.get(), &status) != 0) fail(input_name(path), "read");
  if (S_ISDIR(status.st_mode)) fail(input_name(path), "read", EISDIR);
  return status;
}

Descriptor open_for_reading(const fs::path& path) {
  const int fd =
      is_standard(path) ? ::dup(STDIN_FILENO) : ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(input_name(path), "open");
  return Descriptor(fd);
}

std::string read_all(const Descriptor& file, const fs::path& path, std::size_t size_hint) {
  constexpr std::size_t kStep = 1U << 16U;
  std::string bytes;
  std::size_t used = 0;
  for (;;) {
    if (bytes.size() - used < kStep) bytes.resize(std::max(used + used / 2, size_hint) + kStep);
    const ssize_t got = ::read(file.get(), bytes.data() + used, bytes.size() - used);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) fail(input_name(path), "read");
    if (got == 0) break;
    used += static_cast<std::size_t>(got);
  }
  bytes.resize(used);
  return bytes;
}

void write_all(const Descriptor& file, const fs::path& path, std::string_view rest) {
  while (!rest.empty()) {
    const ssize_t put = ::write(file.get(), rest.data(), rest.size());
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) fail_to_write(path);
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
}

/// The files that are mapped now, as many as the table holds: what mapped_path() looks up, which
/// may neither lock nor allocate.
struct Mapping {
  std::atomic<const char*> begin;
  std::size_t size = 0;
  std::array<char, 256> path{};
};
std::array<Mapping, 64> mappings{};
std::mutex mappings_mutex;

void remember(const void* begin, std::size_t size, const std::string& path) {
  const std::scoped_lock lock(mappings_mutex);
  const auto free = std::find_if(mappings.begin(), mappings.end(),
                                 [](const Mapping& each) { return each.begin == nullptr; });
  if (free == mappings.end()) return;
  free->size = size;
  free->path.fill('\0');
  path.copy(free->path.data(), free->path.size() - 1);
  free->begin = static_cast<const char*>(begin);
}

void forget(const void* begin) {
  const std::scoped_lock lock(mappings_mutex);
  for (Mapping& each : mappings) {
    if (each.begin == begin) each.begin = nullptr;
  }
}

/// What a path to write leads to.
struct Target {
  fs::path path;  // through links, also through a last one that leads nowhere
  bool exists = false;
  struct stat status {};

  /// Whether it is written directly: a device or a pipe.
  bool direct() const { return exists && !S_ISREG(status.st_mode); }
};

Target target_of(const fs::path& path) {
  Target target{path};
  if (path.empty()) fail_to_write(path, ENOENT);
  if (is_standard(path)) {
    target.path = "/dev/stdout";
    target.exists = ::fstat(STDOUT_FILENO, &target.status) == 0;
    target.status.st_mode = S_IFCHR;  // whatever it is, it is not to be replaced
    return target;
  }
  target.exists = ::stat(path.c_str(), &target.status) == 0;
  std::error_code error;
  if (target.exists) {
    if (S_ISDIR(target.status.st_mode)) fail_to_write(path, EISDIR);
    if (fs::path real = fs::canonical(path, error); !error) target.path = std::move(real);
    return target;
  }
  if (errno != ENOENT) fail_to_write(path);
  while (fs::is_symlink(target.path, error)) {  // stat would have said ELOOP
    target.path = target.path.parent_path() / fs::read_symlink(target.path);
  }
  return target;
}

/// Throws unless the target may be replaced, or written directly.
void check_permitted(const Target& target, const fs::path& path) {
  // A file that may not be written must not be replaced either.
  if (!target.exists) return;
  if (!is_standard(path) && ::access(target.path.c_str(), W_OK) != 0) fail_to_write(path);
  struct statx facts {};
  if (!target.direct() && ::statx(AT_FDCWD, target.path.c_str(), 0, STATX_TYPE, &facts) == 0 &&
      (facts.stx_attributes & STATX_ATTR_MOUNT_ROOT) != 0) {
    throw IoError(path.string(), "cannot write: it is a mount point, which cannot be replaced");
  }
}

/// Bytes of the old name that the new one keeps; file systems allow 255 in all.
constexpr std::size_t kLongestName = 200;

/// The new file beside the old one. Removed again unless it was renamed.
class Beside {
 public:
  Beside(const Target& target, const fs::path& path) : target_(target.path) {
    static std::atomic<std::uint64_t> counter{0};
    constexpr mode_t kMode = 0666;
    const std::string name = target_.filename().string().substr(0, kLongestName);
    int fd = -1;
    do {
      path_ = target_.parent_path() / fmt::format(".{}.{}.{}.part", name, ::getpid(), counter++);
      unfinished_.emplace(path_);  // before it is there, so that no moment is without
      fd = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, kMode);
    } while (fd < 0 && errno == EEXIST);  // left by a killed process that had our number
    if (fd < 0) fail_to_write(path);
    fd_ = fd;
  }
  ~Beside() {
    if (!renamed_) ::unlink(path_.c_str());
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  int fd() const { return fd_; }

  void rename() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail(target_.string(), "replace");
    renamed_ = true;
  }

 private:
  fs::path target_;
  fs::path path_;
  std::optional<Unfinished> unfinished_;
  int fd_ = -1;
  bool renamed_ = false;
};

/// Has a rename in the directory of `path` reach the disk. Some file systems cannot, and that is
/// not worth a failure: the bytes themselves are safe.
void sync_directory(const fs::path& path) {
  const fs::path directory = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const Descriptor opened(::open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (opened.ok()) ::fsync(opened.get());
}

}  // namespace

std::string read_file(const fs::path& path) {
  const Descriptor file = open_for_reading(path);
  return read_all(file, path, static_cast<std::size_t>(status_of(file, path).st_size));
}

void write_file(const fs::path& path, std::string_view bytes) { write_file(path, {bytes}); }

void write_file(const fs::path& path, std::initializer_list<std::string_view> pieces) {
  write_file(path, [&](const Sink& sink) {
    for (const std::string_view piece : pieces) sink(piece);
  });
}

void write_file(const fs::path& path, const std::function<void(const Sink& sink)>& produce) {
  const Target target = target_of(path);
  check_permitted(target, path);
  const auto written_to = [&](const Descriptor& file) {
    produce([&](std::string_view bytes) { write_all(file, path, bytes); });
  };
  if (target.direct()) {
    Descriptor device(is_standard(path) ? ::dup(STDOUT_FILENO)
                                        : ::open(target.path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!device.ok()) fail_to_write(path);
    written_to(device);
    if (device.close() != 0) fail_to_write(path);
    return;
  }
  Beside beside(target, path);
  Descriptor file(beside.fd());
  if (target.exists && ::fchmod(file.get(), target.status.st_mode & 07777U) != 0) {
    fail_to_write(path);
  }
  written_to(file);
  if (::fsync(file.get()) != 0) fail_to_write(path);
  if (file.close() != 0) fail_to_write(path);
  beside.rename();
  sync_directory(target.path);
}

void append_file(const fs::path& path, std::string_view bytes) {
  constexpr mode_t kMode = 0666;
  const Descriptor file(
      is_standard(path) ? ::dup(STDOUT_FILENO)
                        : ::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, kMode));
  if (!file.ok()) fail_to_write(path);
  struct stat before {};
  if (::fstat(file.get(), &before) != 0) fail_to_write(path);
  try {
    write_all(file, path, bytes);
  } catch (const IoError&) {
    // A device has no size, and a pipe keeps what it got.
    if (S_ISREG(before.st_mode) && ::ftruncate(file.get(), before.st_size) != 0) {
      fail(path.string(), "take back half a line");
    }
    throw;
  }
}

void remove_unfinished_files() noexcept { Unfinished::remove_all(); }

void check_writable(const fs::path& path) {
  const Target target = target_of(path);
  check_permitted(target, path);
  if (target.direct()) return;
  const Beside beside(target, path);
  const Descriptor file(beside.fd());
}

bool is_stream(const fs::path& path) {
  std::error_code ignored;
  return path == "-" || path.string().starts_with("/dev/") || fs::is_other(path, ignored);
}

std::string input_name(const fs::path& path) {
  return is_standard(path) ? "standard input" : path.string();
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file = open_for_reading(path);
  const struct stat status = status_of(file, path);
  if (!S_ISREG(status.st_mode) || status.st_size == 0) {
    read_ = read_all(file, path, 0);
    if (is_gzip(read_)) read_ = gunzip(input_name(path), read_);
    return;
  }
  size_ = static_cast<std::size_t>(status.st_size);
  mapped_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped_ == MAP_FAILED) {
    mapped_ = nullptr;
    fail(input_name(path), "map");
  }
  remember(mapped_, size_, input_name(path));
  if (is_gzip(bytes())) {
    read_ = gunzip(input_name(path), bytes());
    unmap();
  }
}

MappedFile::~MappedFile() { unmap(); }

void MappedFile::unmap() {
  if (mapped_ == nullptr) return;
  forget(mapped_);
  ::munmap(mapped_, size_);
  mapped_ = nullptr;
}

const char* mapped_path(const void* address) noexcept {
  const auto* const byte = static_cast<const char*>(address);
  for (const Mapping& each : mappings) {
    const char* const begin = each.begin;
    if (begin != nullptr && byte >= begin && byte < begin + each.size) return each.path.data();
  }
  return nullptr;
}

MappedFile::MappedFile(MappedFile&& other) noexcept
    : mapped_(std::exchange(other.mapped_, nullptr)),
      size_(std::exchange(other.size_, 0)),
      read_(std::move(other.read_)) {}

MappedFile& MappedFile::operator=(MappedFile&& other) noexcept {
  std::swap(mapped_, other.mapped_);
  std::swap(size_, other.size_);
  std::swap(read_, other.read_);
  return *this;
}

}  // namespace partita
