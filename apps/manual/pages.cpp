// SPDX-License-Identifier: Apache-2.0
#include "apps/manual/pages.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <string_view>

#include "apps/command/tree.hpp"

namespace partita::app {
namespace {

constexpr std::string_view kExample = "Example:\n";

/// Text that roff prints letter by letter: hyphens stay hyphens, and no line begins a macro.
std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool line_start = out.empty() || out.back() == '\n';
    if (line_start && (c == '.' || c == '\'')) out += "\\&";
    if (c == '-' || c == '\\') out += '\\';
    out += c == '\\' ? 'e' : c;
  }
  return out;
}

std::string section(const std::string& title) { return ".SH " + title + "\n"; }

/// Lines that roff does not fill.
std::string verbatim(std::string_view text) { return fmt::format(".nf\n{}\n.fi\n", escaped(text)); }

std::string tagged(const std::string& tag, const std::string& text) {
  return fmt::format(".TP\n.B {}\n{}\n", escaped(tag), escaped(text));
}

std::string tag(const CLI::Option& option) {
  std::string names = option.get_name(false, true);
  if (const auto comma = names.find(','); comma != std::string::npos) names.insert(comma + 1, " ");
  return option.get_option_text().empty() ? names : names + " " + option.get_option_text();
}

std::string positionals(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option :
       app.get_options([](const CLI::Option* each) { return each->get_positional(); })) {
    out += tagged(option->get_name(true), option->get_description());
  }
  return out;
}

std::string options(const CLI::App& app) {
  std::string out;
  std::vector<std::string> groups;
  for (const CLI::Option* option : options_of(app)) {
    if (std::find(groups.begin(), groups.end(), option->get_group()) == groups.end()) {
      groups.push_back(option->get_group());
    }
  }
  for (const std::string& group : groups) {
    if (group != "Options") out += fmt::format(".SS {}\n", escaped(group));
    for (const CLI::Option* option : options_of(app)) {
      if (option->get_group() == group) out += tagged(tag(*option), option->get_description());
    }
  }
  return out;
}

std::string commands(const CLI::App& app) {
  std::string out;
  for (const CLI::App* below : subcommands(app)) {
    out += tagged(typed(*below), below->get_description());
  }
  return out;
}

std::string synopsis(const CLI::App& app) {
  std::string arguments = "[OPTIONS]";
  for (const CLI::Option* option :
       app.get_options([](const CLI::Option* each) { return each->get_positional(); })) {
    arguments += " " + option->get_name(true);
  }
  if (!subcommands(app).empty()) arguments = "COMMAND [OPTIONS]";
  return fmt::format(".B {}\n{}\n", escaped(typed(app)), escaped(arguments));
}

std::string related(const CLI::App& app) {
  std::string out;
  const auto add = [&](const CLI::App& other) {
    out += fmt::format("{}.BR {} (1)", out.empty() ? "" : ",\n", escaped(typed(other, "-")));
  };
  if (app.get_parent() != nullptr) add(*app.get_parent());
  for (const CLI::App* below : subcommands(app)) add(*below);
  return out + "\n";
}

std::string page(const CLI::App& app, const std::string& version) {
  // A footer is an example, an empty line, and further notes.
  std::string example = app.get_footer();
  std::string description;
  if (example.starts_with(kExample)) {
    example.erase(0, kExample.size());
    if (const auto end = example.find("\n\n"); end != std::string::npos) {
      description = example.substr(end + 2);
      example.erase(end);
    }
  } else {
    description.swap(example);
  }
  std::string title = typed(app, "-");
  std::string out = fmt::format(".TH {} 1 \"\" \"partita {}\" Partita\n", escaped(title), version);
  out +=
      section("NAME") + fmt::format("{} \\- {}\n", escaped(title), escaped(app.get_description()));
  out += section("SYNOPSIS") + synopsis(app);
  if (!description.empty()) out += section("DESCRIPTION") + verbatim(description);
  if (!subcommands(app).empty()) out += section("COMMANDS") + commands(app);
  out += section("OPTIONS") + positionals(app) + options(app);
  if (!example.empty()) out += section("EXAMPLE") + verbatim(example);
  out += section("EXIT STATUS") + "0 on success, 1 on failure, 2 on wrong usage.\n";
  return out + section("SEE ALSO") + related(app);
}

}  // namespace

std::vector<ManualPage> manual_pages(const CLI::App& app, const std::string& version) {
  std::vector<ManualPage> pages;
  for_each_command(app, [&](const CLI::App& command) {
    pages.push_back({typed(command, "-") + ".1", page(command, version)});
  });
  return pages;
}

}  // namespace partita::app
