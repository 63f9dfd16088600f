// SPDX-License-Identifier: Apache-2.0
#include "apps/command/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/io/array_file.hpp"
#include "partita/io/file.hpp"

namespace partita::app {
namespace {

namespace fs = std::filesystem;

constexpr int kMostThreads = 1024;

template <class Number>
std::optional<Number> parsed(const std::string& text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
}

/// How many processes share this machine's processors: those of `partita launch` or torchrun.
int processes_here() {
  const char* const size = std::getenv("LOCAL_WORLD_SIZE");
  return std::max(1, size == nullptr ? 1 : parsed<int>(size).value_or(1));
}

/// The type of options that name a file to be written.
constexpr const char* kWritten = "WRITTEN";

CLI::Validator has_extension(const std::vector<std::string>& extensions) {
  return {[=](std::string& path) {
            const std::string extension = fs::path(path).extension().string();
            if (is_stream(path) ||
                std::find(extensions.begin(), extensions.end(), extension) != extensions.end()) {
              return std::string();
            }
            std::string names = extensions.front();
            for (std::size_t i = 1; i < extensions.size(); ++i) {
              names += (i + 1 == extensions.size() ? " or " : ", ") + extensions[i];
            }
            return fmt::format("expected an extension of {}, got {}", names, path);
          },
          "FILE"};
}

struct NamedFile {
  std::string option;  // as it is typed
  std::string path;
  bool written;
};

std::vector<NamedFile> files_of(const CLI::App& app) {
  std::vector<NamedFile> files;
  for (const CLI::Option* option : app.get_options()) {
    if (!option->get_option_text().starts_with("FILE")) continue;
    const bool written = option->get_type_name().starts_with(kWritten);  // validators follow
    for (const std::string& value : option->results()) {
      if (value.empty() && !written) continue;
      const bool standard = value == "/dev/stdout" || value == "/dev/stdin";
      const std::string path = standard ? "-" : written ? value : array_path(value);
      files.push_back({option->get_name(), path, written});
    }
  }
  return files;
}

/// Two names of one file, which may not exist yet. A device is not one that matters.
bool same_file(const std::string& a, const std::string& b) {
  std::error_code error;
  if (is_stream(a)) return false;
  if (fs::exists(a, error) && fs::exists(b, error)) return fs::equivalent(a, b, error);
  return fs::absolute(a, error).lexically_normal() == fs::absolute(b, error).lexically_normal();
}

/// What is written to standard output alone.
void use_standard_output_for(const std::string& option, const CLI::App& app) {
  const CLI::Option* const json = app.get_option_no_throw("--json");
  if (json != nullptr && json->count() > 0) {
    throw InvalidArgument("--json", fmt::format("standard output is that of {}", option));
  }
  print_to_standard_error();
}

void check_files(const CLI::App& app) {
  const std::vector<NamedFile> files = files_of(app);
  for (auto file = files.begin(); file != files.end(); ++file) {
    const auto clash = std::find_if(files.begin(), file, [&](const NamedFile& other) {
      const bool standard = file->path == "-" || other.path == "-";
      if (standard) return file->path == other.path && file->written == other.written;
      return (file->written || other.written) && same_file(file->path, other.path);
    });
    if (clash == file) continue;
    const char* const what = file->path != "-" ? file->path.c_str()
                             : file->written   ? "standard output"
                                               : "standard input";
    throw InvalidArgument(file->option, fmt::format("{} is that of {}, too", what, clash->option));
  }
  for (const NamedFile& file : files) {
    if (!file.written) continue;
    if (file.path == "-") use_standard_output_for(file.option, app);
    check_writable(file.path);
  }
}

}  // namespace

// CLI11 puts the option's name before the messages.

CLI::Validator number(RealInterval range) {
  return {[=](std::string& text) {
            const auto value = parsed<double>(text);
            if (value && range.contains(*value)) return std::string();
            return fmt::format("expected a number in {}, got {}", range.text(), text);
          },
          "NUMBER"};
}

CLI::Validator whole_number(std::uint64_t least, std::uint64_t most) {
  return {[=](std::string& text) {
            const auto value = parsed<std::uint64_t>(text);
            if (value && *value >= least && *value <= most) return std::string();
            const bool open = most == std::numeric_limits<std::uint64_t>::max();
            return fmt::format(
                "expected a whole number of {}, got {}",
                open ? fmt::format("{} or more", least) : fmt::format("{}..{}", least, most), text);
          },
          "N"};
}

void add_k(CLI::App& app, std::size_t& k, const std::string& what) {
  app.add_option("-k", k, fmt::format("{} ({})", what, k))
      ->option_text("N")
      ->check(whole_number(1, std::numeric_limits<std::uint64_t>::max()));
}

void add_max_length(CLI::App& app, std::size_t& max_length) {
  app.add_option("--max-length", max_length,
                 fmt::format("cut a sequence after N tokens, including its end ({})", max_length))
      ->option_text("N")
      ->check(whole_number(1, 1U << 20U));
}

void add_device(CLI::App& app, Device& device, const std::string& group) {
  add_choice(app, "--device", device, kDevices, "cpu or cuda (cpu)")->group(group);
}

void add_run(CLI::App& app, RunOptions& options, const std::string& group) {
  add_device(app, options.device, group);
  add_output_option(app, "--checkpoint", options.checkpoint,
                    "save the state of training here, and resume from it if it exists")
      ->group(group)
      ->each([](const std::string& path) {
        remember_checkpoints({path, path + ".MLE"}, "the same command");  // seqgan's first phase
      });
  app.add_option("--checkpoint-seconds", options.checkpoint_seconds,
                 "time between two checkpoints (30)")
      ->option_text("S")
      ->group(group)
      ->check(number("[0, inf]"));
  add_output_option(app, "--log", options.log, "write losses as JSON lines")->group(group);
}

void add_common(CLI::App& app, CommonOptions& options) {
  options.threads = std::clamp(
      static_cast<int>(std::thread::hardware_concurrency()) / processes_here(), 1, kMostThreads);
  app.add_option("--seed", options.seed,
                 "the same seed gives the same draws on any number of threads (0)")
      ->option_text("N")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  app.add_option("--threads", options.threads,
                 "use at most N threads (one per processor, of all processes of a launch)")
      ->option_text("N")
      ->check(whole_number(1, kMostThreads));
  app.add_flag("--json", options.json, "print one JSON object to standard output and nothing else");
}

CLI::Option* add_output(CLI::App& app, std::string& path, const std::string& what,
                        const std::vector<std::string>& extensions) {
  return add_output_option(app, "-o,--output", path, "write " + what, extensions);
}

CLI::Option* add_output_option(CLI::App& app, const std::string& flag, std::string& path,
                               const std::string& description,
                               const std::vector<std::string>& extensions) {
  auto* option = app.add_option(flag, path, description)->option_text("FILE");
  if (!extensions.empty()) option->check(has_extension(extensions));
  app.parse_complete_callback([&app] { check_files(app); });
  return option->type_name(kWritten);  // which the text hides
}

CLI::Option* add_report(CLI::App& app, std::string& path, const std::string& what) {
  return add_output_option(app, "--report", path, "write an HTML page with " + what);
}

}  // namespace partita::app
