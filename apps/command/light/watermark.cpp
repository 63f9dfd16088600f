// SPDX-License-Identifier: Apache-2.0
// partita watermark: text that its key recognizes.
#include "apps/command/light/watermark.hpp"

#include <charconv>

#include "apps/command/subcommands.hpp"
#include "partita/base/error.hpp"

namespace partita::app {

Watermark WatermarkOptions::parse() const {
  constexpr std::size_t kDigits = 16;  // of each half
  Watermark out = watermark;
  const bool whole = key.size() == 2 * kDigits;
  for (std::size_t i = 0; i < 2; ++i) {
    const char* const begin = key.data() + i * kDigits;
    if (!whole || std::from_chars(begin, begin + kDigits, out.key[i], 16).ptr != begin + kDigits) {
      throw InvalidArgument("--key", fmt::format("expected 32 hexadecimal digits, got '{}'", key));
    }
  }
  return out;
}

void add_watermark_options(CLI::App& app, WatermarkOptions& options) {
  app.add_option("--model", options.model.path,
                 "from `partita lm train`, a GGUF file, or a TorchScript module")
      ->option_text("FILE")
      ->required();
  app.add_option("--key", options.key, "the secret: 32 hexadecimal digits")
      ->option_text("HEX")
      ->required();
  Watermark& mark = options.watermark;
  add_choice(app, "--scheme", mark.scheme, kWatermarkSchemes,
             "gumbel, green-list or tournament (gumbel)")
      ->option_text("NAME");
  app.add_option("--context-width", mark.context_width,
                 "tokens before a token that choose its noise (4)")
      ->option_text("N")
      ->check(whole_number(1, 1000));
  app.add_option("--green-fraction", mark.green_fraction,
                 "green-list: share of green tokens (0.25)")
      ->option_text("X")
      ->check(number("(0, 1)"));
  app.add_option("--green-bias", mark.green_bias, "green-list: added to their logits (2)")
      ->option_text("X")
      ->check(number("[0, inf)"));
  app.add_option("--layers", mark.layers, "tournament: rounds (30)")
      ->option_text("N")
      ->check(whole_number(1, 64));
}

void add_watermark(CLI::App& app) {
  auto* command = app.add_subcommand("watermark", "Text that its key recognizes, and the proof");
  command->require_subcommand(1);
  add_watermark_generate(*command);
  add_watermark_detect(*command);
}

}  // namespace partita::app
