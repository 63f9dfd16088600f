// SPDX-License-Identifier: Apache-2.0
// Real processes over loopback.
#include "partita/learn/distributed/process_group.hpp"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <sstream>
#include <string>
#include <vector>

#include "partita/base/error.hpp"
#include "temporary_directory.hpp"

namespace partita {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

int free_port() {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  EXPECT_EQ(::bind(handle, reinterpret_cast<sockaddr*>(&address), size), 0);
  EXPECT_EQ(::getsockname(handle, reinterpret_cast<sockaddr*>(&address), &size), 0);
  ::close(handle);
  return ntohs(address.sin_port);
}

struct Ended {
  int code = 0;  ///< or -signal
  std::string output;
  std::string error;
};

std::string text_of(const std::string& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

using Environment = std::vector<std::pair<std::string, std::string>>;

/// Starts a worker for each environment, with the address of a meeting point, and waits for all.
std::vector<Ended> run(const std::vector<Environment>& ranks,
                       const std::vector<std::string>& work) {
  const testing::TemporaryDirectory folder;
  const std::string port = std::to_string(free_port());
  std::vector<pid_t> processes;
  for (std::size_t i = 0; i < ranks.size(); ++i) {
    const std::string name = folder / std::to_string(i);
    const pid_t child = ::fork();
    if (child == 0) {
      for (const char* variable : {"RANK", "WORLD_SIZE", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK"}) {
        ::unsetenv(variable);
      }
      ::setenv("MASTER_ADDR", "127.0.0.1", 1);
      ::setenv("MASTER_PORT", port.c_str(), 1);
      for (const auto& [variable, value] : ranks[i]) ::setenv(variable.c_str(), value.c_str(), 1);
      if (std::freopen((name + ".out").c_str(), "w", stdout) == nullptr ||
          std::freopen((name + ".err").c_str(), "w", stderr) == nullptr) {
        ::_exit(99);
      }
      std::vector<char*> arguments = {const_cast<char*>(PARTITA_WORKER)};
      for (const std::string& each : work) arguments.push_back(const_cast<char*>(each.c_str()));
      arguments.push_back(nullptr);
      ::execv(PARTITA_WORKER, arguments.data());
      ::_exit(98);
    }
    processes.push_back(child);
  }
  std::vector<Ended> ended;
  for (std::size_t i = 0; i < processes.size(); ++i) {
    int status = 0;
    ::waitpid(processes[i], &status, 0);
    const std::string name = folder / std::to_string(i);
    ended.push_back({WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                     text_of(name + ".out"), text_of(name + ".err")});
  }
  return ended;
}

/// As torchrun does.
std::vector<Environment> torchrun(int size) {
  std::vector<Environment> ranks;
  for (int rank = 0; rank < size; ++rank) {
    ranks.push_back({{"RANK", std::to_string(rank)}, {"WORLD_SIZE", std::to_string(size)}});
  }
  return ranks;
}

TEST(ProcessGroup, MessagesReachAllRanks) {
  for (const int size : {2, 4}) {
    for (const Ended& each : run(torchrun(size), {"messages"})) {
      EXPECT_EQ(each.code, 0) << each.error;
    }
  }
}

TEST(ProcessGroup, ReadsWhatMpirunAndSlurmWrite) {
  for (const auto& [rank, size] : {std::pair("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),
                                   std::pair("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")}) {
    for (const Ended& each :
         run({{{rank, "0"}, {size, "2"}}, {{rank, "1"}, {size, "2"}}}, {"messages"})) {
      EXPECT_EQ(each.code, 0) << each.error;
    }
  }
}

TEST(ProcessGroup, ASampleHasTheSameBitsForAnyNumberOfProcesses) {
  const auto one = run(torchrun(1), {"sample"});
  EXPECT_EQ(one[0].code, 0) << one[0].error;
  EXPECT_GT(one[0].output.size(), 100U);
  for (const int size : {2, 3}) {
    for (const Ended& each : run(torchrun(size), {"sample"})) {
      EXPECT_EQ(each.code, 0) << each.error;
      EXPECT_EQ(each.output, one[0].output) << size;
    }
  }
}

TEST(ProcessGroup, ARankThatIsKilledIsNamedByTheOthers) {
  for (const int victim : {0, 2}) {
    const auto start = std::chrono::steady_clock::now();
    const auto ended = run(torchrun(3), {"be_killed", std::to_string(victim)});
    EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(60));
    for (int rank = 0; rank < 3; ++rank) {
      const Ended& each = ended[static_cast<std::size_t>(rank)];
      if (rank == victim) {
        EXPECT_EQ(each.code, -SIGKILL);
      } else {
        EXPECT_EQ(each.code, 1);
        EXPECT_THAT(each.error, AllOf(HasSubstr("rank " + std::to_string(rank) + ": rank " +
                                                std::to_string(victim)),
                                      HasSubstr("has gone")));
      }
    }
  }
}

TEST(ProcessGroup, IsOfOneUnlessTheEnvironmentSaysOtherwise) {
  for (const char* variable : {"RANK", "WORLD_SIZE", "SLURM_PROCID", "OMPI_COMM_WORLD_RANK",
                               "SLURM_STEP_NUM_TASKS", "OMPI_COMM_WORLD_SIZE"}) {
    ::unsetenv(variable);
  }
  EXPECT_EQ(process_group()->size(), 1);
}

TEST(ProcessGroup, RefusesAtTheStartWhatDoesNotFit) {
  auto ranks = torchrun(3);
  ranks[2][0].second = "1";
  auto ended = run(ranks, {"wait", "2"});
  EXPECT_THAT(ended[1].error + ended[2].error, HasSubstr("two processes say that they are rank 1"));

  ranks = torchrun(2);
  ranks[1][0].second = "0";
  ended = run(ranks, {"wait", "2"});
  EXPECT_THAT(ended[0].error + ended[1].error, HasSubstr("rank 0 cannot serve at 127.0.0.1"));

  ranks = torchrun(2);
  ranks[1][1].second = "3";
  ended = run(ranks, {"wait", "2"});
  EXPECT_THAT(ended[0].error, HasSubstr("rank 1 belongs to 3 processes, rank 0 to 2"));

  ranks = torchrun(3);
  ranks.erase(ranks.begin() + 1);
  ended = run(ranks, {"wait", "2"});
  EXPECT_THAT(ended[0].error, HasSubstr("rank 0 waited 2 s for rank 1"));
  EXPECT_EQ(ended[0].code, 1);

  ended = run(torchrun(2), {"disagree"});
  EXPECT_THAT(ended[1].error, HasSubstr("columns: expected the same on every rank, got 100 on rank "
                                        "0 and 101 on rank 1"));
}

}  // namespace
}  // namespace partita
