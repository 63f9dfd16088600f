// SPDX-License-Identifier: Apache-2.0
// partita watermark generate: sequences from a language model, with a watermark.
#include <memory>
#include <vector>

#include "apps/command/light/watermark.hpp"
#include "apps/command/sampler_options.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"

namespace partita::app {
namespace {

struct GenerateMarkedOptions : WatermarkOptions {
  std::string prompt;
  std::size_t k = 1;
  SamplerOptions sampler;
  SearchOptions search;
};

void run(GenerateMarkedOptions& options) {
  const Watermark watermark = options.parse();
  options.search.threads = options.common.threads;
  options.search.filter = options.sampler.settings();
  options.model.threads = options.common.threads;
  options.model.prefixes = options.k;
  const TextGenerator generator = open_model(options.model);
  if (generator.threaded) options.search.threads = 1;
  const Sequence prompt = encode_argument(generator, "--prompt", options.prompt);
  const auto texts = watermarked_samples(*generator.model, prompt, options.k, watermark,
                                         Stream{.seed = options.common.seed}, options.search);
  Json sequences = Json::array();
  std::string lines;
  for (const Hypothesis& text : texts) {
    const std::string decoded = generator.decode(text.tokens);
    sequences.push_back({{"text", decoded}, {"log_prob", text.log_prob}});
    lines += decoded + "\n";
  }
  if (!options.common.json) return print(lines);
  print_json({{"sequences", std::move(sequences)},
              {"scheme", name_of(kWatermarkSchemes, watermark.scheme)},
              {"seed", options.common.seed}});
}

}  // namespace

void add_watermark_generate(CLI::App& app) {
  auto* command = app.add_subcommand("generate", "Draw texts with a watermark");
  auto options = std::make_shared<GenerateMarkedOptions>();
  add_watermark_options(*command, *options);
  command->add_option("--prompt", options->prompt, "continue this text (it is not repeated)")
      ->option_text("TEXT");
  add_k(*command, options->k, "texts");
  add_penalties(*command, options->sampler);
  add_filter(*command, options->sampler);
  add_max_length(*command, options->search.max_length);
  add_common(*command, options->common);
  add_model_options(*command, options->model);
  command->footer(
      "Example:\n"
      "  partita watermark generate --model words.model --key 00112233445566778899aabbccddeeff\n"
      "\n"
      "Schemes:\n"
      "  gumbel       the arg max of logits plus noise that key and context choose; the texts of\n"
      "               random keys are those of the model\n"
      "  tournament   SynthID's: candidates play rounds that the key decides; the same is true\n"
      "  green-list   raises the logits of a share of the tokens, which changes the texts\n"
      "\n"
      "Prints one text a line. The first tokens, which have too short a context, and those whose\n"
      "context has occurred before in the text, are drawn by the seed and bear no mark.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
