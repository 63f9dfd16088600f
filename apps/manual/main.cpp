// SPDX-License-Identifier: Apache-2.0
// Writes the manual pages and the bash completion of `partita`, from the same description of its
// commands that parses the command line, so that they cannot differ from it:
//
//   partita_manual DIRECTORY
//
// DIRECTORY/man1 gets partita.1 and a page for each command (partita-lm-train.1 for `partita lm
// train`); DIRECTORY/partita is the completion.
#include <fmt/format.h>

#include <exception>
#include <filesystem>
#include <string>

#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/manual/completion.hpp"
#include "apps/manual/pages.hpp"
#include "partita/base/error.hpp"
#include "partita/base/version.hpp"
#include "partita/io/file.hpp"

namespace {

void add_all(CLI::App& app) {
#ifdef PARTITA_LEARN
  partita::app::add_light_commands(app);
  partita::app::add_learn_commands(app);
#else
  partita::app::add_commands(app);
#endif
}

}  // namespace

int main(int argc, char** argv) {
  try {
    if (argc != 2)
      throw partita::InvalidArgument("DIRECTORY", "missing: the directory to write to");
    const std::filesystem::path out = argv[1];
    CLI::App app("Everything that is done with a softmax", "partita");
    app.set_version_flag("--version", std::string("partita ") + partita::version());
    add_all(app);
    std::filesystem::create_directories(out / "man1");
    for (const auto& [name, text] : partita::app::manual_pages(app, partita::version())) {
      partita::write_file(out / "man1" / name, text);
    }
    partita::write_file(out / "partita", partita::app::bash_completion(app));
  } catch (const std::exception& error) {
    partita::app::note(fmt::format("partita_manual: {}", error.what()));
    return 1;
  }
}
