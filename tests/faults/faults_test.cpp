// SPDX-License-Identifier: Apache-2.0
// Whatever happens to a command that writes, and whenever: a file is the old one or the new one;
// one line says what failed; nothing temporary stays, except after SIGKILL; and the command started
// again ends in the bits of an undisturbed run. Moments and faults are drawn from a seed:
//
//   PARTITA_FAULT_MOMENTS=1000 PARTITA_FAULT_SEED=7 faults_test      (./dev faults 1000)
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "fault.hpp"
#include "partita/io/file.hpp"
#include "partita/random/stream.hpp"
#include "temporary_directory.hpp"
#include "writers.hpp"

namespace partita::testing {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

constexpr int kFailed = 1;
constexpr std::string_view kOld = "the old file\n";

std::uint64_t number_from(const char* variable, std::uint64_t otherwise) {
  const char* const text = std::getenv(variable);  // NOLINT(concurrency-mt-unsafe): one thread
  return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

std::optional<std::string> contents(const fs::path& path) {
  return fs::exists(path) ? std::optional(read_file(path)) : std::nullopt;
}

std::size_t temporary_files(const fs::path& folder) {
  return static_cast<std::size_t>(std::count_if(
      fs::directory_iterator(folder), fs::directory_iterator(),
      [](const fs::directory_entry& each) { return each.path().extension() == ".part"; }));
}

/// What an undisturbed run writes, and how.
struct Golden {
  std::uint64_t calls = 0;
  std::uint64_t bytes = 0;
  std::uint64_t microseconds = 0;
  std::map<std::string, std::string> files;
  bool is_timed = false;  ///< its pages say how long it took, so no two are the same
};

class Faults : public ::testing::Test {
 protected:
  Faults() : out_(folder_ / "out") {
    std::signal(SIGINT, SIG_DFL);  // a shell's background jobs ignore it, and so would the commands
    fs::create_directory(folder_ / "in");
    fs::create_directory(out_);
    writers_ = make_writers(folder_ / "in", out_);
  }

  /// An empty folder of outputs or, with `old`, one with old ones.
  void prepare(const Writer& writer, bool old) const {
    fs::remove_all(out_);
    fs::create_directory(out_);
    if (!old) return;
    for (const std::string& output : writer.outputs) write_file(out_ / output, kOld);
  }

  std::map<std::string, std::string> written(const Writer& writer) const {
    std::map<std::string, std::string> files;
    for (const std::string& output : writer.outputs) files[output] = read_file(out_ / output);
    return files;
  }

  const Golden& golden_of(std::size_t index) {
    Golden& golden = golden_[index];
    if (golden.calls > 0) return golden;
    const Writer& writer = writers_[index];
    prepare(writer, false);
    const auto start = std::chrono::steady_clock::now();
    const Faulted run = run_counted(writer.command);
    golden.microseconds =
        static_cast<std::uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(
                                       std::chrono::steady_clock::now() - start)
                                       .count());
    EXPECT_EQ(run.outcome.status, 0) << run.outcome.err;
    EXPECT_GT(run.calls, 0U) << writer.command[0];
    golden.calls = run.calls;
    golden.bytes = run.bytes;
    golden.files = written(writer);
    if (writer.outputs.back() == "page.html") {
      prepare(writer, false);
      EXPECT_EQ(run_partita(writer.command).status, 0);
      golden.is_timed = golden.files != written(writer);
    }
    return golden;
  }

  /// Whether a file is that of an undisturbed run.
  static bool is_new(const Golden& golden, const std::string& name, const std::string& bytes) {
    if (golden.is_timed && name == "page.html") return bytes.ends_with("</html>\n");
    return bytes == golden.files.at(name);
  }

  Fault draw_fault(const Stream& noise, std::size_t moment, const Golden& golden) const {
    constexpr std::array kSignals = {SIGKILL, SIGTERM, SIGINT};
    constexpr std::array kErrors = {ENOSPC, EIO, EDQUOT, EACCES, EROFS};
    const auto below = [&](std::uint64_t position, std::uint64_t limit) {
      return noise.bits(position) % std::max<std::uint64_t>(limit, 1);
    };
    Fault fault{static_cast<FaultKind>(moment % kFaultKinds)};
    fault.at = 1 + below(0, golden.calls);
    switch (fault.kind) {
      case FaultKind::signal_at_time:
        fault.at = below(0, golden.microseconds);
        [[fallthrough]];
      case FaultKind::signal_at_call:
        fault.what = kSignals[below(1, kSignals.size())];
        break;
      case FaultKind::fail:
        fault.what = kErrors[below(1, kErrors.size())];
        break;
      case FaultKind::full:
        fault.at = below(0, golden.bytes);
        break;
      case FaultKind::short_writes:
        fault.at = noise.bits(0);
        break;
      case FaultKind::revoke:
        fault.folder = out_;
        break;
    }
    return fault;
  }

  /// The exit code, and what the command says.
  static void expect_a_plain_end(const Fault& fault, const Faulted& run) {
    const Outcome& end = run.outcome;
    const bool is_signal =
        fault.kind == FaultKind::signal_at_call || fault.kind == FaultKind::signal_at_time;
    if (!run.fired || fault.kind == FaultKind::short_writes) {
      EXPECT_EQ(end.status, 0) << end.err;
    } else if (is_signal) {
      EXPECT_EQ(end.status, 128 + fault.what) << end.err;
    } else if (end.status != 0) {  // what was not needed may fail
      EXPECT_EQ(end.status, kFailed);
      EXPECT_TRUE(end.err.starts_with("partita: ") || end.err.find("\npartita: ") != end.err.npos)
          << end.err;
      const int error = fault.kind == FaultKind::fail   ? fault.what
                        : fault.kind == FaultKind::full ? ENOSPC
                                                        : ENOENT;
      EXPECT_THAT(end.err, HasSubstr(std::strerror(error)));  // NOLINT(concurrency-mt-unsafe)
    }
  }

  void expect_old_or_new(const Writer& writer, const Golden& golden, bool old,
                         const Faulted& run) const {
    for (const std::string& output : writer.outputs) {
      const std::optional<std::string> bytes = contents(out_ / output);
      const bool is_old = old ? bytes == kOld : !bytes;
      const bool whole = bytes && is_new(golden, output, *bytes);
      EXPECT_TRUE(whole || (is_old && run.outcome.status != 0))
          << output << ": " << (bytes ? fmt::format("{} bytes", bytes->size()) : "none");
    }
    if (writer.log.empty()) return;
    const std::string log = contents(out_ / writer.log).value_or("");
    for (std::size_t begin = 0; begin < log.size();) {
      const std::size_t end = log.find('\n', begin);
      ASSERT_NE(end, log.npos) << "half a line: " << log.substr(begin);
      EXPECT_TRUE(Json::accept(log.substr(begin, end - begin))) << log.substr(begin, end - begin);
      begin = end + 1;
    }
  }

  void try_moment(std::size_t index, const Fault& fault, bool old) {
    const Writer& writer = writers_[index];
    const Golden& golden = golden_of(index);
    prepare(writer, old);
    const Faulted run = run_with(fault, writer.command);
    const fs::path gone = out_.string() + ".gone";
    if (fs::exists(gone)) {
      fs::remove_all(out_);
      fs::rename(gone, out_);
    } else if (fault.what != SIGKILL || run.outcome.status != 128 + SIGKILL) {
      EXPECT_EQ(temporary_files(out_), 0U);
    }
    expect_a_plain_end(fault, run);
    expect_old_or_new(writer, golden, old, run);
    const Outcome again = run_partita(writer.command);
    EXPECT_EQ(again.status, 0) << again.err;
    for (const auto& [name, bytes] : written(writer)) {
      EXPECT_TRUE(is_new(golden, name, bytes)) << name << " of the run after it";
    }
    fired_ += run.fired ? 1 : 0;
  }

  TemporaryDirectory folder_;
  fs::path out_;
  std::vector<Writer> writers_;
  std::map<std::size_t, Golden> golden_;
  std::uint64_t fired_ = 0;
};

TEST_F(Faults, AtAnyMoment) {
  const std::uint64_t moments = number_from("PARTITA_FAULT_MOMENTS", 25);
  const std::uint64_t seed = number_from("PARTITA_FAULT_SEED", 1);
  std::size_t broken = 0;
  for (std::size_t moment = 0; moment < moments; ++moment) {
    const Stream noise = Stream{seed}.child(moment);
    const std::size_t index = moment % writers_.size();
    // Each round through the commands meets each with another kind.
    const Fault fault = draw_fault(noise, moment + moment / writers_.size(), golden_of(index));
    const bool old = noise.bits(2) % 2 == 0;
    SCOPED_TRACE(fmt::format("moment {}: {} under {}{}", moment,
                             fmt::join(writers_[index].command, " "), fault.text(),
                             old ? "" : ", without old files"));
    try_moment(index, fault, old);
    broken = static_cast<std::size_t>(
        ::testing::UnitTest::GetInstance()->current_test_info()->result()->total_part_count());
    if (broken > 20) break;  // one cause is enough to look for
  }
  fmt::print(
      "{} moments of {} commands, seed {}: {} faults came before the end; {} broken "
      "promises\n",
      moments, writers_.size(), seed, fired_, broken);
}

// Whoever renames last wins, with a whole file.
TEST_F(Faults, OfTwoProcessesOneWins) {
  std::vector<Words> commands;
  std::vector<std::string> files;
  for (const char* seed : {"1", "2", "3"}) {
    commands.push_back({PARTITA_COMMAND, "sample", folder_ / "in/z.npy", "-k", "9", "--seed", seed,
                        "-o", out_ / "a.csv"});
    ASSERT_EQ(run_program(commands.back()).status, 0);
    files.push_back(read_file(out_ / "a.csv"));
  }
  for (int attempt = 0; attempt < 10; ++attempt) {
    std::vector<int> children;
    for (const Words& command : commands) children.push_back(start_program(command));
    for (const int child : children) {
      int status = -1;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      EXPECT_EQ(status, 0);
    }
    EXPECT_THAT(files, ::testing::Contains(read_file(out_ / "a.csv")));
    EXPECT_EQ(temporary_files(out_), 0U);
  }
}

// A real full disk, where a file system may be mounted (by root).
TEST_F(Faults, OnAFullDisk) {
  const std::string disk = folder_ / "disk";
  const std::string inside = folder_ / "inside";  // what the disk holds at the end
  fs::create_directories(disk);
  fs::create_directories(inside);
  const auto on_disk = [&](const std::string& script) {
    return run_program({"/usr/bin/env", "unshare", "-m", "sh", "-c",
                        "mount -t tmpfs -o size=64k none " + disk + " 2>/dev/null || exit 77; " +
                            script + "; status=$?; cp -a " + disk + "/. " + inside +
                            "; exit $status",
                        "sh"});
  };
  if (on_disk("true").status != 0) GTEST_SKIP() << "no file system may be mounted here";
  const Outcome outcome =
      on_disk("echo old > " + disk + "/a.csv; head -c 61440 /dev/zero > " + disk + "/rest; " +
              PARTITA_COMMAND + " sample " + folder_ / "in/z.npy" + " -k 9 -o " + disk + "/a.csv");
  EXPECT_EQ(outcome.status, kFailed);
  EXPECT_EQ(outcome.err, "partita: " + disk + "/a.csv: cannot write: No space left on device\n");
  EXPECT_EQ(read_file(inside + "/a.csv"), "old\n");
  EXPECT_EQ(temporary_files(inside), 0U);
}

// ulimit -f: an error as any other, not the end by SIGXFSZ.
TEST_F(Faults, AFileThatMayGrowNoLarger) {
  const Outcome outcome =
      run_program({"/bin/sh", "-c", "ulimit -f 1; exec \"$@\"", "sh", PARTITA_COMMAND, "sample",
                   folder_ / "in/z.npy", "-k", "9", "-o", out_ / "a.csv"});
  EXPECT_EQ(outcome.status, kFailed);
  EXPECT_THAT(outcome.err, HasSubstr("a.csv: cannot write: File too large"));
  EXPECT_TRUE(fs::is_empty(out_));
}

// As nohup leaves it: a signal that is ignored stays ignored.
TEST_F(Faults, WhatIsIgnoredStaysIgnored) {
  Words command = {"/bin/sh", "-c", "trap '' HUP INT; kill -HUP $$; exec \"$@\"", "sh",
                   PARTITA_COMMAND};
  const Words& rest = writers_[0].command;
  command.insert(command.end(), rest.begin(), rest.end());
  EXPECT_EQ(run_program({"/usr/bin/env", fmt::format("LD_PRELOAD={}", PARTITA_SHIM),
                         "PARTITA_FAULT_PROGRAM=partita",
                         fmt::format("PARTITA_FAULT=signal:2:{}", SIGHUP), command[0], command[1],
                         command[2], command[3], command[4], rest[0], rest[1], rest[2], rest[3],
                         rest[4], rest[5]})
                .status,
            0);
  EXPECT_TRUE(fs::exists(out_ / "a.npy"));
}

}  // namespace
}  // namespace partita::testing
