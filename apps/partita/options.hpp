// The options that subcommands share, so that a flag means the same everywhere and stands in the
// same order: what is drawn, filters, length, then seed, threads, json.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

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

/// --seed, --threads, --json
void add_common(CLI::App& app, CommonOptions& options);

/// A whole number of [least, most], for options of other subcommands.
CLI::Validator whole_number(std::uint64_t least, std::uint64_t most);

/// A number for which `good` holds: "expected a number RANGE, got ...".
CLI::Validator number(const std::function<bool(double)>& good, const std::string& range);

}  // namespace partita::app
