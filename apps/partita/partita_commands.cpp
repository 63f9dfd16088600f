// What `partita` can do: by itself, and by becoming `partita-learn`.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <system_error>

#include "commands.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

#ifdef PARTITA_LEARN
[[noreturn]] void become_learn(char** argv) {
  const std::string program =
      std::filesystem::read_symlink("/proc/self/exe").replace_filename("partita-learn");
  ::execv(program.c_str(), argv);
  throw IoError(program, "cannot run: " + std::generic_category().message(errno));
}

/// Listed here, parsed there.
void add_learn(CLI::App& app, const LearnCommand& learn, char** argv) {
  auto* command = app.add_subcommand(learn.name, learn.description);
  command->set_help_flag();
  command->prefix_command();
  command->callback([argv] { become_learn(argv); });
}
#endif

}  // namespace

void add_commands(CLI::App& app, [[maybe_unused]] char** argv) {
  add_sample(app);
  add_lm(app);
  add_generate(app);
  add_demo(app);
  add_calibrate(app);
  add_detect(app);
#ifdef PARTITA_LEARN
  for (const LearnCommand& learn : kLearnCommands) add_learn(app, learn, argv);
#endif
}

}  // namespace partita::app
