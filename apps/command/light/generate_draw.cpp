// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "apps/command/light/generate.hpp"
#include "apps/command/light/pattern.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/io/text.hpp"
#include "partita/noise/constrained.hpp"
#include "partita/noise/counterfactual.hpp"
#include "partita/search/ancestral.hpp"
#include "partita/search/importance_weights.hpp"
#include "partita/search/minimum_bayes_risk.hpp"
#include "partita/search/stochastic_beam.hpp"
#include "partita/search/unique.hpp"

namespace partita::app {
namespace {

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
      .tokens = encode_argument(generator, "--counterfactual-of", *options.observed),
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

Generated draw_matching(const TextGenerator& generator, const Sequence& prompt,
                        const GenerateOptions& options, const Stream& stream) {
  const Pattern pattern("--matching", *options.matching);
  const Constraint constraint = [&](std::span<const Token> text, bool complete) {
    return pattern.allows(generator.decode(text), complete);
  };
  if (options.particles > 0) {
    const WeightedTexts drawn = constrained_particles(*generator.model, prompt, constraint,
                                                      options.particles, stream, options.search);
    Generated out = without_noise(drawn.sequences);
    out.weights = drawn.weights;
    out.probability = std::exp(drawn.log_mass);
    return out;
  }
  std::vector<Hypothesis> texts;
  ConstrainedSampler sampler(*generator.model, prompt, constraint, options.search);
  Meter meter("drawing");
  try {
    for (std::size_t i = 0; i < options.k; ++i) {
      texts.push_back(sampler.draw(stream.child(i)));
      meter.update({.done = i + 1, .total = options.k, .unit = "texts"});
    }
  } catch (const InvalidArgument& error) {
    if (error.argument() != "constraint") throw;
    throw InvalidArgument("--matching", error.reason());
  }
  Generated out = without_noise(texts);
  out.probability = sampler.mass_bound();
  return out;
}

}  // namespace

Sequence characters(const std::string& text) {
  Sequence out;
  for (const char32_t c : decode_utf8(repair_utf8(text, "\xEF\xBF\xBD"))) {
    if (c != ' ' && (c < '\t' || c > '\r')) out.push_back(static_cast<Token>(c));
  }
  return out;
}

Generated generate(const TextGenerator& generator, const Sequence& prompt,
                   const GenerateOptions& options) {
  const SequenceModel& model = *generator.model;
  const Stream stream{.seed = options.common.seed};
  if (!options.draft.empty()) return draw_speculatively(generator, prompt, options, stream);
  if (options.observed) return draw_counterfactually(generator, prompt, options, stream);
  if (options.matching) return draw_matching(generator, prompt, options, stream);
  switch (*options.method) {
    case GenerateMethod::ancestral:
      return without_noise(ancestral_samples(model, prompt, options.k, stream, options.search));
    case GenerateMethod::arithmetic:
      return without_noise(arithmetic_samples(model, prompt, options.k, stream, options.search));
    case GenerateMethod::beam:
      return without_noise(beam_search(model, prompt, options.k, options.search, options.beam));
    case GenerateMethod::unique:
      return draw_unique(model, prompt, options, stream);
    case GenerateMethod::conditional_poisson_beam: {
      ConditionalPoissonBeam set = conditional_poisson_beam_search(model, prompt, options.k, stream,
                                                                   options.search, options.poisson);
      Generated out = without_noise(set.sequences);
      out.weights = std::move(set.weights);
      return out;
    }
    case GenerateMethod::stochastic_beam:
      break;
  }
  StochasticBeam beam = stochastic_beam_search(model, prompt, options.k, stream, options.search);
  return {std::move(beam.sequences), std::move(beam.weights), beam.threshold};
}

void sort_by_utility(Generated& generated, const TextGenerator& generator, TextUtility utility) {
  const std::size_t n = generated.sequences.size();
  if (n == 0) return;
  std::vector<Sequence> texts;
  for (const PerturbedHypothesis& sequence : generated.sequences) {
    texts.push_back(utility == TextUtility::chrf ? characters(generator.decode(sequence.tokens))
                                                 : sequence.tokens);
  }
  std::vector<double> weights = generated.weights;
  for (double& weight : weights) weight = std::isnan(weight) ? 1 : weight;
  const auto risk =
      minimum_bayes_risk(texts, weights, utility == TextUtility::chrf ? NgramFScore{} : kTokenF1);
  std::vector<std::size_t> order(n);
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return risk.utilities[a] > risk.utilities[b];
  });
  Generated sorted = generated;
  for (std::size_t i = 0; i < n; ++i) {
    sorted.sequences[i] = std::move(generated.sequences[order[i]]);
    sorted.weights[i] = generated.weights[order[i]];
    sorted.utilities.push_back(risk.utilities[order[i]]);
  }
  generated = std::move(sorted);
}

}  // namespace partita::app
