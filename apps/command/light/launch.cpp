// SPDX-License-Identifier: Apache-2.0
// partita launch: starts the processes of a group on this machine.
#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/command/tree.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

using Clock = std::chrono::steady_clock;

// After one process has failed, the others find out by themselves, or are asked to end, or made to.
constexpr std::chrono::seconds kUntilAsked{5};
constexpr std::chrono::seconds kUntilKilled{5};

struct LaunchOptions {
  int processes = 1;
  std::vector<std::string> command;
};

[[noreturn]] void fail(const std::string& what) {
  throw Error(what + ": " + std::generic_category().message(errno));
}

/// A port that nobody listens on at present.
int free_port() {
  const int handle = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* const any = reinterpret_cast<sockaddr*>(&address);
  if (handle < 0 || ::bind(handle, any, size) != 0 || ::getsockname(handle, any, &size) != 0) {
    fail("cannot find a free port");
  }
  ::close(handle);
  return ntohs(address.sin_port);
}

/// The signals that this process waits for instead of being interrupted.
sigset_t awaited() {
  sigset_t set;
  ::sigemptyset(&set);
  for (const int signal : {SIGCHLD, SIGINT, SIGTERM, SIGHUP}) ::sigaddset(&set, signal);
  return set;
}

class Launch {
 public:
  explicit Launch(const std::vector<std::string>& words, int processes)
      : port_(std::to_string(free_port())), size_(std::to_string(processes)) {
    for (const std::string& word : words) words_.push_back(const_cast<char*>(word.c_str()));
    words_.push_back(nullptr);
    signals_ = awaited();
    ::sigprocmask(SIG_BLOCK, &signals_, &before_);
    for (int rank = 0; rank < processes; ++rank) start(rank);
  }

  /// Waits for all; the exit code of the first that failed, or 0.
  int wait() {
    while (running() > 0) {
      const timespec tick{0, 100'000'000};
      const int signal = ::sigtimedwait(&signals_, nullptr, &tick);
      if (signal == SIGTERM || signal == SIGHUP) send(SIGTERM);
      if (signal == SIGINT) is_interrupted_ = true;  // the terminal sends it to all
      reap();
      urge();
    }
    return status_;
  }

 private:
  void start(int rank) {
    const pid_t self = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) fail("cannot start a process");
    if (child > 0) {
      children_.push_back(child);
      return;
    }
    ::prctl(PR_SET_PDEATHSIG, SIGTERM);  // no orphans, however this process ends
    if (::getppid() != self) ::_exit(1);
    ::sigprocmask(SIG_SETMASK, &before_, nullptr);
    ::setenv("RANK", std::to_string(rank).c_str(), 1);
    ::setenv("LOCAL_RANK", std::to_string(rank).c_str(), 1);
    ::setenv("WORLD_SIZE", size_.c_str(), 1);
    ::setenv("LOCAL_WORLD_SIZE", size_.c_str(), 1);
    ::setenv("MASTER_ADDR", "127.0.0.1", 1);
    ::setenv("MASTER_PORT", port_.c_str(), 1);
    ::execvp(words_[0], words_.data());
    note(fmt::format("partita: cannot run {}: {}", words_[0],
                     std::generic_category().message(errno)));
    ::_exit(127);
  }

  std::size_t running() const {
    return children_.size() -
           static_cast<std::size_t>(std::count(children_.begin(), children_.end(), 0));
  }

  void send(int signal) const {
    for (const pid_t child : children_) {
      if (child > 0) ::kill(child, signal);
    }
  }

  void reap() {
    int status = 0;
    pid_t ended = 0;
    while ((ended = ::waitpid(-1, &status, WNOHANG)) > 0) {
      const auto child = std::find(children_.begin(), children_.end(), ended);
      if (child == children_.end()) continue;
      *child = 0;
      const int code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
      if (code == 0 || status_ != 0) continue;
      status_ = code;
      failed_ = Clock::now();
      if (is_interrupted_) continue;
      note(fmt::format("partita: rank {} {}", child - children_.begin(),
                       WIFEXITED(status)
                           ? fmt::format("ended with exit code {}", code)
                           : fmt::format("was ended by signal {} ({})", WTERMSIG(status),
                                         ::strsignal(WTERMSIG(status)))));
    }
  }

  void urge() {
    if (status_ == 0) return;
    const auto passed = Clock::now() - failed_;
    if (passed > kUntilAsked + kUntilKilled) {
      send(SIGKILL);
    } else if (passed > kUntilAsked && !has_asked_) {
      has_asked_ = true;
      send(SIGTERM);
    }
  }

  std::string port_;
  std::string size_;
  std::vector<char*> words_;
  std::vector<pid_t> children_;  // 0: has ended
  sigset_t signals_{};
  sigset_t before_{};
  int status_ = 0;
  bool is_interrupted_ = false;
  bool has_asked_ = false;
  Clock::time_point failed_;
};

void run(const LaunchOptions& options, const CLI::App& app) {
  std::vector<std::string> words = options.command;
  const auto commands = subcommands(app);
  const bool is_ours = std::any_of(commands.begin(), commands.end(), [&](const CLI::App* each) {
    return each->get_name() == words.front();
  });
  if (is_ours) words.insert(words.begin(), "/proc/self/exe");
  const int status = Launch(words, options.processes).wait();
  if (status != 0) std::exit(status);  // NOLINT(concurrency-mt-unsafe): there is one thread
}

}  // namespace

void add_launch(CLI::App& app) {
  auto* command = app.add_subcommand("launch", "Start the processes of a group on this machine");
  auto options = std::make_shared<LaunchOptions>();
  command->add_option("-n", options->processes, "processes to start (1)")
      ->option_text("N")
      ->check(whole_number(1, 4096));
  command
      ->add_option("COMMAND", options->command,
                   "after --: a command of partita and its options, or any other program")
      ->option_text("COMMAND ...")
      ->required();
  command->footer(
      "Example:\n"
      "  partita launch -n 4 -- ./train --data corpus.txt\n"
      "\n"
      "Each process finds its number in RANK, how many they are in WORLD_SIZE, and where they "
      "meet\n"
      "in MASTER_ADDR and MASTER_PORT, as torchrun's do: partita::process_group() reads them.\n"
      "If one fails, the others are ended, and its exit code is that of this command. --seed,\n"
      "--threads and --json are the started command's own.");
  command->callback([options, &app] { run(*options, app); });
}

}  // namespace partita::app
