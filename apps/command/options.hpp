// SPDX-License-Identifier: Apache-2.0
// The options that subcommands share, so that a flag means the same everywhere and is listed in the
// same order: a command's own, what is drawn, filters, length; then how a training run is kept
// (--device, --checkpoint, --checkpoint-seconds, --log); --seed, --threads, --json; and last what
// it writes (--output, --report).
#pragma once

#include <CLI/CLI.hpp>
#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "apps/experiments/run.hpp"
#include "partita/base/internal/check.hpp"

namespace partita::app {

struct CommonOptions {
  std::uint64_t seed = 0;
  int threads = 1;
  bool json = false;
};

/// -k COUNT, at least 1. `what` says what it counts.
void add_k(CLI::App& app, std::size_t& k, const std::string& what);

/// --max-length
void add_max_length(CLI::App& app, std::size_t& max_length);

/// An option whose values are names of an enum: stored in `value`, an E or optional<E>.
template <class Value, class E, std::size_t N>
CLI::Option* add_choice(CLI::App& app, const std::string& flag, Value& value,
                        const std::array<Named<E>, N>& names, const std::string& description) {
  std::vector<std::string> texts;
  for (const Named<E>& each : names) texts.emplace_back(each.name);
  return app
      .add_option_function<std::string>(
          flag,
          [&value, names](const std::string& text) { value = value_named(names, text).value(); },
          description)
      ->option_text("NAME")
      ->check(CLI::IsMember(std::move(texts)));
}

/// --device
void add_device(CLI::App& app, Device& device, const std::string& group = "Options");

/// --device, --checkpoint, --checkpoint-seconds, --log
void add_run(CLI::App& app, RunOptions& options, const std::string& group = "Options");

/// --seed, --threads, --json
void add_common(CLI::App& app, CommonOptions& options);

/// -o, --output: `what` says what the file holds.
/// @param extensions that its name may have; empty: any
CLI::Option* add_output(CLI::App& app, std::string& path, const std::string& what,
                        const std::vector<std::string>& extensions = {});

/// --report: an HTML page with `what`.
CLI::Option* add_report(CLI::App& app, std::string& path, const std::string& what = "figures");

/// Any option that names a file to be written. Before the command begins its work, each of them is
/// looked at: it can be written (partita/io/file.hpp), and is no other file of the command line
/// (those of options with the text FILE).
CLI::Option* add_output_option(CLI::App& app, const std::string& flag, std::string& path,
                               const std::string& description,
                               const std::vector<std::string>& extensions = {});

/// A whole number of [least, most], for options of other subcommands.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

/// A number in the range: number("(0, 1]").
CLI::Validator number(RealInterval range);

}  // namespace partita::app
