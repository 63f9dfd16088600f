// partita: the command. Parses, calls the library, prints; see the files of its subcommands.
//
// Exit status: 0 done, 1 failed (bad data, input or output), 2 wrongly asked. A failure is one line
// on standard error.
#include <fmt/format.h>

#include <algorithm>
#include <exception>
#include <new>
#include <string>

#include "commands.hpp"
#include "partita/base/error.hpp"
#include "terminal.hpp"

namespace {

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

int complain(std::string message, int status) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  message.erase(message.find_last_not_of(' ') + 1);
  partita::app::note("partita: " + message);
  return status;
}

/// The subcommand that was being parsed, as it was typed: "partita lm train".
std::string typed(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return app.get_name() + (chosen.empty() ? "" : " " + typed(*chosen.front()));
}

int run(int argc, char** argv) {
  CLI::App app("Everything that is done with a softmax.", "partita");
  app.set_version_flag("--version", "partita " PARTITA_VERSION);
  app.require_subcommand(1);
  app.footer("partita COMMAND --help shows a command's options, with an example.");
  partita::app::add_sample(app);
  partita::app::add_lm(app);
  partita::app::add_generate(app);
  partita::app::add_demo(app);
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    return app.exit(asked);
  } catch (const CLI::ParseError& error) {
    return complain(fmt::format("{} (see {} --help)", error.what(), typed(app)), kWronglyAsked);
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return run(argc, argv);
  } catch (const partita::InvalidArgument& error) {
    return complain(error.what(), kWronglyAsked);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", kFailed);
  } catch (const std::exception& error) {
    return complain(error.what(), kFailed);
  }
}
