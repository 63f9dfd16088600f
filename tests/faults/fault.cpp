// SPDX-License-Identifier: Apache-2.0
#include "fault.hpp"

#include <fmt/format.h>
#include <signal.h>  // NOLINT(modernize-deprecated-headers): kill is POSIX
#include <sys/wait.h>

#include <array>
#include <chrono>
#include <cstring>
#include <thread>

#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita::testing {
namespace {

/// By way of env(1), which the preloaded library does not see.
std::vector<std::string> preloaded(const std::string& fault, const std::string& count,
                                   const std::vector<std::string>& arguments) {
  std::vector<std::string> words = {"/usr/bin/env", "LD_PRELOAD=" PARTITA_SHIM,
                                    "PARTITA_FAULT_PROGRAM=partita",
                                    "PARTITA_FAULT_COUNT=" + count};
  if (!fault.empty()) words.push_back("PARTITA_FAULT=" + fault);
  words.emplace_back(PARTITA_COMMAND);
  words.insert(words.end(), arguments.begin(), arguments.end());
  return words;
}

Faulted run(const std::string& fault, const std::vector<std::string>& arguments) {
  const TemporaryDirectory directory;
  std::array<unsigned long, 3> count{};
  write_file(directory / "count",
             std::string_view(reinterpret_cast<const char*>(count.data()), sizeof count));
  Faulted out;
  out.outcome = run_program(preloaded(fault, directory / "count", arguments));
  const std::string counted = read_file(directory / "count");
  std::memcpy(count.data(), counted.data(), sizeof count);
  out.calls = count[0];
  out.bytes = count[1];
  out.fired = count[2] != 0;
  return out;
}

Faulted run_until(const Fault& fault, std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PARTITA_COMMAND);
  const pid_t child = start_program(arguments);
  std::this_thread::sleep_for(std::chrono::microseconds(fault.at));
  ::kill(child, fault.what);
  int status = 0;
  ::waitpid(child, &status, 0);
  Faulted out;
  out.outcome.status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
  out.fired = WIFSIGNALED(status);
  return out;
}

}  // namespace

std::string Fault::text() const {
  switch (kind) {
    case FaultKind::signal_at_call:
      return fmt::format("signal:{}:{}", at, what);
    case FaultKind::signal_at_time:
      return fmt::format("signal {} after {} us", what, at);
    case FaultKind::fail:
      return fmt::format("fail:{}:{}", at, what);
    case FaultKind::full:
      return fmt::format("full:{}", at);
    case FaultKind::short_writes:
      return fmt::format("short:{}", at);
    case FaultKind::revoke:
      return fmt::format("revoke:{}:{}", at, folder);
  }
  return {};
}

Faulted run_with(const Fault& fault, const std::vector<std::string>& arguments) {
  return fault.kind == FaultKind::signal_at_time ? run_until(fault, arguments)
                                                 : run(fault.text(), arguments);
}

Faulted run_counted(const std::vector<std::string>& arguments) { return run("", arguments); }

}  // namespace partita::testing
