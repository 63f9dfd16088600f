// SPDX-License-Identifier: Apache-2.0
// The sampler's settings as options, under llama.cpp's names where it has one, else Hugging Face's;
// and as lines of JSON, one for each row.
//
//   SamplerOptions options;
//   add_filter(*command, options);               // --temperature, --top-k, --top-p ...
//   add_draw_options(*command, options);         // --xtc-probability, --mirostat, --logit-bias ...
//   const SamplerSettings settings = options.settings();
#pragma once

#include <CLI/CLI.hpp>
#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "partita/sampler/owned_settings.hpp"

namespace partita::app {

using SamplerOptions = OwnedSamplerSettings;

/// The filters and their order.
void add_filter(CLI::App& app, SamplerOptions& options);
/// The settings that look at earlier tokens.
void add_penalties(CLI::App& app, SamplerOptions& options);
/// The steps that are random or have a state, for independent draws: XTC, Mirostat, adaptive-p; and
/// biases.
void add_draw_options(CLI::App& app, SamplerOptions& options);

/// One SamplerOptions for each row, from a file with one JSON object a line: what a line does not
/// say is as in `defaults`. Its keys are the names of SamplerSettings; `history`, `dry_breakers`
/// and `allowed` list tokens, `logit_bias` pairs [token, bias], `order` names of steps, and
/// mirostat_mu continues a sequence's Mirostat.
/// @throws DataError naming the line and the setting, or if the lines are not as many as the rows.
std::deque<SamplerOptions> read_sampler_settings(const std::string& path, std::size_t rows,
                                                 std::size_t categories,
                                                 const SamplerOptions& defaults);

}  // namespace partita::app
