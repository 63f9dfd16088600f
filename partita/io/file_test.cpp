// SPDX-License-Identifier: Apache-2.0
#include "partita/io/file.hpp"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>
#include <thread>

#include "errors.hpp"
#include "partita/base/error.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::message_of;
using testing::TemporaryDirectory;

std::size_t entries(const fs::path& directory) {
  return static_cast<std::size_t>(std::distance(fs::directory_iterator(directory), {}));
}

TEST(File, IsReadAsItWasWritten) {
  const TemporaryDirectory dir;
  std::string bytes(300000, '\0');
  for (std::size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i * 7);
  for (const std::string& content : {bytes, std::string(), std::string("x")}) {
    write_file(dir / "a", content);
    EXPECT_EQ(read_file(dir / "a"), content);
    EXPECT_EQ(MappedFile(dir / "a").bytes(), content);
  }
  EXPECT_EQ(entries(dir.path()), 1U);
}

TEST(File, PiecesFollowEachOther) {
  const TemporaryDirectory dir;
  write_file(dir / "a", {"one ", "", "two"});
  EXPECT_EQ(read_file(dir / "a"), "one two");
}

TEST(File, ARefusalNamesPathAndReasonAndLeavesNothing) {
  const TemporaryDirectory dir;
  EXPECT_THAT(message_of<IoError>([&] { read_file(dir / "none"); }),
              AllOf(HasSubstr(dir / "none"), HasSubstr("No such file or directory")));
  EXPECT_THAT(message_of<IoError>([&] { MappedFile(dir / "none"); }),
              HasSubstr("No such file or directory"));
  EXPECT_THAT(message_of<IoError>([&] { read_file(dir.path()); }), HasSubstr("Is a directory"));
  EXPECT_THAT(message_of<IoError>([&] { write_file(dir.path(), "x"); }),
              HasSubstr("Is a directory"));
  EXPECT_THAT(message_of<IoError>([&] { write_file(dir / "none/a", "x"); }),
              AllOf(HasSubstr(dir / "none/a"), HasSubstr("No such file or directory")));
  EXPECT_EQ(entries(dir.path()), 0U);
}

TEST(File, ADiskThatIsFullIsReported) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  EXPECT_THAT(message_of<IoError>([&] { write_file("/dev/full", "x"); }),
              HasSubstr("No space left on device"));
}

TEST(File, KeepsTheModeAndFollowsALink) {
  const TemporaryDirectory dir;
  write_file(dir / "a", "old");
  ASSERT_EQ(::chmod((dir / "a").c_str(), 0640), 0);
  fs::create_symlink("a", dir / "link");
  write_file(dir / "link", "new");
  EXPECT_EQ(read_file(dir / "a"), "new");
  EXPECT_TRUE(fs::is_symlink(dir / "link"));
  EXPECT_EQ(fs::status(dir / "a").permissions(), static_cast<fs::perms>(0640));
}

TEST(File, ALinkThatLeadsNowhereIsFollowed) {
  const TemporaryDirectory dir;
  fs::create_symlink("b", dir / "a");
  fs::create_symlink("c", dir / "b");
  check_writable(dir / "a");
  write_file(dir / "a", "x");
  EXPECT_EQ(read_file(dir / "c"), "x");
  EXPECT_TRUE(fs::is_symlink(dir / "a"));
  fs::create_symlink("none/d", dir / "e");
  EXPECT_THAT(message_of<IoError>([&] { write_file(dir / "e", "x"); }), HasSubstr("No such file"));
  EXPECT_TRUE(fs::is_symlink(dir / "e"));
  fs::create_symlink("f", dir / "f");
  EXPECT_THAT(message_of<IoError>([&] { write_file(dir / "f", "x"); }),
              HasSubstr("Too many levels"));
}

// What check_writable() refuses, write_file() does, with the same words; neither leaves a trace.
TEST(File, WhatCannotBeWrittenIsKnownBefore) {
  const TemporaryDirectory dir;
  write_file(dir / "file", "old");
  fs::create_directory(dir / "directory");
  for (const std::string& path :
       {dir / "none/a", dir / "file/a", dir / "directory", dir / std::string(256, 'n'),
        dir / "directory/", std::string(), std::string("/proc/version"), std::string("/proc/a")}) {
    const std::string before = message_of<IoError>([&] { check_writable(path); });
    EXPECT_EQ(before, message_of<IoError>([&] { write_file(path, "x"); })) << path;
    EXPECT_THAT(before, HasSubstr(": cannot write: ")) << path;
  }
  for (const std::string& path :
       {dir / "file", dir / "new", std::string("/dev/null"), std::string("-")}) {
    check_writable(path);
  }
  EXPECT_EQ(read_file(dir / "file"), "old");
  EXPECT_EQ(entries(dir.path()), 2U);
}

TEST(File, AMappedFileIsKnownByItsAddress) {
  const TemporaryDirectory dir;
  write_file(dir / "a", "abc");
  const MappedFile file(dir / "a");
  EXPECT_EQ(std::string(mapped_path(file.bytes().data() + 2)), dir / "a");
  EXPECT_EQ(mapped_path(file.bytes().data() - 1), nullptr);
  EXPECT_EQ(mapped_path(&dir), nullptr);
}

TEST(File, ANameMayBeAsLongAsTheFileSystemAllows) {
  const TemporaryDirectory dir;
  const std::string name(255, 'n');
  write_file(dir / name, "x");
  EXPECT_EQ(read_file(dir / name), "x");
}

TEST(File, ADeviceIsWrittenToNotReplaced) {
  write_file("/dev/null", "x");
  EXPECT_TRUE(fs::is_character_file("/dev/null"));
}

TEST(File, AppendedBytesAreAllThereOrNone) {
  const TemporaryDirectory dir;
  append_file(dir / "a", "one\n");
  append_file(dir / "a", "two\n");
  EXPECT_EQ(read_file(dir / "a"), "one\ntwo\n");
  append_file("/dev/null", "x");
  EXPECT_THAT(message_of<IoError>([&] { append_file(dir / "none/a", "x"); }),
              HasSubstr("cannot write: No such file or directory"));
  const pid_t child = ::fork();
  ASSERT_GE(child, 0);
  if (child == 0) {  // whose files may have ten bytes
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit ten{10, 10};
    ::setrlimit(RLIMIT_FSIZE, &ten);
    try {
      append_file(dir / "a", "three\n");
    } catch (const IoError&) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  EXPECT_EQ(WEXITSTATUS(status), 1);
  EXPECT_EQ(read_file(dir / "a"), "one\ntwo\n");
}

TEST(File, UnfinishedFilesAreRemoved) {
  const TemporaryDirectory dir;
  write_file(dir / "a", "old");
  EXPECT_THAT(message_of<IoError>([&] {
                write_file(dir / "a", [&](const Sink& sink) {
                  sink("new");
                  EXPECT_EQ(entries(dir.path()), 2U);
                  remove_unfinished_files();
                  EXPECT_EQ(entries(dir.path()), 1U);
                });
              }),
              HasSubstr("cannot replace"));
  EXPECT_EQ(read_file(dir / "a"), "old");
  for (int i = 0; i < 40; ++i) write_file(dir / "a", "new");  // the table has 16 places
  remove_unfinished_files();
  EXPECT_EQ(read_file(dir / "a"), "new");
}

// A writer is killed at many moments; whoever looks finds the whole old file or the whole new one.
// The moments are spread over twice the time that writing takes, so that both are seen.
TEST(File, AKilledWriterLeavesOldOrNew) {
  constexpr int kAttempts = 30;
  const TemporaryDirectory dir;
  const std::string old_bytes(1000, 'o');
  const std::string new_bytes(4U << 20U, 'n');
  const auto start = std::chrono::steady_clock::now();
  write_file(dir / "a", new_bytes);
  const std::chrono::duration<double> writing = std::chrono::steady_clock::now() - start;
  int replaced = 0;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    write_file(dir / "a", old_bytes);
    const pid_t child = ::fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      write_file(dir / "a", new_bytes);
      ::_exit(0);
    }
    std::this_thread::sleep_for(writing * 2 * attempt / kAttempts);
    ::kill(child, SIGKILL);
    ASSERT_EQ(::waitpid(child, nullptr, 0), child);
    const std::string found = read_file(dir / "a");
    ASSERT_TRUE(found == old_bytes || found == new_bytes) << found.size() << " bytes";
    replaced += found == new_bytes ? 1 : 0;
  }
  RecordProperty("replaced", replaced);
}

}  // namespace
}  // namespace partita
