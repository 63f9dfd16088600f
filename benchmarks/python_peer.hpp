// SPDX-License-Identifier: Apache-2.0
// A Python child process that times statements on request, so that torch.distributions can take
// its turns among the contenders of compare.hpp.
#pragma once

#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>

namespace partita::benchmark {

class PythonPeer {
 public:
  PythonPeer() {
    std::array<int, 2> to{};
    std::array<int, 2> from{};
    if (::pipe(to.data()) != 0 || ::pipe(from.data()) != 0) return;
    child_ = ::fork();
    if (child_ == 0) {
      ::dup2(to[0], STDIN_FILENO);
      ::dup2(from[1], STDOUT_FILENO);
      for (const int end : {to[0], to[1], from[0], from[1]}) ::close(end);
      ::execl("/usr/bin/python3", "python3", "-c", kScript, static_cast<char*>(nullptr));
      std::_Exit(1);
    }
    ::close(to[0]);
    ::close(from[1]);
    requests_ = ::fdopen(to[1], "w");
    answers_ = ::fdopen(from[0], "r");
    version_ = answer();
  }
  ~PythonPeer() {
    if (requests_ != nullptr) std::fclose(requests_);
    if (answers_ != nullptr) std::fclose(answers_);
    if (child_ > 0) ::waitpid(child_, nullptr, 0);
  }
  PythonPeer(const PythonPeer&) = delete;
  PythonPeer& operator=(const PythonPeer&) = delete;

  /// torch's version; empty if /usr/bin/python3 has no torch.
  const std::string& version() const { return version_; }

  /// Statements that the following turns build on.
  void set_up(const std::string& statements) { request("exec " + statements); }

  /// The value of an expression, a number.
  double value(const std::string& expression) {
    const std::string text = request("value " + expression);
    return text.empty() ? 0 : std::stod(text);
  }

  /// Mean seconds of an expression, as take_turn().
  double take_turn(const std::string& expression) {
    return std::stod(request("time " + expression));
  }

 private:
  static constexpr const char* kScript = R"(
import sys, time
try:
    import torch
    import torch.distributions as D
except ImportError:
    sys.exit()
torch.set_num_threads(1)
torch.set_grad_enabled(False)
torch.manual_seed(1)
names = {'torch': torch, 'D': D}
print(torch.__version__, flush=True)
for line in sys.stdin:
    kind, text = line.rstrip('\n').split(' ', 1)
    if kind == 'exec':
        exec(text, names)
        print('done', flush=True)
        continue
    if kind == 'value':
        print(float(eval(text, names)), flush=True)
        continue
    run = eval('lambda: ' + text, names)
    run()
    runs, start, elapsed = 0, time.perf_counter(), 0
    while runs < 2 or elapsed < 0.03:
        run()
        runs += 1
        elapsed = time.perf_counter() - start
    print(elapsed / runs, flush=True)
)";

  std::string request(const std::string& line) {
    fmt::print(requests_, "{}\n", line);
    std::fflush(requests_);
    return answer();
  }

  std::string answer() {
    std::array<char, 256> line{};
    if (std::fgets(line.data(), line.size(), answers_) == nullptr) return {};
    std::string text = line.data();
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
  }

  pid_t child_ = -1;
  std::FILE* requests_ = nullptr;
  std::FILE* answers_ = nullptr;
  std::string version_;
};

}  // namespace partita::benchmark
