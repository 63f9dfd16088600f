// SPDX-License-Identifier: Apache-2.0
// What `partita generate` is asked for, and what it draws.
#pragma once

#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/sampler_options.hpp"
#include "apps/command/text_generator.hpp"
#include "partita/noise/speculative.hpp"
#include "partita/search/beam.hpp"
#include "partita/search/conditional_poisson_beam.hpp"
#include "partita/search/search.hpp"

namespace partita::app {

enum class GenerateMethod : std::uint8_t {
  stochastic_beam,
  conditional_poisson_beam,
  beam,
  ancestral,
  arithmetic,
  unique
};

inline constexpr auto kGenerateMethods =
    names<GenerateMethod>({{"stochastic-beam", GenerateMethod::stochastic_beam},
                           {"conditional-poisson-beam", GenerateMethod::conditional_poisson_beam},
                           {"beam", GenerateMethod::beam},
                           {"ancestral", GenerateMethod::ancestral},
                           {"arithmetic", GenerateMethod::arithmetic},
                           {"unique", GenerateMethod::unique},
                           {"sample", GenerateMethod::ancestral}});  // its everyday name

/// The utilities of --minimum-bayes-risk.
enum class TextUtility : std::uint8_t { chrf, token_f1 };

inline constexpr auto kTextUtilities =
    names<TextUtility>({{"chrf", TextUtility::chrf}, {"token-f1", TextUtility::token_f1}});

struct GenerateOptions {
  ModelFile model;
  std::string prompt;
  std::size_t k = 1;
  std::optional<GenerateMethod> method;
  SamplerOptions sampler;
  SearchOptions search;
  BeamOptions beam;
  ConditionalPoissonOptions poisson;
  std::optional<TextUtility> utility;  ///< of --minimum-bayes-risk
  std::string draft;                   ///< a model's file; empty: none
  SpeculativeOptions speculation;
  std::optional<std::string> observed;  ///< the text of --counterfactual-of
  std::string under;                    ///< a model's file; empty: the model itself
  std::optional<std::string> under_prompt;
  std::optional<double> under_temperature;
  std::optional<std::string> matching;  ///< a regular expression
  std::size_t particles = 0;            ///< for it; 0: exact draws
  CommonOptions common;
};

inline constexpr auto kSpeculativeMethods = names<SpeculativeMethod>(
    {{"rejection", SpeculativeMethod::rejection}, {"coupling", SpeculativeMethod::coupling}});

inline constexpr double kNone = std::numeric_limits<double>::quiet_NaN();

/// The results of any of the methods; NaN for a number that the method does not have.
struct Generated {
  std::vector<PerturbedHypothesis> sequences;
  std::vector<double> weights;
  double threshold = kNone;
  std::optional<SpeculativeSamples> speculative = {};  ///< its counts
  double probability = kNone;          ///< estimated, or bounded from above, of matching texts
  std::vector<double> utilities = {};  ///< expected; empty: not asked for
};

/// @throws InvalidArgument naming an option, and what the searches throw.
Generated generate(const TextGenerator& generator, const Sequence& prompt,
                   const GenerateOptions& options);

/// Computes expected utilities, and sorts the sequences by them, best first. Sequences without
/// weights weigh the same.
void sort_by_utility(Generated& generated, const TextGenerator& generator, TextUtility utility);

/// The characters of a text that sacreBLEU's chrF compares: all but white space.
Sequence characters(const std::string& text);

}  // namespace partita::app
