// SPDX-License-Identifier: Apache-2.0
// partita generate: sequences from a language model.
#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/sampler_options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/command/text_generator.hpp"
#include "apps/report/numbers.hpp"
#include "partita/base/error.hpp"
#include "partita/noise/counterfactual.hpp"
#include "partita/noise/speculative.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

namespace partita::app {
namespace {

enum class GenerateMethod : std::uint8_t { stochastic_beam, beam, ancestral, unique };

constexpr auto kGenerateMethods =
    names<GenerateMethod>({{"stochastic-beam", GenerateMethod::stochastic_beam},
                           {"beam", GenerateMethod::beam},
                           {"ancestral", GenerateMethod::ancestral},
                           {"unique", GenerateMethod::unique},
                           {"sample", GenerateMethod::ancestral}});  // its everyday name

struct GenerateOptions {
  ModelFile model;
  std::string prompt;
  std::size_t k = 1;
  std::optional<GenerateMethod> method;
  SamplerOptions sampler;
  SearchOptions search;
  BeamOptions beam;
  std::string draft;  ///< a model's file; empty: none
  SpeculativeOptions speculation;
  bool counterfactual = false;
  std::string observed;  ///< the text of --counterfactual-of
  std::string under;     ///< a model's file; empty: the model itself
  std::optional<std::string> under_prompt;
  std::optional<double> under_temperature;
  CommonOptions common;
};

constexpr auto kSpeculativeMethods = names<SpeculativeMethod>(
    {{"rejection", SpeculativeMethod::rejection}, {"coupling", SpeculativeMethod::coupling}});

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The results of any of the methods; NaN for a number that the method does not have.
struct Generated {
  std::vector<PerturbedHypothesis> sequences;
  std::vector<double> weights;
  double threshold = kNone;
  std::optional<SpeculativeSamples> speculative = {};  ///< its counts
};

Generated without_noise(const std::vector<Hypothesis>& sequences) {
  Generated out;
  for (const Hypothesis& sequence : sequences) out.sequences.push_back({sequence, kNone});
  out.weights.assign(sequences.size(), kNone);
  return out;
}

Generated draw_unique(const SequenceModel& model, const Sequence& prompt,
                      const GenerateOptions& options, const Stream& stream) {
  Generated out;
  UniqueSampler sampler(model, prompt, stream, options.search);
  while (out.sequences.size() < options.k) {
    auto next = sampler.next();
    if (!next) break;
    out.sequences.push_back(std::move(*next));
  }
  out.threshold = sampler.threshold();
  for (const auto& sequence : out.sequences)
    out.weights.push_back(importance_weight(sequence.log_prob, out.threshold));
  return out;
}

Generated draw_speculatively(const TextGenerator& generator, const Sequence& prompt,
                             const GenerateOptions& options, const Stream& stream) {
  ModelFile file = options.model;
  file.path = options.draft;
  const TextGenerator draft = open_model(file);
  SearchOptions search = options.search;
  if (draft.threaded) search.threads = 1;
  check_same_tokens(generator, draft, options.draft);
  const auto drawn = speculative_samples(*generator.model, *draft.model, prompt, options.k, stream,
                                         options.speculation, search);
  Generated out = without_noise(drawn.sequences);
  out.speculative = drawn;
  return out;
}

Generated draw_counterfactually(const TextGenerator& generator, const Sequence& prompt,
                                const GenerateOptions& options, const Stream& stream) {
  std::optional<TextGenerator> under;
  if (!options.under.empty()) {
    ModelFile file = options.model;
    file.path = options.under;
    under = open_model(file);
    check_same_tokens(generator, *under, options.under);
  }
  SearchOptions search = options.search;
  if (under && under->threaded) search.threads = 1;
  if (options.under_temperature) search.filter.temperature = *options.under_temperature;
  const Hypothesis observed{
      .tokens = encode_argument(generator, "--counterfactual-of", options.observed),
      .finished = generator.model->end_token() >= 0};
  const Sequence under_prompt =
      options.under_prompt ? encode_argument(generator, "--under-prompt", *options.under_prompt)
                           : prompt;
  try {
    return without_noise(counterfactual_samples(
        *generator.model, prompt, observed, under ? *under->model : *generator.model, under_prompt,
        options.k, stream, options.search, search));
  } catch (const InvalidArgument& error) {
    if (error.argument() != "observed") throw;
    throw InvalidArgument("--counterfactual-of", error.reason());
  }
}

Generated generate(const TextGenerator& generator, const Sequence& prompt,
                   const GenerateOptions& options) {
  const SequenceModel& model = *generator.model;
  const Stream stream{.seed = options.common.seed};
  if (!options.draft.empty()) return draw_speculatively(generator, prompt, options, stream);
  if (options.counterfactual) return draw_counterfactually(generator, prompt, options, stream);
  switch (*options.method) {
    case GenerateMethod::ancestral:
      return without_noise(ancestral_samples(model, prompt, options.k, stream, options.search));
    case GenerateMethod::beam:
      return without_noise(beam_search(model, prompt, options.k, options.search, options.beam));
    case GenerateMethod::unique:
      return draw_unique(model, prompt, options, stream);
    case GenerateMethod::stochastic_beam:
      break;
  }
  StochasticBeam beam = stochastic_beam_search(model, prompt, options.k, stream, options.search);
  return {std::move(beam.sequences), std::move(beam.weights), beam.threshold};
}

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

std::string to_text(const Generated& generated, const TextGenerator& generator) {
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
  const char* const only_ancestral = !options.draft.empty()   ? "--draft"
                                     : options.counterfactual ? "--counterfactual-of"
                                                              : nullptr;
  if (only_ancestral != nullptr &&
      options.method.value_or(GenerateMethod::ancestral) != GenerateMethod::ancestral) {
    throw InvalidArgument("--method",
                          fmt::format("expected ancestral, which alone can use {}, got {}",
                                      only_ancestral, name_of(kGenerateMethods, *options.method)));
  }
  if (!options.method) {
    options.method =
        only_ancestral != nullptr ? GenerateMethod::ancestral : GenerateMethod::stochastic_beam;
  }
  if (steered && options.method != GenerateMethod::ancestral) {
    throw InvalidArgument("--method",
                          fmt::format("expected ancestral, which alone can use {}, got {}",
                                      name(*steered), name_of(kGenerateMethods, *options.method)));
  }
  options.model.threads = options.common.threads;
  options.model.prefixes = options.k;
  if (!options.draft.empty()) {
    options.model.prefixes = 1 + options.speculation.drafts * options.speculation.draft_length;
  }
  const TextGenerator generator = open_model(options.model);
  if (generator.threaded) options.search.threads = 1;
  const Sequence prompt = encode_argument(generator, "--prompt", options.prompt);
  const Generated generated = generate(generator, prompt, options);
  if (generated.sequences.size() < options.k) {
    note(fmt::format("{}: the model has no more under these options",
                     counted(generated.sequences.size(), "sequence")));
  }
  if (options.common.json) {
    print_json(to_json(generated, generator, options));
  } else {
    print(to_text(generated, generator));
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
             "stochastic-beam, unique, ancestral (or sample) or beam (stochastic-beam)")
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
          ->add_option_function<std::string>(
              "--counterfactual-of",
              [options](const std::string& text) {
                options->observed = text;
                options->counterfactual = true;
              },
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
