// SPDX-License-Identifier: Apache-2.0
// What `partita` can do: by itself, and by becoming `partita-learn`.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <system_error>
#include <vector>

#include "apps/command/learn/neural.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "partita/base/error.hpp"
#include "partita/base/process_rank.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

[[noreturn]] void become_learn() {
#ifdef PARTITA_LEARN
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe").replace_filename("partita-learn");
  std::string arguments = read_file("/proc/self/cmdline");  // each ends with a NUL
  std::vector<char*> argv;
  for (std::size_t at = 0; at < arguments.size(); at = arguments.find('\0', at) + 1) {
    argv.push_back(&arguments[at]);
  }
  argv.push_back(nullptr);
  ::execv(program.c_str(), argv.data());
  if (errno == ENOENT)
    throw Error("this command needs partita-learn, which was not found: " + program);
  throw IoError(program, "cannot run: " + std::generic_category().message(errno));
#else
  throw Error(
      "neural models and groups of processes need libtorch, but this partita was built without "
      "it (-DPARTITA_LEARN=OFF)");
#endif
}

#ifdef PARTITA_LEARN
/// Lists a command here that partita-learn parses.
void add_learn(CLI::App& app, const LearnCommand& learn) {
  auto* command = app.add_subcommand(learn.name, learn.description);
  command->set_help_flag();
  command->prefix_command();
  command->callback(become_learn);
}
#endif

}  // namespace

void train_neural(const LmTrainOptions& /*options*/) { become_learn(); }
TextGenerator open_neural(const ModelFile& /*file*/) { become_learn(); }

std::shared_ptr<Group> command_group() {
  const auto self = process_rank();
  if (self && self->size > 1) become_learn();
  return {std::shared_ptr<Group>(), &Group::alone()};
}

void add_commands(CLI::App& app) {
  add_light_commands(app);
#ifdef PARTITA_LEARN
  for (const LearnCommand& learn : kLearnCommands) add_learn(app, learn);
#endif
}

}  // namespace partita::app
