// SPDX-License-Identifier: Apache-2.0
// The main of both programs, `partita` and `partita-learn` (see subcommands.hpp): parses the
// command line and turns a failure into one line and a status.
//
// Exit status: 0 done, 1 failed (bad data, input or output), 2 wrong usage. A failure is one line
// on standard error.
#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <cstring>
#include <exception>
#include <initializer_list>
#include <new>
#include <sstream>
#include <string>

#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/command/tree.hpp"
#include "partita/base/error.hpp"
#include "partita/base/version.hpp"
#include "partita/io/file.hpp"

namespace {

constexpr int kFailed = 1;
constexpr int kWronglyAsked = 2;

int complain(std::string message, int status) {
  std::replace(message.begin(), message.end(), '\n', ' ');
  message.erase(message.find_last_not_of(' ') + 1);
  fmt::print(stderr, "partita: {}\n", message);
  return status;
}

/// The deepest valid subcommand that was asked for: for `partita lm frobnicate` it is lm.
const CLI::App& asked_for(const CLI::App& app) {
  const auto chosen = app.get_subcommands();
  return chosen.empty() ? app : asked_for(*chosen.front());
}

std::string explain(const CLI::ParseError& error, const CLI::App& app) {
  const CLI::App& command = asked_for(app);
  std::string message = error.what();
  if (command.get_require_subcommand_min() > 0) {  // but there is none
    const auto rest = app.remaining(true);
    std::string choices;
    for (const CLI::App* choice : partita::app::subcommands(command)) {
      choices += (choices.empty() ? "" : ", ") + choice->get_name();
    }
    message = fmt::format("expected a command ({}), got {}", choices,
                          rest.empty() ? "none" : rest.front());
  }
  if (dynamic_cast<const CLI::ArgumentMismatch*>(&error) !=
      nullptr) {  // "-k: 1 required N missing", "-k: At Most 1 required but received 2"
    const bool several = message.find("received") != std::string::npos;
    message = message.substr(0, message.find(':')) +
              (several ? ": may be given only once" : ": expected a value");
  }
  return fmt::format("{} (see {} --help)", message, partita::app::typed(command));
}

/// Turns a complaint about an argument into one about the option that gave it: out_set becomes
/// --out-set.
std::string explain(const partita::InvalidArgument& error, const CLI::App& app) {
  std::string option = "--" + error.argument();
  std::replace(option.begin(), option.end(), '_', '-');
  const bool given = asked_for(app).get_option_no_throw(option) != nullptr;
  return given ? option + ": " + error.reason() : error.what();
}

int run(int argc, char** argv) {
  CLI::App app("Everything that is done with a softmax", "partita");
  app.set_version_flag("--version", std::string("partita ") + partita::version());
  app.require_subcommand(1);
  app.footer("partita COMMAND --help shows a command's options, with an example.");
  partita::app::add_commands(app);
  partita::app::set_command_line({argv + 1, argv + argc});
  try {
    app.parse(argc, argv);
  } catch (const CLI::Success& asked) {  // --help, --version
    std::ostringstream text;
    const int status = app.exit(asked, text, text);
    partita::app::print(text.str());
    return status;
  } catch (const CLI::ParseError& error) {
    return complain(explain(error, app), kWronglyAsked);
  } catch (const partita::InvalidArgument& error) {
    return complain(explain(error, app), kWronglyAsked);
  }
  return 0;
}

/// A line to standard error, from a handler of signals.
void say(std::initializer_list<const char*> parts) {
  for (const char* const part : parts) {
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, part, std::strlen(part));
  }
}

/// A mapped file became shorter while it was read: there is nothing left to do but to say so.
void shortened(int, siginfo_t* info, void*) {
  const char* const path = partita::mapped_path(info->si_addr);
  say({"partita: ", path != nullptr ? path : "a file", ": became shorter while it was read\n"});
  partita::remove_unfinished_files();
  ::_exit(kFailed);
}

/// Asked to end: no half-written file stays, and the signal does what it does to any process.
void ended(int signal) {
  partita::remove_unfinished_files();
  if (const char* const advice = partita::app::how_to_go_on(); *advice != '\0') {
    say({"partita: interrupted", advice, "\n"});
  }
  ::raise(signal);  // which the handler no longer catches
}

void handle_signals() {
  struct sigaction action {};
  action.sa_sigaction = shortened;
  action.sa_flags = SA_SIGINFO;
  ::sigaction(SIGBUS, &action, nullptr);

  struct sigaction ending {};
  ending.sa_handler = ended;
  ending.sa_flags = SA_RESETHAND;
  for (const int signal : {SIGHUP, SIGINT, SIGTERM}) {
    struct sigaction before {};
    ::sigaction(signal, nullptr, &before);
    if (before.sa_handler != SIG_IGN) ::sigaction(signal, &ending, nullptr);  // nohup stays nohup
  }
  ::signal(SIGXFSZ, SIG_IGN);  // a limit of the size of files (ulimit -f) is an error as any other
}

}  // namespace

int main(int argc, char** argv) {
  handle_signals();
  try {
    return run(argc, argv);
  } catch (const std::bad_alloc&) {
    return complain("out of memory", kFailed);
  } catch (const partita::IoError& error) {
    return complain(error.what() + std::string(partita::app::how_to_go_on()), kFailed);
  } catch (const std::exception& error) {
    return complain(error.what(), kFailed);
  }
}
