#include "apps/command/options.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <functional>
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

bool is_probability(double p) { return p > 0 && p <= 1; }

}  // namespace

// CLI11 puts the option's name before the messages.

CLI::Validator number(const std::function<bool(double)>& good, const std::string& range) {
  return {[=](std::string& text) {
            const auto value = parsed<double>(text);
            if (value && good(*value)) return std::string();
            return fmt::format("expected a number {}, got {}", range, text);
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

namespace {

bool is_share(double x) { return x >= 0 && x <= 1; }
bool is_cutoff(double x) { return x >= 0 && x < 1; }
bool is_positive(double x) { return x > 0 && std::isfinite(x); }
bool is_not_negative(double x) { return x >= 0 && std::isfinite(x); }

}  // namespace

void add_filter(CLI::App& app, SamplerSettings& s) {
  const std::string group = "Filters, applied in this order";
  const auto add = [&](const char* name, double& value, const char* what, const char* letter,
                       bool (*good)(double), const char* range) {
    app.add_option(name, value, what)
        ->option_text(letter)
        ->group(group)
        ->check(number(good, range));
  };
  add("--temperature", s.temperature, "divide the logits by T > 0 (1)", "T", is_positive,
      "above 0");
  add("--dynatemp-range", s.dynatemp_range,
      "temperature from T - R to T + R, rising with the entropy (0: off)", "R", is_not_negative,
      "0 or more");
  add("--dynatemp-exp", s.dynatemp_exponent,
      "it rises as entropy / largest entropy to the power X (1)", "X", is_positive, "above 0");
  add("--top-n-sigma", s.top_n_sigma,
      "keep logits within N standard deviations of the largest (0: off)", "N", is_not_negative,
      "0 or more");
  add("--top-h", s.top_h,
      "keep the most likely with at most a share H in (0, 1] of the entropy (1)", "H",
      is_probability, "above 0 and at most 1");
  app.add_option("--top-k", s.top_k, "keep the N most likely (all)")
      ->option_text("N")
      ->group(group)
      ->check(whole_number(1, std::numeric_limits<std::uint64_t>::max()));
  add("--top-p", s.top_p, "keep the most likely with total probability P in (0, 1] (1)", "P",
      is_probability, "above 0 and at most 1");
  add("--min-p", s.min_p, "keep those with at least P times the largest probability (0)", "P",
      is_share, "from 0 to 1");
  add("--typical-p", s.typical_p, "keep the most typical with total probability P in (0, 1] (1)",
      "P", is_probability, "above 0 and at most 1");
  add("--epsilon-cutoff", s.epsilon_cutoff, "keep probabilities of at least P (0)", "P", is_cutoff,
      "from 0 to below 1");
  add("--eta-cutoff", s.eta_cutoff,
      "keep probabilities of at least P, or less if the entropy is high (0)", "P", is_cutoff,
      "from 0 to below 1");
  app.add_flag("--p-less", s.p_less, "keep probabilities of at least the sum of their squares")
      ->group(group);
}

void add_penalties(CLI::App& app, SamplerSettings& s) {
  const std::string group = "Penalties for repetition, applied before the filters";
  const auto add = [&](const char* name, double& value, const char* what, bool (*good)(double),
                       const char* range) {
    app.add_option(name, value, what)->option_text("X")->group(group)->check(number(good, range));
  };
  const auto add_length = [&](const char* name, std::size_t& value, const char* what,
                              std::uint64_t least) {
    app.add_option(name, value, what)
        ->option_text("N")
        ->group(group)
        ->check(whole_number(least, std::numeric_limits<std::uint64_t>::max()));
  };
  const auto is_finite = [](double x) { return std::isfinite(x); };
  add_length("--no-repeat-ngram-size", s.no_repeat_ngram,
             "forbid N-grams that have occurred (0: off)", 0);
  add("--repeat-penalty", s.repeat_penalty,
      "divide positive logits of repeated tokens by X, "
      "multiply others (1)",
      is_positive, "above 0");
  add("--frequency-penalty", s.frequency_penalty, "subtract X from a logit for each repetition (0)",
      is_finite, "finite");
  add("--presence-penalty", s.presence_penalty, "subtract X from the logits of repeated tokens (0)",
      is_finite, "finite");
  add_length("--repeat-last-n", s.penalty_last_n, "look at the last N tokens for these three (64)",
             0);
  add("--dry-multiplier", s.dry_multiplier,
      "DRY: subtract X from what would prolong a repeated sequence (0: off)", is_not_negative,
      "0 or more");
  add(
      "--dry-base", s.dry_base, "DRY: times X for each token that it is longer (1.75)",
      [](double x) { return x >= 1 && std::isfinite(x); }, "1 or more");
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
      ->check(number([](double x) { return x >= 0; }, "of at least 0"));
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
