// SPDX-License-Identifier: Apache-2.0
#include "command.hpp"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "partita/io/file.hpp"
#include "partita/io/npy.hpp"

namespace partita::testing {
namespace {

/// Becomes a program with standard output and error going to files.
[[noreturn]] void become(std::vector<std::string> words, const std::string& out,
                         const std::string& err) {
  const auto redirect = [](const std::string& path, int stream) {
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    if (fd < 0 || ::dup2(fd, stream) < 0) ::_exit(126);
  };
  redirect(out, STDOUT_FILENO);
  redirect(err, STDERR_FILENO);
  std::vector<char*> pointers;
  pointers.reserve(words.size() + 1);
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  ::_exit(127);
}

int start(const std::vector<std::string>& words, const std::string& out, const std::string& err) {
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("cannot fork");
  if (child == 0) become(words, out, err);
  return child;
}

std::vector<std::string> partita(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), PARTITA_COMMAND);
  return arguments;
}

}  // namespace

Outcome run_program(const std::vector<std::string>& words) {
  const TemporaryDirectory directory;
  const pid_t child = start(words, directory / "out", directory / "err");
  int status = 0;
  if (::waitpid(child, &status, 0) != child) throw std::runtime_error("cannot wait");
  return {WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status),
          read_file(directory / "out"), read_file(directory / "err")};
}

Outcome run_partita(const std::vector<std::string>& arguments) {
  return run_program(partita(arguments));
}

int start_program(const std::vector<std::string>& words) {
  return start(words, "/dev/null", "/dev/null");
}

int start_partita(const std::vector<std::string>& arguments) {
  return start_program(partita(arguments));
}

std::string CommandTest::file(const std::string& name, const std::string& bytes) const {
  write_file(path(name), bytes);
  return path(name);
}

std::string CommandTest::word_list() const {
  return file("words.txt",
              "sing\nsinging\nsong\nsongs\nring\nringing\nrung\nlong\nlonging\nlongs\n");
}

std::string CommandTest::model() const {
  const Outcome trained =
      run_partita({"lm", "train", "--order", "4", word_list(), "-o", path("model")});
  EXPECT_EQ(trained.status, 0) << trained.err;
  return path("model");
}

std::string CommandTest::logits(std::size_t rows, std::size_t columns) const {
  std::vector<float> values(rows * columns);
  for (std::size_t i = 0; i < values.size(); ++i) {
    values[i] = 0.1F * static_cast<float>((i / columns + 3 * (i % columns)) % 17);
  }
  save_npy(path("logits.npy"), std::span<const float>(values), rows, columns);
  return path("logits.npy");
}

Json CommandTest::json_of(std::vector<std::string> arguments) {
  arguments.emplace_back("--json");
  const Outcome outcome = run_partita(arguments);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 1);
  Json json = Json::parse(outcome.out, nullptr, false);
  EXPECT_TRUE(json.is_object()) << outcome.out;
  return json;
}

std::vector<std::string> CommandTest::keys(const Json& object) {
  std::vector<std::string> out;
  for (const auto& [key, value] : object.items()) out.push_back(key);
  return out;
}

std::string CommandTest::refusal(const std::vector<std::string>& arguments, int status) {
  const Outcome outcome = run_partita(arguments);
  EXPECT_EQ(outcome.status, status) << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
  EXPECT_TRUE(outcome.err.starts_with("partita: ") && outcome.err.ends_with('\n')) << outcome.err;
  return outcome.err.size() < 10 ? outcome.err : outcome.err.substr(9, outcome.err.size() - 10);
}

}  // namespace partita::testing
