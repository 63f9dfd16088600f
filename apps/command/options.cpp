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

void add_filter(CLI::App& app, SamplerSettings& s) {
  const std::string group = "Filters, applied in this order";
  const auto add = [&](const char* name, double& value, const char* what, const char* letter,
                       RealInterval range) {
    app.add_option(name, value, what)->option_text(letter)->group(group)->check(number(range));
  };
  add("--temperature", s.temperature, "divide the logits by T > 0 (1)", "T", "(0, inf)");
  add("--dynatemp-range", s.dynatemp_range,
      "temperature from T - R to T + R, rising with the entropy (0: off)", "R", "[0, inf)");
  add("--dynatemp-exp", s.dynatemp_exponent,
      "it rises as entropy / largest entropy to the power X (1)", "X", "(0, inf)");
  add("--top-n-sigma", s.top_n_sigma,
      "keep logits within N standard deviations of the largest (0: off)", "N", "[0, inf)");
  add("--top-h", s.top_h,
      "keep the most likely with at most a share H in (0, 1] of the entropy (1)", "H", "(0, 1]");
  app.add_option("--top-k", s.top_k, "keep the N most likely (all)")
      ->option_text("N")
      ->group(group)
      ->check(whole_number(1, std::numeric_limits<std::uint64_t>::max()));
  add("--top-p", s.top_p, "keep the most likely with total probability P in (0, 1] (1)", "P",
      "(0, 1]");
  add("--min-p", s.min_p, "keep those with at least P times the largest probability (0)", "P",
      "[0, 1]");
  add("--typical-p", s.typical_p, "keep the most typical with total probability P in (0, 1] (1)",
      "P", "(0, 1]");
  add("--epsilon-cutoff", s.epsilon_cutoff, "keep probabilities of at least P (0)", "P", "[0, 1)");
  add("--eta-cutoff", s.eta_cutoff,
      "keep probabilities of at least P, or less if the entropy is high (0)", "P", "[0, 1)");
  app.add_flag("--p-less", s.p_less, "keep probabilities of at least the sum of their squares")
      ->group(group);
}

void add_penalties(CLI::App& app, SamplerSettings& s) {
  const std::string group = "Penalties for repetition, applied before the filters";
  const auto add = [&](const char* name, double& value, const char* what, RealInterval range) {
    app.add_option(name, value, what)->option_text("X")->group(group)->check(number(range));
  };
  const auto add_length = [&](const char* name, std::size_t& value, const char* what,
                              std::uint64_t least) {
    app.add_option(name, value, what)
        ->option_text("N")
        ->group(group)
        ->check(whole_number(least, std::numeric_limits<std::uint64_t>::max()));
  };
  add_length("--no-repeat-ngram-size", s.no_repeat_ngram,
             "forbid N-grams that have occurred (0: off)", 0);
  add("--repeat-penalty", s.repeat_penalty,
      "divide positive logits of repeated tokens by X, "
      "multiply others (1)",
      "(0, inf)");
  add("--frequency-penalty", s.frequency_penalty, "subtract X from a logit for each repetition (0)",
      "(-inf, inf)");
  add("--presence-penalty", s.presence_penalty, "subtract X from the logits of repeated tokens (0)",
      "(-inf, inf)");
  add_length("--repeat-last-n", s.penalty_last_n, "look at the last N tokens for these three (64)",
             0);
  add("--dry-multiplier", s.dry_multiplier,
      "DRY: subtract X from what would prolong a repeated sequence (0: off)", "[0, inf)");
  add("--dry-base", s.dry_base, "DRY: times X for each token that it is longer (1.75)", "[1, inf)");
  add_length("--dry-allowed-length", s.dry_allowed_length, "DRY: from N repeated tokens on (2)", 1);
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
