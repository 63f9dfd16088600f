// SPDX-License-Identifier: Apache-2.0
// The two halves of `partita watermark`, and the options that both have.
#pragma once

#include <CLI/CLI.hpp>
#include <string>

#include "apps/command/options.hpp"
#include "apps/command/text_generator.hpp"
#include "partita/noise/watermark.hpp"

namespace partita::app {

inline constexpr auto kWatermarkSchemes =
    names<WatermarkScheme>({{"gumbel", WatermarkScheme::gumbel},
                            {"green-list", WatermarkScheme::green_list},
                            {"tournament", WatermarkScheme::tournament}});

struct WatermarkOptions {
  ModelFile model;
  std::string key;
  Watermark watermark;
  CommonOptions common;

  /// The watermark, with its key. @throws InvalidArgument naming --key.
  Watermark parse() const;
};

/// --model, --key, --scheme, --context-width, --green-fraction, --green-bias, --layers
void add_watermark_options(CLI::App& app, WatermarkOptions& options);

void add_watermark_generate(CLI::App& app);
void add_watermark_detect(CLI::App& app);

}  // namespace partita::app
