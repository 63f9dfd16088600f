// SPDX-License-Identifier: Apache-2.0
#include "apps/manual/completion.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "apps/command/tree.hpp"

namespace partita::app {
namespace {

/// The command without "partita": "lm train".
std::string below_partita(const CLI::App& app) {
  const std::string all = typed(app);
  const auto space = all.find(' ');
  return space == std::string::npos ? "" : all.substr(space + 1);
}

std::vector<std::string> flags(const CLI::Option& option) {
  std::vector<std::string> out;
  for (const std::string& name : option.get_snames()) out.push_back("-" + name);
  for (const std::string& name : option.get_lnames()) out.push_back("--" + name);
  return out;
}

/// What CLI::IsMember allows, which it describes as "{a,b,c}".
std::vector<std::string> choices(const CLI::Option& option) {
  const std::string type = option.get_type_name();
  const auto open = type.find('{');
  const auto close = type.find('}');
  if (open == std::string::npos || close == std::string::npos) return {};
  return CLI::detail::split(type.substr(open + 1, close - open - 1), ',');
}

std::string words_of(const CLI::App& app) {
  std::vector<std::string> words;
  for (const CLI::App* below : subcommands(app)) words.push_back(below->get_name());
  for (const CLI::Option* option : options_of(app)) {
    for (const std::string& flag : flags(*option)) words.push_back(flag);
  }
  return fmt::format("    '{}') words='{}' ;;\n", below_partita(app), fmt::join(words, " "));
}

std::string values_of(const CLI::App& app) {
  std::string out;
  for (const CLI::Option* option : options_of(app)) {
    if (option->get_expected_max() == 0) continue;  // a flag
    std::vector<std::string> patterns;
    for (const std::string& flag : flags(*option)) {
      patterns.push_back(fmt::format("'{} {}'", below_partita(app), flag));
    }
    const std::string& text = option->get_option_text();
    const bool file = text == "FILE" || text == "DIR" || text == "UNITS" || text == "SET";
    out += fmt::format("    {}) values='{}'{} ;;\n", fmt::join(patterns, " | "),
                       fmt::join(choices(*option), " "), file ? " files=1" : "");
  }
  return out;
}

}  // namespace

std::string bash_completion(const CLI::App& app) {
  std::string commands;
  std::string words;
  std::string values;
  for_each_command(app, [&](const CLI::App& command) {
    if (command.get_parent() != nullptr) {
      commands += fmt::format("{}'{}'", commands.empty() ? "" : " | ", below_partita(command));
    }
    words += words_of(command);
    values += values_of(command);
  });
  return fmt::format(
      R"(# bash completion for partita, written by its build from its commands' options.
_partita() {{
  local current=${{COMP_WORDS[COMP_CWORD]}} previous=${{COMP_WORDS[COMP_CWORD - 1]}}
  local command='' longer words='' values='' files='' takes_value=1 i
  for ((i = 1; i < COMP_CWORD; i++)); do
    longer="${{command:+$command }}${{COMP_WORDS[i]}}"
    case $longer in
    {commands}) command=$longer ;;
    *) break ;;
    esac
  done
  COMPREPLY=()
  case "$command $previous" in
{values}    *) takes_value='' ;;
  esac
  if [[ -n $takes_value ]]; then
    [[ -n $values ]] && COMPREPLY=($(compgen -W "$values" -- "$current"))
    [[ -n $files ]] && compopt -o default 2>/dev/null
    return
  fi
  case "$command" in
{words}  esac
  COMPREPLY=($(compgen -W "$words" -- "$current"))
  compopt -o default 2>/dev/null
}}
complete -F _partita partita
)",
      fmt::arg("commands", commands), fmt::arg("words", words), fmt::arg("values", values));
}

}  // namespace partita::app
