// SPDX-License-Identifier: Apache-2.0
// partita watermark detect: whether a text bears the mark of a key.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "apps/command/light/watermark.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/figure.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"

namespace partita::app {
namespace {

struct DetectMarkOptions : WatermarkOptions {
  std::string text;
  std::string report;
};

/// The file's texts: its lines, for a model that `partita lm train` made of lines; else all of it.
std::vector<Sequence> read_texts(const TextGenerator& generator, const std::string& path) {
  const bool of_lines =
      generator.kind == "ngram" || generator.kind == "lstm" || generator.kind == "transformer";
  TextLines text;
  if (of_lines) {
    text = read_lines(path);
  } else {
    text.lines = {read_file(path)};
    while (text.lines[0].ends_with('\n')) text.lines[0].pop_back();
  }
  for (const std::string& line : text.notes) note(line);
  std::vector<Sequence> out;
  for (std::size_t i = 0; i < text.lines.size(); ++i) {
    try {
      out.push_back(generator.encode(text.lines[i]));
    } catch (const InvalidArgument& error) {
      throw DataError(path, of_lines
                                ? fmt::format("line {}: {}", text.line_number[i], error.reason())
                                : error.reason());
    }
  }
  return out;
}

double expected_score(const Watermark& watermark, std::size_t n) {
  const auto tokens = static_cast<double>(n);
  switch (watermark.scheme) {
    case WatermarkScheme::green_list:
      return tokens * watermark.green_fraction;
    case WatermarkScheme::tournament:
      return tokens * watermark.layers / 2;
    case WatermarkScheme::gumbel:
      break;
  }
  return tokens;
}

/// How the page was made, without the secret: pages are shown to others.
std::string command_line_without(const std::string& key) {
  std::string line = command_line();
  for (auto at = line.find(key); at != std::string::npos; at = line.find(key)) {
    line.replace(at, key.size(), "KEY");
  }
  return line;
}

/// The p-value after each number of tokens.
std::string report(const Watermark& watermark, const WatermarkEvidence& evidence,
                   const DetectMarkOptions& options) {
  Series curve{.name = "p-value", .mark = Mark::line};
  double score = 0;
  for (std::size_t i = 0; i < evidence.scores.size(); ++i) {
    score += evidence.scores[i];
    curve.x.push_back(static_cast<double>(i + 1));
    curve.y.push_back(std::max(1e-300, watermark_p_value(watermark, i + 1, score)));
  }
  Page page("Watermark", fmt::format("{}, scheme {}", options.text,
                                     name_of(kWatermarkSchemes, watermark.scheme)));
  page.paragraph(fmt::format(
      "{} of the text were scored; {} were left out because their context had occurred before. A "
      "text that was made without the key scores this or more with probability {:.3g}.",
      counted(evidence.scores.size(), "token"), grouped(evidence.masked), evidence.p_value));
  page.figures({{to_svg({.title = "p-value against length",
                         .x = {.label = "tokens scored"},
                         .y = {.label = "p-value", .logarithmic = true},
                         .series = {curve}}),
                 "The p-value of the text's beginning, by how many of its tokens were scored."}});
  page.note(command_line_without(options.key));
  return page.html();
}

void run(DetectMarkOptions& options) {
  const Watermark watermark = options.parse();
  options.model.threads = options.common.threads;
  const TextGenerator generator = open_model(options.model);
  const WatermarkEvidence evidence = [&] {
    try {
      return detect_watermark(watermark, read_texts(generator, options.text));
    } catch (const InvalidArgument& error) {
      throw DataError(options.text, error.reason());
    }
  }();
  const std::size_t n = evidence.scores.size();
  if (!options.report.empty()) {
    write_file(options.report, report(watermark, evidence, options));
  }
  if (options.common.json) {
    print_json({{"scheme", name_of(kWatermarkSchemes, watermark.scheme)},
                {"tokens", n},
                {"masked", evidence.masked},
                {"score", evidence.score},
                {"expected", expected_score(watermark, n)},
                {"p_value", evidence.p_value}});
  } else {
    print(
        fmt::format("tokens    {}   (and {} whose context had occurred before)\n"
                    "score     {:.6g}   ({:.6g} expected without the mark)\n"
                    "p-value   {:.3g}\n",
                    grouped(n), grouped(evidence.masked), evidence.score,
                    expected_score(watermark, n), evidence.p_value));
  }
  if (!options.report.empty()) note("wrote " + options.report);
}

}  // namespace

void add_watermark_detect(CLI::App& app) {
  auto* command = app.add_subcommand("detect", "Whether a text bears the mark of a key");
  auto options = std::make_shared<DetectMarkOptions>();
  command->add_option("TEXT", options->text, "UTF-8")->option_text("FILE")->required();
  add_watermark_options(*command, *options);
  add_common(*command, options->common);
  add_report(*command, options->report, "the p-value against the text's length");
  add_model_options(*command, options->model);
  command->footer(
      "Example:\n"
      "  partita watermark detect text.txt --model words.model --key "
      "00112233445566778899aabbccddeeff\n"
      "\n"
      "The p-value is the probability that a text made without the key scores as high, exactly.\n"
      "Give the options that the text was generated with. The model only cuts the text into\n"
      "tokens: each line by itself for a model of `partita lm train`, else the whole file.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
