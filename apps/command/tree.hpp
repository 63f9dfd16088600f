// SPDX-License-Identifier: Apache-2.0
// The commands of `partita` as CLI11 knows them, in the order in which help shows them.
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

namespace partita::app {

inline std::vector<const CLI::App*> subcommands(const CLI::App& app) {
  return app.get_subcommands([](const CLI::App*) { return true; });
}

/// The options that a user gives by name.
inline std::vector<const CLI::Option*> options_of(const CLI::App& app) {
  return app.get_options([](const CLI::Option* option) { return option->nonpositional(); });
}

/// The command as typed, joined by `separator`: "partita lm train".
inline std::string typed(const CLI::App& app, const std::string& separator = " ") {
  return app.get_parent() == nullptr
             ? app.get_name()
             : typed(*app.get_parent(), separator) + separator + app.get_name();
}

/// Calls visit() on `app` and all commands below it.
template <class Visit>
void for_each_command(const CLI::App& app, const Visit& visit) {
  visit(app);
  for (const CLI::App* below : subcommands(app)) for_each_command(*below, visit);
}

}  // namespace partita::app
