// SPDX-License-Identifier: Apache-2.0
// Preloaded into a program under test: lets one call that writes files fail, or ends the program
// there. What counts is every call that changes files: open for writing, write, fsync, ftruncate,
// close, rename, unlink; streams 0 to 2, pipes and devices do not. PARTITA_FAULT says what happens:
//
//   signal:N:SIGNAL   before the N-th call (from 1) the process sends itself a signal
//   fail:N:ERRNO      the N-th call fails
//   full:BYTES        the disk is full after so many bytes: the last write is a short one
//   short:SEED        writes take a part of what they are given, or are interrupted; nothing fails
//   revoke:N:DIR      before the N-th call a directory gets another name, DIR.gone
//
// PARTITA_FAULT_COUNT names a file in which calls and bytes are counted (struct Count). Only
// programs whose name begins with PARTITA_FAULT_PROGRAM take part.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct Count {
  atomic_ulong calls, bytes, fired;
};

static enum { NOTHING, SIGNAL, FAIL, FULL, SHORT, REVOKE } fault = NOTHING;
static unsigned long at;  // the call, the byte or the seed
static long what;         // the signal or the error
static char directory[4096];
static struct Count private_count;
static struct Count* count = &private_count;
static bool takes_part = false;

__attribute__((constructor)) static void begin(void) {
  const char* const program = getenv("PARTITA_FAULT_PROGRAM");
  if (program == NULL || strncmp(program_invocation_short_name, program, strlen(program)) != 0) {
    return;
  }
  const char* const file = getenv("PARTITA_FAULT_COUNT");
  if (file != NULL) {
    const int fd = open(file, O_RDWR | O_CLOEXEC);
    void* const shared = mmap(NULL, sizeof *count, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (shared != MAP_FAILED) count = shared;
    close(fd);
  }
  const char* const text = getenv("PARTITA_FAULT");
  if (text != NULL) {
    char kind[16] = "";
    if (sscanf(text, "%15[a-z]:%lu:%4095s", kind, &at, directory) < 2) abort();
    what = strtol(directory, NULL, 10);
    static const char* const kinds[] = {"", "signal", "fail", "full", "short", "revoke"};
    for (int i = SIGNAL; i <= REVOKE; ++i) {
      if (strcmp(kind, kinds[i]) == 0) fault = i;
    }
    if (fault == NOTHING) abort();
  }
  takes_part = true;
}

// The next definition of a function; name(...) below shadows it.
#define NEXT(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

/// Counts a call; nonzero if it is to fail, with errno.
static bool fails(void) {
  if (!takes_part) return false;
  const unsigned long number = atomic_fetch_add(&count->calls, 1) + 1;
  if (number != at) return false;
  switch (fault) {
    case SIGNAL:
      atomic_store(&count->fired, 1);
      kill(getpid(), (int)what);
      return false;
    case REVOKE: {
      char gone[sizeof directory + 8];
      snprintf(gone, sizeof gone, "%s.gone", directory);
      atomic_store(&count->fired, 1);
      NEXT(rename)(directory, gone);
      return false;
    }
    case FAIL:
      atomic_store(&count->fired, 1);
      errno = (int)what;
      return true;
    default:
      return false;
  }
}

static bool is_counted(int fd) {
  struct stat status;
  return takes_part && fd > 2 && fstat(fd, &status) == 0 && S_ISREG(status.st_mode) &&
         (fcntl(fd, F_GETFL) & O_ACCMODE) != O_RDONLY;
}

/// How many of `size` bytes a write takes; -1, with errno, if it fails.
static ssize_t taken(int fd, size_t size) {
  if (!is_counted(fd) || size == 0) return (ssize_t)size;
  if (fails()) return -1;
  if (fault == SHORT) {
    at = at * 6364136223846793005UL + 1442695040888963407UL;
    atomic_store(&count->fired, 1);
    if ((at >> 33) % 4 == 0) {
      errno = EINTR;
      return -1;
    }
    size = 1 + (at >> 33) % size;
  }
  const unsigned long before = atomic_fetch_add(&count->bytes, size);
  if (fault != FULL || before + size <= at) return (ssize_t)size;
  atomic_store(&count->fired, 1);
  if (before < at) return (ssize_t)(at - before);
  errno = ENOSPC;
  return -1;
}

ssize_t write(int fd, const void* bytes, size_t size) {
  const ssize_t part = taken(fd, size);
  return part < 0 ? part : NEXT(write)(fd, bytes, (size_t)part);
}

ssize_t writev(int fd, const struct iovec* pieces, int number) {
  if (!is_counted(fd)) return NEXT(writev)(fd, pieces, number);
  for (int i = 0; i < number; ++i) {  // the first that is not empty: a short write
    if (pieces[i].iov_len > 0) return write(fd, pieces[i].iov_base, pieces[i].iov_len);
  }
  return 0;
}

ssize_t pwrite(int fd, const void* bytes, size_t size, off_t offset) {
  const ssize_t part = taken(fd, size);
  return part < 0 ? part : NEXT(pwrite)(fd, bytes, (size_t)part, offset);
}

ssize_t pwrite64(int fd, const void* bytes, size_t size, off64_t offset) {
  const ssize_t part = taken(fd, size);
  return part < 0 ? part : NEXT(pwrite64)(fd, bytes, (size_t)part, offset);
}

size_t fwrite(const void* bytes, size_t size, size_t number, FILE* file) {
  if (size == 0 || fault == SHORT) return NEXT(fwrite)(bytes, size, number, file);
  const ssize_t part = taken(fileno(file), size * number);
  if (part < 0) return 0;
  return NEXT(fwrite)(bytes, size, (size_t)part / size, file);
}

/// The mode is there only with these flags.
static mode_t mode_of(int flags, va_list rest) {
  return (flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE ? va_arg(rest, mode_t) : 0;
}

static bool open_fails(int flags) { return (flags & O_ACCMODE) != O_RDONLY && fails(); }

#define OPEN(name)                                                 \
  int name(const char* path, int flags, ...) {                     \
    va_list rest;                                                  \
    va_start(rest, flags);                                         \
    const mode_t mode = mode_of(flags, rest);                      \
    va_end(rest);                                                  \
    return open_fails(flags) ? -1 : NEXT(name)(path, flags, mode); \
  }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                       \
  int name(int folder, const char* path, int flags, ...) {                 \
    va_list rest;                                                          \
    va_start(rest, flags);                                                 \
    const mode_t mode = mode_of(flags, rest);                              \
    va_end(rest);                                                          \
    return open_fails(flags) ? -1 : NEXT(name)(folder, path, flags, mode); \
  }
OPENAT(openat)
OPENAT(openat64)

int close(int fd) {
  if (!is_counted(fd) || !fails()) return NEXT(close)(fd);
  const int error = errno;
  NEXT(close)(fd);  // as Linux does even then
  errno = error;
  return -1;
}

int fsync(int fd) { return is_counted(fd) && fails() ? -1 : NEXT(fsync)(fd); }

int ftruncate(int fd, off_t size) { return fails() ? -1 : NEXT(ftruncate)(fd, size); }

int rename(const char* from, const char* to) { return fails() ? -1 : NEXT(rename)(from, to); }

int unlink(const char* path) {
  if (fault != FAIL) fails();  // a file that cannot be removed stays: there is no other way
  return NEXT(unlink)(path);
}
