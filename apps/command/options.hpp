// The options that subcommands share, so that a flag means the same everywhere and stands in the
// same order: a command's own, what is drawn, filters, length; then how a training run is kept
// (--device, --checkpoint, --checkpoint-seconds, --log); --seed, --threads, --json; and last what
// it writes (--output, --report).
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "apps/command/learn/run_options.hpp"
#include "partita/softmax/filter.hpp"

namespace partita::app {

struct CommonOptions {
  std::uint64_t seed = 0;
  int threads = 1;
  bool json = false;
};

/// -k COUNT, at least 1. `what` is what there are k of.
void add_k(CLI::App& app, std::size_t& k, const std::string& what);

/// --temperature, --top-k, --top-p, --min-p, --typical-p
void add_filter(CLI::App& app, Filter& filter);

/// --max-length
void add_max_length(CLI::App& app, std::size_t& max_length);

/// --device
void add_device(CLI::App& app, std::string& device, const std::string& group = "Options");

/// --device, --checkpoint, --checkpoint-seconds, --log
void add_run(CLI::App& app, RunOptions& options, const std::string& group = "Options");

/// --seed, --threads, --json
void add_common(CLI::App& app, CommonOptions& options);

/// -o, --output: `what` is what the file gets.
CLI::Option* add_output(CLI::App& app, std::string& path, const std::string& what);

/// --report: an HTML page with `what`.
CLI::Option* add_report(CLI::App& app, std::string& path, const std::string& what = "figures");

/// A whole number of [least, most], for options of other subcommands.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

/// A number for which `good` holds: "expected a number RANGE, got ...".
CLI::Validator number(const std::function<bool(double)>& good, const std::string& range);

}  // namespace partita::app
