// SPDX-License-Identifier: Apache-2.0
#include "apps/report/gnuplot.hpp"

#include <fmt/format.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <memory>
#include <string>
#include <system_error>

#include "partita/base/error.hpp"

namespace partita {
namespace {

[[noreturn]] void fail(std::string_view what, int error) {
  throw IoError("gnuplot", fmt::format("{}: {}", what, std::generic_category().message(error)));
}

/// A file without a name, gone when closed. With files as the child's streams, neither process can
/// block waiting for the other to read.
class Scratch {
 public:
  Scratch() : file_(std::tmpfile()) {
    if (!file_) fail("cannot create a temporary file", errno);
  }
  int fd() const { return ::fileno(file_.get()); }

  void write(std::string_view text) {
    const bool written = std::fwrite(text.data(), 1, text.size(), file_.get()) == text.size();
    if (!written || std::fflush(file_.get()) != 0) fail("cannot write its script", errno);
    std::rewind(file_.get());
  }
  std::string read() {
    std::rewind(file_.get());
    std::string text;
    char buffer[1U << 14U];
    while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, file_.get())) {
      text.append(buffer, got);
    }
    return text;
  }

 private:
  struct Close {
    void operator()(std::FILE* file) const { std::fclose(file); }
  };
  std::unique_ptr<std::FILE, Close> file_;
};

pid_t spawn(const Scratch& input, const Scratch& output, const Scratch& complaints) {
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, input.fd(), STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output.fd(), STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, complaints.fd(), STDERR_FILENO);
  std::string name = "gnuplot";
  std::string defaults = "-d";  // ignore ~/.gnuplot
  char* const arguments[] = {name.data(), defaults.data(), nullptr};
  pid_t child = 0;
  const int error = ::posix_spawnp(&child, name.c_str(), &actions, nullptr, arguments, environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (error == ENOENT) {
    throw IoError("gnuplot", "not found; it draws the figures: install the package gnuplot-nox");
  }
  if (error != 0) fail("cannot be started", error);
  return child;
}

}  // namespace

std::string run_gnuplot(std::string_view script) {
  Scratch input;
  Scratch output;
  Scratch complaints;
  input.write(script);
  const pid_t child = spawn(input, output, complaints);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) fail("cannot be waited for", errno);
  }
  if (WIFSIGNALED(status)) {
    throw IoError("gnuplot", fmt::format("was ended by signal {}", WTERMSIG(status)));
  }
  if (WEXITSTATUS(status) != 0) {
    // The complaint is the last line that is not blank: "line 7: all points y value undefined!"
    std::string said = complaints.read();
    said.erase(said.find_last_not_of(" \n") + 1);
    if (const auto end = said.rfind('\n'); end != std::string::npos) said.erase(0, end + 1);
    throw IoError("gnuplot", fmt::format("failed: {}", said));
  }
  return output.read();
}

}  // namespace partita
