#include "partita/io/file.hpp"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdint>
#include <string>
#include <system_error>
#include <utility>

#include "partita/base/error.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;

[[noreturn]] void fail(const fs::path& path, std::string_view what, int error = errno) {
  throw IoError(path.string(),
                fmt::format("cannot {}: {}", what, std::generic_category().message(error)));
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
  if (::fstat(file.get(), &status) != 0) fail(path, "read");
  if (S_ISDIR(status.st_mode)) fail(path, "read", EISDIR);
  return status;
}

Descriptor open_for_reading(const fs::path& path) {
  const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  if (fd < 0) fail(path, "open");
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
    if (got < 0) fail(path, "read");
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
    if (put < 0) fail(path, "write");
    rest.remove_prefix(static_cast<std::size_t>(put));
  }
}

/// Bytes of the old name that the new one keeps; file systems allow 255 in all.
constexpr std::size_t kLongestName = 200;

/// The new file beside the old one. Removed again unless it was renamed.
class Beside {
 public:
  Beside(const fs::path& target, mode_t mode) : target_(target) {
    static std::atomic<std::uint64_t> counter{0};
    const std::string name = target.filename().string().substr(0, kLongestName);
    do {
      path_ = target.parent_path() / fmt::format(".{}.{}.{}.part", name, ::getpid(), counter++);
      fd_ = ::open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
    } while (fd_ < 0 && errno == EEXIST);  // left by a killed process that had our number
    if (fd_ < 0) fail(target, "write");
  }
  ~Beside() {
    if (!renamed_) ::unlink(path_.c_str());
  }
  Beside(const Beside&) = delete;
  Beside& operator=(const Beside&) = delete;

  int fd() const { return fd_; }

  void rename() {
    if (::rename(path_.c_str(), target_.c_str()) != 0) fail(target_, "replace");
    renamed_ = true;
  }

 private:
  fs::path target_;
  fs::path path_;
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
  std::error_code unresolved;
  const fs::path resolved = fs::weakly_canonical(path, unresolved);  // through links
  const fs::path& target = unresolved ? path : resolved;
  struct stat old {};
  const bool exists = ::stat(target.c_str(), &old) == 0;
  if (exists && S_ISDIR(old.st_mode)) fail(path, "write", EISDIR);
  if (exists && !S_ISREG(old.st_mode)) {
    Descriptor device(::open(target.c_str(), O_WRONLY | O_CLOEXEC));
    if (!device.ok()) fail(path, "write");
    produce([&](std::string_view bytes) { write_all(device, path, bytes); });
    if (device.close() != 0) fail(path, "write");
    return;
  }
  // A file that may not be written must not be replaced either.
  if (exists && ::access(target.c_str(), W_OK) != 0) fail(path, "write");

  Beside beside(target, 0666);
  Descriptor file(beside.fd());
  if (exists && ::fchmod(file.get(), old.st_mode & 07777U) != 0) fail(path, "write");
  produce([&](std::string_view bytes) { write_all(file, path, bytes); });
  if (::fsync(file.get()) != 0) fail(path, "write");
  if (file.close() != 0) fail(path, "write");
  beside.rename();
  sync_directory(target);
}

MappedFile::MappedFile(const fs::path& path) {
  const Descriptor file = open_for_reading(path);
  const struct stat status = status_of(file, path);
  if (!S_ISREG(status.st_mode) || status.st_size == 0) {
    read_ = read_all(file, path, 0);
    return;
  }
  size_ = static_cast<std::size_t>(status.st_size);
  mapped_ = ::mmap(nullptr, size_, PROT_READ, MAP_PRIVATE, file.get(), 0);
  if (mapped_ == MAP_FAILED) {
    mapped_ = nullptr;
    fail(path, "map");
  }
}

MappedFile::~MappedFile() {
  if (mapped_ != nullptr) ::munmap(mapped_, size_);
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
