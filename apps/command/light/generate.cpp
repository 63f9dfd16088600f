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
    if (options.utility) sequences.back()["utility"] = generated.utilities[i];
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
  const bool ranked = options.utility.has_value();
  std::string out = fmt::format("{:>9}  {:>9}  {:>9}  {}text\n", "log_prob", "perturbed", "weight",
                                ranked ? "  utility  " : "");
  for (std::size_t i = 0; i < generated.sequences.size(); ++i) {
    const PerturbedHypothesis& sequence = generated.sequences[i];
    out += fmt::format("{:>9}  {:>9}  {:>9}  ", number(sequence.log_prob),
                       number(sequence.perturbed), number(generated.weights[i]));
    if (ranked) out += fmt::format("{:>9}  ", number(generated.utilities[i]));
    out += fmt::format("{}{}\n", in_one_line(generator.decode(sequence.tokens)),
                       sequence.finished ? "" : "...");
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

/// @throws InvalidArgument if an option of one method is given to another.
void check_method(const GenerateOptions& options) {
  const auto only = [&](GenerateMethod method, std::string_view has) {
    if (options.method == method) return;
    throw InvalidArgument("--method", fmt::format("expected {}, which alone has {}, got {}",
                                                  name_of(kGenerateMethods, method), has,
                                                  name_of(kGenerateMethods, *options.method)));
  };
  const BeamOptions& beam = options.beam;
  if (beam.length_penalty != 0) only(GenerateMethod::beam, "--length-penalty");
  if (beam.early_stopping) only(GenerateMethod::beam, "--early-stopping");
  if (beam.num_beam_groups > 1) only(GenerateMethod::beam, "--num-beam-groups");
  if (beam.diversity_penalty > 0) only(GenerateMethod::beam, "--diversity-penalty");
  if (options.poisson.hindsight_samples > 0) {
    only(GenerateMethod::conditional_poisson_beam, "--hindsight-samples");
  }
  if (options.utility && options.method == GenerateMethod::beam) {
    throw InvalidArgument("--minimum-bayes-risk",
                          "needs a sample, by any --method but beam: its expectation is over one");
  }
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
  check_method(options);
  options.model.threads = options.common.threads;
  if (options.particles > 0) options.k = options.particles;
  options.model.prefixes = options.k;
  if (!options.draft.empty()) {
    options.model.prefixes = 1 + options.speculation.drafts * options.speculation.draft_length;
  }
  const TextGenerator generator = open_model(options.model);
  if (generator.threaded) options.search.threads = 1;
  const Sequence prompt = encode_argument(generator, "--prompt", options.prompt);
  Generated generated = generate(generator, prompt, options);
  if (options.utility) sort_by_utility(generated, generator, *options.utility);
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
             "stochastic-beam, unique, conditional-poisson-beam, ancestral (or sample), arithmetic "
             "or beam (stochastic-beam)")
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
  command
      ->add_option("--num-beam-groups", options->beam.num_beam_groups,
                   "beam: divide it into groups that avoid each other's tokens (1)")
      ->option_text("N")
      ->check(whole_number(1, 1U << 20U));
  command
      ->add_option("--diversity-penalty", options->beam.diversity_penalty,
                   "beam: lower a token by X for each earlier group's choice of it (0)")
      ->option_text("X")
      ->check(number("[0, inf)"));
  command
      ->add_option(
          "--hindsight-samples", options->poisson.hindsight_samples,
          "conditional-poisson-beam: weights from N more searches a sequence, less noisy (0)")
      ->option_text("N")
      ->check(whole_number(0, 1U << 20U));
  add_choice(*command, "--minimum-bayes-risk", options->utility, kTextUtilities,
             "put first the text that agrees best with all, by chrf or token-f1")
      ->option_text("UTILITY");
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
      "  conditional-poisson-beam\n"
      "                    k different sequences by a beam that keeps a random set at each step\n"
      "  ancestral         k independent sequences; some may be equal. XTC, Mirostat and\n"
      "                    adaptive-p are for these\n"
      "  arithmetic        k sequences, each at random and together spread evenly over all: means\n"
      "                    over them vary less\n"
      "  beam              the k most likely sequences, as far as a beam of width k finds them\n"
      "\n"
      "Prints each sequence with its log-probability and, for the methods that draw without\n"
      "replacement, its importance weight and (but for conditional-poisson-beam) its perturbed\n"
      "log-probability and the threshold: that of the next one. With --minimum-bayes-risk, also\n"
      "its expected utility under the weights: by chrf of characters, or by token-f1 of the\n"
      "model's tokens. With --draft, also how many tokens a call of the model gave; it reads the\n"
      "drafted prefixes of a call anew, so calls are what is saved.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
