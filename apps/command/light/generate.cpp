// SPDX-License-Identifier: Apache-2.0
// partita generate: sequences from a language model.
#include <fmt/format.h>

#include <cmath>
#include <memory>
#include <string>
#include <string_view>
#include <utility>

#include "apps/command/light/generate.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

Json to_json(const Generated& generated, const TextGenerator& generator,
             const GenerateOptions& options) {
  Json sequences = Json::array();
  for (std::size_t i = 0; i < generated.sequences.size(); ++i) {
    const PerturbedHypothesis& sequence = generated.sequences[i];
    sequences.push_back({{"text", generator.decode(sequence.tokens)},
                         {"log_prob", sequence.log_prob},
                         {"perturbed", sequence.perturbed},
                         {"weight", generated.weights[i]}});
  }
  Json json = {{"sequences", std::move(sequences)},
               {"threshold", generated.threshold},
               {"seed", options.common.seed},
               {"method", name_of(kGenerateMethods, *options.method)}};
  if (const auto& drawn = generated.speculative) {
    json["speculation"] = {{"method", name_of(kSpeculativeMethods, options.speculation.method)},
                           {"tokens", drawn->tokens},
                           {"calls", drawn->calls},
                           {"accepted", drawn->accepted},
                           {"tokens_per_call", drawn->tokens_per_call()}};
  }
  if (!std::isnan(generated.probability)) {
    json[options.particles > 0 ? "probability" : "probability_bound"] = generated.probability;
  }
  return json;
}

/// With line ends, which would tear the table apart, and tabs as C writes them.
std::string in_one_line(std::string_view text) {
  std::string out;
  for (const char c : text) {
    out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : c == '\t' ? "\\t" : std::string(1, c);
  }
  return out;
}

std::string to_text(const Generated& generated, const TextGenerator& generator,
                    const GenerateOptions& options) {
  const auto number = [](double value) {
    return std::isnan(value) ? std::string("-") : fmt::format("{:.4g}", value);
  };
  std::string out = fmt::format("{:>9}  {:>9}  {:>9}  text\n", "log_prob", "perturbed", "weight");
  for (std::size_t i = 0; i < generated.sequences.size(); ++i) {
    const PerturbedHypothesis& sequence = generated.sequences[i];
    out +=
        fmt::format("{:>9}  {:>9}  {:>9}  {}{}\n", number(sequence.log_prob),
                    number(sequence.perturbed), number(generated.weights[i]),
                    in_one_line(generator.decode(sequence.tokens)), sequence.finished ? "" : "...");
  }
  if (!std::isnan(generated.threshold)) {
    out += fmt::format("threshold {:.4g}\n", generated.threshold);
  };
  if (!std::isnan(generated.probability)) {
    out += fmt::format("texts match with a probability of {} {:.4g}\n",
                       options.particles > 0 ? "about" : "at most", generated.probability);
  }
  if (const auto& drawn = generated.speculative) {
    out += fmt::format("{} in {} of the model: {:.3g} a call\n", counted(drawn->tokens, "token"),
                       counted(drawn->calls, "call"), drawn->tokens_per_call());
  }
  return out;
}

void run(GenerateOptions& options) {
  options.search.threads = options.common.threads;
  options.search.filter = options.sampler.settings();
  const auto steered = options.search.filter.steered_step();
  std::string_view only_ancestral = !options.draft.empty() ? "--draft"
                                    : options.observed     ? "--counterfactual-of"
                                    : options.matching     ? "--matching"
                                                           : "";
  if (!options.method) {
    options.method =
        only_ancestral.empty() ? GenerateMethod::stochastic_beam : GenerateMethod::ancestral;
  }
  if (only_ancestral.empty() && steered) only_ancestral = name(*steered);
  if (!only_ancestral.empty() && options.method != GenerateMethod::ancestral) {
    throw InvalidArgument("--method",
                          fmt::format("expected ancestral, which alone can use {}, got {}",
                                      only_ancestral, name_of(kGenerateMethods, *options.method)));
  }
  options.model.threads = options.common.threads;
  if (options.particles > 0) options.k = options.particles;
  options.model.prefixes = options.k;
  if (!options.draft.empty()) {
    options.model.prefixes = 1 + options.speculation.drafts * options.speculation.draft_length;
  }
  const TextGenerator generator = open_model(options.model);
  if (generator.threaded) options.search.threads = 1;
  const Sequence prompt = encode_argument(generator, "--prompt", options.prompt);
  const Generated generated = generate(generator, prompt, options);
  if (generated.sequences.size() < options.k && options.particles > 0) {
    note(fmt::format("{} of {} particles survived", generated.sequences.size(), options.particles));
  } else if (generated.sequences.size() < options.k) {
    note(fmt::format("{}: the model has no more under these options",
                     counted(generated.sequences.size(), "sequence")));
  }
  if (options.common.json) {
    print_json(to_json(generated, generator, options));
  } else {
    print(to_text(generated, generator, options));
  }
}

}  // namespace

void add_generate(CLI::App& app) {
  auto* command = app.add_subcommand("generate", "Draw or search sequences from a language model");
  auto options = std::make_shared<GenerateOptions>();
  command
      ->add_option(
          "--model", options->model.path,
          "from `partita lm train`, a GGUF file, or a TorchScript module (tokens -> logits)")
      ->option_text("FILE")
      ->required();
  command->add_option("--prompt", options->prompt, "continue this text (it is not repeated)")
      ->option_text("TEXT");
  add_k(*command, options->k, "sequences");
  add_choice(*command, "--method", options->method, kGenerateMethods,
             "stochastic-beam, unique, ancestral (or sample), arithmetic or beam (stochastic-beam)")
      ->option_text("METHOD");
  add_penalties(*command, options->sampler);
  add_filter(*command, options->sampler);
  add_draw_options(*command, options->sampler);
  add_max_length(*command, options->search.max_length);
  command
      ->add_option("--length-penalty", options->beam.length_penalty,
                   "beam: rank by log-probability / length^X (0)")
      ->option_text("X")
      ->check(number("(-inf, inf)"));
  command->add_flag("--early-stopping", options->beam.early_stopping,
                    "beam: end once k sequences have ended");
  const std::string speculation = "Speculative sampling";
  command
      ->add_option("--draft", options->draft,
                   "a smaller model that drafts tokens, as --model; the texts stay the model's")
      ->option_text("FILE")
      ->group(speculation);
  command
      ->add_option("--draft-length", options->speculation.draft_length,
                   "tokens that it drafts ahead (4)")
      ->option_text("N")
      ->check(whole_number(1, 1000))
      ->group(speculation);
  command
      ->add_option("--drafts", options->speculation.drafts, "sequences that it drafts at once (1)")
      ->option_text("N")
      ->check(whole_number(1, 1000))
      ->group(speculation);
  add_choice(*command, "--speculative-method", options->speculation.method, kSpeculativeMethods,
             "rejection: accepts most; coupling: no draft changes the text (rejection)")
      ->group(speculation);
  const std::string counterfactual = "Counterfactuals";
  auto* const of =
      command
          ->add_option(
              "--counterfactual-of", options->observed,
              "what would the texts be, had this one been the model's, with the same luck?")
          ->option_text("TEXT")
          ->excludes("--draft")
          ->group(counterfactual);
  command->add_option("--under", options->under, "under this model over the same tokens (the same)")
      ->option_text("FILE")
      ->needs(of)
      ->group(counterfactual);
  command
      ->add_option("--under-prompt", options->under_prompt, "after this prompt (that of --prompt)")
      ->option_text("TEXT")
      ->needs(of)
      ->group(counterfactual);
  command
      ->add_option("--under-temperature", options->under_temperature,
                   "at this temperature (that of --temperature)")
      ->option_text("T")
      ->check(number("(0, inf)"))
      ->needs(of)
      ->group(counterfactual);
  const std::string constraint = "Constraints";
  auto* const matching =
      command
          ->add_option(
              "--matching", options->matching,
              "texts that match this regular expression (PCRE2) as a whole, by the model's "
              "own law")
          ->option_text("REGEX")
          ->excludes("--draft")
          ->excludes(of)
          ->group(constraint);
  command
      ->add_option("--particles", options->particles,
                   "for rare ones: so many weighted texts instead of -k exact draws")
      ->option_text("N")
      ->check(whole_number(1, 1U << 20U))
      ->needs(matching)
      ->group(constraint);
  add_common(*command, options->common);
  add_model_options(*command, options->model);
  command->footer(
      "Example:\n"
      "  partita generate --model words.model -k 25 --method stochastic-beam --seed 1 --json\n"
      "\n"
      "Methods:\n"
      "  stochastic-beam   k different sequences, at random without replacement\n"
      "  unique            the same ones, found one by one\n"
      "  ancestral         k independent sequences; some may be equal. XTC, Mirostat and\n"
      "                    adaptive-p are for these\n"
      "  arithmetic        k sequences, each at random and together spread evenly over all: means\n"
      "                    over them vary less\n"
      "  beam              the k most likely sequences, as far as a beam of width k finds them\n"
      "\n"
      "Prints each sequence with its log-probability and, for the methods that draw without\n"
      "replacement, its perturbed log-probability, its importance weight, and the threshold:\n"
      "the perturbed log-probability of the next one. With --draft, also how many tokens a call\n"
      "of the model gave; it reads the drafted prefixes of a call anew, so calls are what is "
      "saved.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
