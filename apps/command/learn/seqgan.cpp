// SPDX-License-Identifier: Apache-2.0
// partita seqgan: sequence generative adversarial nets, and what they are measured against.
#include <fmt/format.h>

#include <array>
#include <charconv>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "apps/command/learn/seqgan_summary.hpp"
#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/seqgan/experiment.hpp"
#include "apps/experiments/seqgan/report.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"

namespace partita::app {
namespace {

enum class Preset : std::uint8_t { small, paper_lite, paper };

constexpr auto kPresets = names<Preset>(
    {{"small", Preset::small}, {"paper-lite", Preset::paper_lite}, {"paper", Preset::paper}});

SeqganOptions options_of(Preset preset) {
  switch (preset) {
    case Preset::paper_lite:
      return seqgan_paper_lite_preset();
    case Preset::paper:
      return seqgan_paper_preset();
    case Preset::small:
      break;
  }
  return {};
}

/// "3:100": 100 filters of width 3.
SeqganFilters filters_from(const std::string& text) {
  SeqganFilters filters{};
  const char* const end = text.data() + text.size();
  const auto [colon, width] = std::from_chars(text.data(), end, filters.width);
  if (width == std::errc{} && colon != end && *colon == ':') {
    const auto [stop, count] = std::from_chars(colon + 1, end, filters.count);
    if (count == std::errc{} && stop == end && filters.width > 0 && filters.count > 0) {
      return filters;
    }
  }
  throw InvalidArgument("--filters", "expected WIDTH:COUNT, as 3:100, got " + text);
}

/// A subcommand whose options have defaults that a preset may replace.
class SeqganCommand {
 public:
  SeqganCommand(CLI::App& parent, const std::string& name, const std::string& description,
                const SeqganOptions& defaults = {})
      : options(std::make_shared<SeqganOptions>(defaults)),
        command_(parent.add_subcommand(name, description)) {}

  template <class T>
  CLI::Option* add(const char* flag, T SeqganOptions::*member, const std::string& description,
                   const char* unit) {
    return take_over(command_->add_option(flag, *options.*member, description)->option_text(unit),
                     member);
  }
  /// An option whose default is given by the preset.
  template <class T>
  CLI::Option* take_over(CLI::Option* option, T SeqganOptions::*member) {
    presets_.push_back([option, member](SeqganOptions& to, const SeqganOptions& defaults) {
      if (option->count() == 0) to.*member = defaults.*member;
    });
    return option;
  }
  template <class T>
  void count(const char* flag, T SeqganOptions::*member, const std::string& description,
             std::uint64_t minimum = 1) {
    add(flag, member, fmt::format("{} ({})", description, *options.*member), "N")
        ->check(whole_number(minimum, 1U << 31U));
  }
  void rate(const char* flag, double SeqganOptions::*member, const std::string& description) {
    add(flag, member, fmt::format("{} ({})", description, *options.*member), "R")
        ->check(number("(0, inf)"));
  }
  void share(const char* flag, double SeqganOptions::*member, const std::string& description,
             RealInterval range) {
    add(flag, member, fmt::format("{} ({})", description, *options.*member), "P")
        ->check(number(range));
  }

  template <class E, std::size_t N>
  void choice(const char* flag, E SeqganOptions::*member, const std::array<Named<E>, N>& names,
              const std::string& description) {
    E& value = *options.*member;
    take_over(add_choice(*command_, flag, value, names,
                         fmt::format("{} ({})", description, name_of(names, value))),
              member);
  }

  CLI::App& app() { return *command_; }

  /// The options given, the rest from the preset.
  SeqganOptions with(const SeqganOptions& defaults) const {
    SeqganOptions all = *options;
    for (const auto& take : presets_) take(all, defaults);
    return all;
  }

  std::shared_ptr<SeqganOptions> options;
  std::shared_ptr<CommonOptions> common = std::make_shared<CommonOptions>();
  Preset preset = Preset::small;
  std::string report;

 private:
  CLI::App* command_;
  std::vector<std::function<void(SeqganOptions&, const SeqganOptions&)>> presets_ = {};
};

void add_training(SeqganCommand& command) {
  using O = SeqganOptions;
  command.count("--hidden", &O::hidden, "numbers that stand for a token, and in the LSTM's state");
  command.take_over(
      command.app()
          .add_option_function<std::vector<std::string>>(
              "--filters",
              [options = command.options](const std::vector<std::string>& texts) {
                options->filters.clear();
                for (const std::string& text : texts) {
                  options->filters.push_back(filters_from(text));
                }
              },
              "the discriminator's, as WIDTH:COUNT, several (1:32 2:32 3:32 4:32 5:32)")
          ->option_text("W:N"),
      &O::filters);
  command.count("--features", &O::features, "numbers that stand for a token in the discriminator");
  command.share("--dropout", &O::dropout, "of the discriminator", "[0, 1)");
  command.choice("--highway", &O::highway, kSeqganHighways,
                 "initial weights of its highway layer: normal, with deviation 0.1, or glorot");
  command
      .add("--gate-bias", &O::gate_bias,
           fmt::format("initial bias of the highway's gate ({})", O{}.gate_bias), "X")
      ->check(number("(-inf, inf)"));
  command.choice("--d-columns", &O::columns, kSeqganColumns,
                 "of its last layer: one, or two with a softmax, of which --penalty counts half");
  command.count("--batch", &O::batch, "sequences per step", 2);
  command
      .add("--mle-epochs", &O::mle_epochs,
           fmt::format("passes of maximum likelihood ({})", command.options->mle_epochs), "N")
      ->check(number("(0, inf)"));
  command.count("--patience", &O::patience,
                "end each phase of a generator after N measurements without a better held-out "
                "NLL, and keep the best; 0: none ends early",
                0);
  command.rate("--mle-rate", &O::mle_rate, "Adam's for it");
  command.share("--final-rate", &O::final_rate,
                "share of --mle-rate and --g-rate to which they fall; 1: constant", "(0, 1]");
  command.count("--pretraining", &O::pretraining, "sets that the discriminator begins with", 0);
  command.count("--iterations", &O::iterations, "of generator and discriminator in turn");
  command.choice("--reward", &O::reward, kSeqganRewards,
                 "of a sequence, by the discriminator's D: probability, D, as in the paper; "
                 "log-odds, log D - log(1 - D)");
  command.count("--rollouts", &O::rollouts, "completions of each prefix");
  command.share("--update-rate", &O::update_rate,
                "share of itself that the roll-out policy keeps per iteration", "[0, 1)");
  command.count("--g-steps", &O::g_steps, "generator steps per iteration");
  command.count("--d-steps", &O::d_steps, "sets for the discriminator per iteration");
  command.count("--d-epochs", &O::d_epochs, "passes over a set");
  command.count("--negatives", &O::negatives, "generated sequences per set, and as many real ones");
  command.rate("--g-rate", &O::g_rate, "Adam's for the generator");
  command.choice("--baseline", &O::baseline, kSeqganBaselines,
                 "what the policy gradient subtracts: leave-one-out or none");
  command.choice("--g-loss", &O::loss, kSeqganLosses,
                 "mean, or sum over the batch's sequences, which --clip-norm then holds to");
  command.choice("--d-batches", &O::d_batches, kSeqganBatches,
                 "balanced: --batch real and as many generated sequences; mixed: --batch of both");
  command.rate("--d-rate", &O::d_rate, "Adam's for the discriminator");
  command
      .add("--penalty", &O::penalty, "on the square of the discriminator's last layer (0.2)", "X")
      ->check(number("[0, inf)"));
  command.rate("--clip-norm", &O::clip_norm, "longer gradients are scaled down to this");
  command.add("--d-clip-norm", &O::d_clip_norm, "the same of the discriminator (5)", "R")
      ->check(number("(0, inf]"));
  command.count("--evaluate-every", &O::evaluate_every, "iterations");
  command.count("--samples", &O::samples, "sequences drawn for a measurement", 2);
  add_run(command.app(), command.options->run);
  add_common(command.app(), *command.common);
}

SeqganOptions asked(SeqganCommand& command, const SeqganOptions& defaults) {
  SeqganOptions options = command.with(defaults);
  options.run.group = command_group({&options.output, &command.report, &options.run.log});
  options.seed = command.common->seed;
  options.threads = command.common->threads;
  return options;
}

/// Writes the report, if any, and prints the result.
template <class Result>
void show(const SeqganCommand& command, const SeqganOptions& options, const Result& result) {
  if (!command.report.empty()) {
    write_file(command.report, seqgan_report(result, options, command_line()));
  }
  if (command.common->json) {
    print_json(summary_json(result, options, command.report));
  } else {
    print(summary_text(result));
  }
  for (const std::string& path : {options.output, command.report}) {
    if (!path.empty()) note("wrote " + path);
  }
}

void run_oracle(SeqganCommand& command) {
  const SeqganOptions options = asked(command, options_of(command.preset));
  show(command, options, run_seqgan_oracle(options, meters()));
}

void add_oracle(CLI::App& seqgan) {
  using O = SeqganOptions;
  const auto command = std::make_shared<SeqganCommand>(
      seqgan, "oracle",
      "Learn from a random LSTM's sequences: random, MLE, scheduled sampling, SeqGAN");
  add_choice(command->app(), "--preset", command->preset, kPresets,
             "small; paper: as the code of Yu et al. (2017), for days or a GPU; or paper-lite: "
             "the same with a small discriminator, for an hour or two (small)");
  command->count("--vocabulary", &O::vocabulary, "tokens", 2);
  command->count("--length", &O::length, "tokens per sequence", 2);
  command->count("--sequences", &O::sequences, "sequences to learn from, and as many held out");
  command->share("--scheduled", &O::final_teacher,
                 "scheduled sampling ends by reading true tokens with this probability", "[0, 1]");
  add_training(*command);
  add_report(command->app(), command->report);
  command->app().footer(
      "Example:\n"
      "  partita seqgan oracle --seed 1 --report seqgan.html\n"
      "\n"
      "Quality is the NLL under the oracle of what a generator draws, diversity the NLL of "
      "held-out "
      "oracle\ndata under the generator, both in nats per token, at temperatures from 1.2 to 0.6. "
      "Published for\n--preset paper: random 10.31, MLE 9.04, scheduled sampling 8.99, SeqGAN "
      "8.74.");
  command->app().callback([command] { run_oracle(*command); });
}

void run_text(SeqganCommand& command) {
  const SeqganOptions options = asked(command, seqgan_text_defaults());
  const TextLines text = read_lines(options.corpus);
  for (const std::string& line : text.notes) note(line);
  show(command, options, run_seqgan_text(text, options, meters()));
}

void add_text(CLI::App& seqgan) {
  using O = SeqganOptions;
  const auto command = std::make_shared<SeqganCommand>(
      seqgan, "text", "Learn the lines of a text, character by character", seqgan_text_defaults());
  command->add("CORPUS", &O::corpus, "UTF-8 text, one word or short sentence per line", "FILE")
      ->required();
  command->count("--length", &O::length,
                 "characters per sequence, its end included; longer lines are left out", 2);
  command->share("--held-out", &O::held_out, "share of the lines that are only predicted",
                 "[0, 1)");
  add_training(*command);
  add_output(command->app(), command->options->output, "the generator, for partita generate");
  add_report(command->app(), command->report);
  command->app().footer(
      "Example:\n"
      "  partita seqgan text /usr/share/dict/words -o words.model --report words.html\n"
      "  partita generate --model words.model -k 25 --method ancestral");
  command->app().callback([command] { run_text(*command); });
}

void add_continuous(CLI::App& seqgan) {
  using O = SeqganOptions;
  const auto command = std::make_shared<SeqganCommand>(
      seqgan, "continuous", "Learn trajectories in the plane, drawn from a Gaussian at each step",
      seqgan_continuous_defaults());
  command->count("--length", &O::length, "points per trajectory", 2);
  command->count("--sequences", &O::sequences, "trajectories to learn from, and as many held out");
  add_training(*command);
  add_report(command->app(), command->report);
  command->app().footer(
      "Example:\n"
      "  partita seqgan continuous --seed 1 --report trajectories.html\n"
      "\n"
      "The oracle goes around half a circle. A generator learns by few passes of maximum "
      "likelihood, "
      "then by the\ndiscriminator; the report shows what it draws.");
  command->app().callback([command] {
    const SeqganOptions options = asked(*command, seqgan_continuous_defaults());
    show(*command, options, run_seqgan_continuous(options, meters()));
  });
}

}  // namespace

void add_seqgan(CLI::App& app) {
  auto* command = app.add_subcommand(kSeqgan.name, kSeqgan.description);
  command->require_subcommand(1);
  add_oracle(*command);
  add_text(*command);
  add_continuous(*command);
}

}  // namespace partita::app
