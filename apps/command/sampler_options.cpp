// SPDX-License-Identifier: Apache-2.0
#include "apps/command/sampler_options.hpp"

#include <fmt/format.h>

#include <charconv>
#include <limits>
#include <string_view>

#include "apps/command/options.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

constexpr std::uint64_t kUnbounded = std::numeric_limits<std::uint64_t>::max();

/// Adds options of numbers to one group of the help.
class OptionGroup {
 public:
  OptionGroup(CLI::App& app, std::string name) : app_(app), name_(std::move(name)) {}

  void number(const char* option, double& value, const char* what, const char* letter,
              RealInterval range) {
    app_.add_option(option, value, what)
        ->option_text(letter)
        ->group(name_)
        ->check(app::number(range));
  }
  template <class Integer>
  void count(const char* option, Integer& value, const char* what, std::uint64_t least,
             std::uint64_t most = kUnbounded) {
    app_.add_option(option, value, what)
        ->option_text("N")
        ->group(name_)
        ->check(whole_number(least, most));
  }
  void flag(const char* option, bool& value, const char* what) {
    app_.add_flag(option, value, what)->group(name_);
  }
  void text(const char* option, const char* letter, const char* what,
            const std::function<void(const std::string&)>& set) {
    app_.add_option_function<std::vector<std::string>>(
            option,
            [option, set](const std::vector<std::string>& texts) {
              for (const std::string& text : texts) {
                try {
                  set(text);
                } catch (const InvalidArgument& error) {
                  throw CLI::ValidationError(option, error.reason());
                }
              }
            },
            what)
        ->option_text(letter)
        ->group(name_);
  }

 private:
  CLI::App& app_;
  std::string name_;
};

std::vector<SamplerStep> order_of(std::string_view names) {
  std::vector<SamplerStep> order;
  while (true) {
    const std::size_t end = names.find_first_of(";,");
    order.push_back(sampler_step(names.substr(0, end)));
    if (end == std::string_view::npos) return order;
    names.remove_prefix(end + 1);
  }
}

/// llama.cpp's form: "15043+1.5", "15043-1", "15043-inf".
LogitBias bias_of(const std::string& text) {
  LogitBias bias{};
  const char* const end = text.data() + text.size();
  const auto token = std::from_chars(text.data(), end, bias.token);
  const char* const sign = token.ptr;
  if (token.ec == std::errc{} && sign != end && (*sign == '+' || *sign == '-')) {
    const auto value = std::from_chars(*sign == '+' ? sign + 1 : sign, end, bias.bias);
    if (value.ec == std::errc{} && value.ptr == end) return bias;
  }
  throw InvalidArgument("logit_bias",
                        fmt::format("expected TOKEN+BIAS or TOKEN-BIAS, got {}", text));
}

}  // namespace

void add_filter(CLI::App& app, SamplerOptions& options) {
  SamplerSettings& s = options.values;
  OptionGroup add(app, "Filters, in the order in which they are applied");
  add.number(
      "--min-k", s.min_k,
      "keep what stands before the steepest step of the sorted logits, or TAU / their range, "
      "if that is more (0: off)",
      "TAU", "[0, inf)");
  add.number("--temperature,--temp", s.temperature, "divide the logits by T > 0 (1)", "T",
             "(0, inf)");
  add.number("--dynatemp-range", s.dynatemp_range,
             "temperature from T - R to T + R, rising with the entropy (0: off)", "R", "[0, inf)");
  add.number("--dynatemp-exp", s.dynatemp_exponent,
             "it rises as entropy / largest entropy to the power X (1)", "X", "(0, inf)");
  add.number("--top-n-sigma", s.top_n_sigma,
             "keep logits within N standard deviations of the largest (0: off)", "N", "[0, inf)");
  add.number("--top-h", s.top_h,
             "keep the most likely with at most a share H in (0, 1] of the entropy (1)", "H",
             "(0, 1]");
  add.count("--top-k", s.top_k, "keep the N most likely (all)", 1);
  add.number("--top-p", s.top_p, "keep the most likely with total probability P in (0, 1] (1)", "P",
             "(0, 1]");
  add.number("--min-p", s.min_p, "keep those with at least P times the largest probability (0)",
             "P", "[0, 1]");
  add.number("--typical-p,--typical", s.typical_p,
             "keep the most typical with total probability P in (0, 1] (1)", "P", "(0, 1]");
  add.number("--epsilon-cutoff", s.epsilon_cutoff, "keep probabilities of at least P (0)", "P",
             "[0, 1)");
  add.number("--eta-cutoff", s.eta_cutoff,
             "keep probabilities of at least P, or less if the entropy is high (0)", "P", "[0, 1)");
  add.flag("--p-less", s.p_less, "keep probabilities of at least the sum of their squares");
  add.text("--samplers", "A;B;...",
           "apply these steps, in this order; `llama.cpp`: its default order",
           [&options](const std::string& text) {
             options.order = text == "llama.cpp"
                                 ? std::vector(std::begin(kLlamaCppOrder), std::end(kLlamaCppOrder))
                                 : order_of(text);
           });
}

void add_penalties(CLI::App& app, SamplerOptions& options) {
  SamplerSettings& s = options.values;
  OptionGroup add(app, "Penalties for repetition, applied before the filters");
  add.count("--no-repeat-ngram-size", s.no_repeat_ngram,
            "forbid N-grams that have occurred (0: off)", 0);
  add.number("--repeat-penalty", s.repeat_penalty,
             "divide positive logits of repeated tokens by X, multiply others (1)", "X",
             "(0, inf)");
  add.number("--frequency-penalty", s.frequency_penalty,
             "subtract X from a logit for each repetition (0)", "X", "(-inf, inf)");
  add.number("--presence-penalty", s.presence_penalty,
             "subtract X from the logits of repeated tokens (0)", "X", "(-inf, inf)");
  add.count("--repeat-last-n", s.penalty_last_n, "look at the last N tokens for these three (64)",
            0);
  add.number("--dry-multiplier", s.dry_multiplier,
             "DRY: subtract X from what would prolong a repeated sequence (0: off)", "X",
             "[0, inf)");
  add.number("--dry-base", s.dry_base, "DRY: times X for each token that it is longer (1.75)", "X",
             "[1, inf)");
  add.count("--dry-allowed-length", s.dry_allowed_length, "DRY: from N repeated tokens on (2)", 1);
}

void add_draw_options(CLI::App& app, SamplerOptions& options) {
  SamplerSettings& s = options.values;
  OptionGroup add(app, "Biases; and, for independent draws, steps that are random or have a state");
  add.number("--xtc-probability", s.xtc_probability,
             "XTC: with this probability leave out all likely ones but the last (0: off)", "P",
             "[0, 1]");
  add.number("--xtc-threshold", s.xtc_threshold, "XTC: those of at least P are likely (0.1)", "P",
             "[0, 1]");
  add.count("--mirostat", s.mirostat, "steer the surprise: version 1 or 2 (0: off)", 0, 2);
  add.number("--mirostat-ent", s.mirostat_tau, "Mirostat: the surprise aimed at, in bits (5)", "X",
             "(0, inf)");
  add.number("--mirostat-lr", s.mirostat_eta, "Mirostat: its learning rate in (0, 1] (0.1)", "X",
             "(0, 1]");
  add.number("--adaptive-target", s.adaptive_target,
             "adaptive-p: prefer probabilities near P (negative: off)", "P", "[-inf, 1]");
  add.number("--adaptive-decay", s.adaptive_decay,
             "adaptive-p: what an earlier draw's probability weighs (0.9)", "X", "[0, 0.99]");
  add.text("-l,--logit-bias", "TOKEN(+/-)BIAS", "add to a logit before all else: 15043+1, 7-inf",
           [&options](const std::string& text) { options.logit_bias.push_back(bias_of(text)); });
}

}  // namespace partita::app
