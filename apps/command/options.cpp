#include "apps/command/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <string>
#include <system_error>
#include <thread>

namespace partita::app {
namespace {

constexpr int kMostThreads = 1024;

template <class Number>
std::optional<Number> parsed(const std::string& text) {
  Number value{};
  const char* const end = text.data() + text.size();
  const auto [stop, error] = std::from_chars(text.data(), end, value);
  if (error != std::errc{} || stop != end) return std::nullopt;
  return value;
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
  app.add_option("--checkpoint", options.checkpoint,
                 "save the state of training here, and resume from it if it exists")
      ->option_text("FILE")
      ->group(group);
  app.add_option("--checkpoint-seconds", options.checkpoint_seconds,
                 "time between two checkpoints (30)")
      ->option_text("S")
      ->group(group)
      ->check(number("[0, inf]"));
  app.add_option("--log", options.log, "write losses as JSON lines")
      ->option_text("FILE")
      ->group(group);
}

void add_common(CLI::App& app, CommonOptions& options) {
  options.threads =
      std::clamp(static_cast<int>(std::thread::hardware_concurrency()), 1, kMostThreads);
  app.add_option("--seed", options.seed,
                 "the same seed gives the same draws on any number of threads (0)")
      ->option_text("N")
      ->check(whole_number(0, std::numeric_limits<std::uint64_t>::max()));
  app.add_option("--threads", options.threads, "use at most N threads (one per processor)")
      ->option_text("N")
      ->check(whole_number(1, kMostThreads));
  app.add_flag("--json", options.json, "print one JSON object to standard output and nothing else");
}

CLI::Option* add_output(CLI::App& app, std::string& path, const std::string& what) {
  return app.add_option("-o,--output", path, "write " + what)->option_text("FILE");
}

CLI::Option* add_report(CLI::App& app, std::string& path, const std::string& what) {
  return app.add_option("--report", path, "write an HTML page with " + what)->option_text("FILE");
}

}  // namespace partita::app
