// SPDX-License-Identifier: Apache-2.0
// partita launch.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>

#include "command.hpp"

namespace partita::testing {
namespace {

using ::testing::HasSubstr;

class Launch : public CommandTest {
 protected:
  /// What `script` is to the shell, on n processes.
  static Outcome shell(int n, const std::string& script) {
    return run_partita({"launch", "-n", std::to_string(n), "--", "/bin/sh", "-c", script});
  }
  static std::set<std::string> lines(const std::string& text) {
    std::set<std::string> all;
    std::istringstream stream(text);
    for (std::string line; std::getline(stream, line);) all.insert(line);
    return all;
  }
};

TEST_F(Launch, SetsTheEnvironmentOfTorchrun) {
  const Outcome outcome =
      shell(3,
            "echo $RANK of $WORLD_SIZE, $LOCAL_RANK of $LOCAL_WORLD_SIZE at $MASTER_ADDR; "
            "test $MASTER_PORT -gt 0");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(lines(outcome.out),
            (std::set<std::string>{"0 of 3, 0 of 3 at 127.0.0.1", "1 of 3, 1 of 3 at 127.0.0.1",
                                   "2 of 3, 2 of 3 at 127.0.0.1"}));
}

TEST_F(Launch, RunsItsOwnCommands) {
  const std::string rows = logits(2, 50);
  const auto sample = [&](const std::vector<std::string>& before,
                          const std::vector<std::string>& more) {
    std::vector<std::string> words = before;
    words.insert(words.end(), {"sample", rows, "-k", "2", "--seed", "1"});
    words.insert(words.end(), more.begin(), more.end());
    return run_partita(words);
  };
  const std::vector<std::string> two = {"launch", "-n", "2", "--"};
  Outcome outcome = sample(two, {"--json"});
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("partita: --shards: expected with 2 processes"));
  const std::vector<std::string> split = {"--shards", "8", "--top-p", "0.9", "--json"};
  outcome = sample(two, split);
#ifdef PARTITA_LEARN
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, sample({}, split).out);  // once, and the same
  EXPECT_THAT(outcome.out, HasSubstr("log_prob"));
  outcome = shell(2, "exec " PARTITA_COMMAND " sample " + rows + " --shards 8 --seed $RANK");
  EXPECT_EQ(outcome.status, 2);
  EXPECT_THAT(outcome.err, HasSubstr("command line: expected the same on every rank, got"));
#else
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("groups of processes need libtorch"));
#endif
}

TEST_F(Launch, OnesFailureEndsAll) {
  const auto start = std::chrono::steady_clock::now();
  Outcome outcome = shell(3, "if test $RANK = 1; then echo broken >&2; exit 7; fi; sleep 100");
  EXPECT_EQ(outcome.status, 7);
  EXPECT_THAT(outcome.err, HasSubstr("broken\n"));
  EXPECT_THAT(outcome.err, HasSubstr("partita: rank 1 ended with exit code 7\n"));
  outcome = shell(2, "if test $RANK = 0; then kill -9 $$; fi; sleep 1");
  EXPECT_EQ(outcome.status, 128 + 9);
  EXPECT_THAT(outcome.err, HasSubstr("partita: rank 0 was ended by signal 9 (Killed)\n"));
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
}

/// The processes that the shell of each rank wrote down, once all have.
std::set<int> written(const std::string& folder, std::size_t n) {
  std::set<int> found;
  for (int i = 0; i < 1000 && found.size() < n; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
    for (const auto& entry : std::filesystem::directory_iterator(folder)) {
      int process = 0;
      if (std::ifstream(entry.path()) >> process) found.insert(process);
    }
  }
  return found;
}

bool ends(int process) {
  for (int i = 0; i < 1500; ++i) {
    std::ifstream status("/proc/" + std::to_string(process) + "/stat");
    std::string id;
    std::string name;
    std::string state;
    if (!(status >> id >> name >> state) || state == "Z") return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

TEST_F(Launch, LeavesNoOrphans) {
  for (const int signal : {SIGKILL, SIGTERM}) {
    const std::string folder = path("ids" + std::to_string(signal));
    std::filesystem::create_directory(folder);
    const int launch = start_partita({"launch", "-n", "3", "--", "/bin/sh", "-c",
                                      "echo $$ > " + folder + "/$RANK; exec sleep 100"});
    const std::set<int> processes = written(folder, 3);
    EXPECT_EQ(processes.size(), 3U);
    ::kill(launch, signal);
    ::waitpid(launch, nullptr, 0);
    for (const int process : processes) EXPECT_TRUE(ends(process));
  }
}

TEST_F(Launch, SaysWhatIsWrong) {
  EXPECT_THAT(refusal({"launch", "-n", "0", "--", "true"}, 2), HasSubstr("-n"));
  EXPECT_THAT(refusal({"launch", "-n", "2"}, 2), HasSubstr("COMMAND"));
  const Outcome outcome = run_partita({"launch", "--", "no-such-program"});
  EXPECT_EQ(outcome.status, 127);
  EXPECT_THAT(outcome.err, HasSubstr("cannot run no-such-program: No such file or directory"));
}

}  // namespace
}  // namespace partita::testing
