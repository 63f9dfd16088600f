// partita embed map: the most frequent words as a picture.
#include <fmt/format.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "apps/command/light/embed.hpp"
#include "apps/command/options.hpp"
#include "apps/command/terminal.hpp"
#include "apps/report/html.hpp"
#include "apps/report/numbers.hpp"
#include "apps/report/page.hpp"
#include "partita/base/error.hpp"
#include "partita/embedding/principal_components.hpp"
#include "partita/io/file.hpp"
#include "partita/io/word_vectors.hpp"

namespace partita::app {
namespace {

struct MapOptions {
  VectorsInput vectors;
  std::string report;
  std::size_t words = 200;
  std::size_t skip = 100;
  CommonOptions common;
};

/// Words at their places; gnuplot cannot place so many labels.
std::string picture(const std::vector<std::string>& words, const std::vector<Place>& places) {
  constexpr double kSize = 800;
  constexpr double kMargin = 24;
  Place low = places[0];
  Place high = places[0];
  for (const Place& p : places) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double extent = std::max({high.x - low.x, high.y - low.y, 1e-300});
  const double scale = (kSize - 2 * kMargin) / extent;
  std::string svg = fmt::format(
      R"(<svg viewBox="0 0 {0} {1:.0f}" role="img" aria-label="Map of words" font-size="11" )"
      R"(text-anchor="middle" fill="currentColor">)",
      kSize, (high.y - low.y) * scale + 2 * kMargin);
  for (std::size_t i = 0; i < words.size(); ++i) {
    svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}">{}</text>)",
                       kMargin + (places[i].x - low.x) * scale,
                       kMargin + (high.y - places[i].y) * scale, escape_html(words[i]));
  }
  return svg + "</svg>";
}

void run(const MapOptions& options) {
  const WordVectors vectors = options.vectors.load();
  if (vectors.words.size() < 10) {
    throw DataError(options.vectors.path,
                    fmt::format("{} words, expected 10 or more for a map", vectors.words.size()));
  }
  const std::size_t shown = std::min(options.words, vectors.words.size());
  const std::size_t skipped = std::min(options.skip, vectors.words.size() - shown);
  const std::vector<Place> places = principal_components(vectors.rows().slice(skipped, shown));
  const auto first = vectors.words.begin() + static_cast<std::ptrdiff_t>(skipped);
  const std::vector<std::string> words(first, first + static_cast<std::ptrdiff_t>(shown));

  Page page("Map of words", fmt::format("{}: {} words of {} numbers", options.vectors.path,
                                        grouped(vectors.words.size()), vectors.dim));
  page.figures({{.svg = picture(words, places),
                 .caption = fmt::format(
                     "Words {} to {} by frequency, placed by the first two principal components "
                     "of their vectors: the plane in which they differ most.",
                     skipped + 1, skipped + shown),
                 .wide = true}});
  write_file(options.report, page.html());
  if (options.common.json) {
    Json json = Json::array();
    for (std::size_t i = 0; i < words.size(); ++i) {
      json.push_back({{"word", words[i]}, {"x", places[i].x}, {"y", places[i].y}});
    }
    print_json({{"report", options.report}, {"words", std::move(json)}});
  } else {
    note(fmt::format("wrote {}: {} words", options.report, shown));
  }
}

}  // namespace

void add_embed_map(CLI::App& embed) {
  auto* command = embed.add_subcommand("map", "Draw the most frequent words in the plane");
  auto options = std::make_shared<MapOptions>();
  add_vectors(*command, options->vectors);
  command->add_option("--words", options->words, "how many words (200)")
      ->option_text("N")
      ->check(whole_number(10, 5000));
  command->add_option("--skip", options->skip, "leave out the N most frequent ones (100)")
      ->option_text("N")
      ->check(whole_number(0, 1U << 30U));
  add_common(*command, options->common);
  add_report(*command, options->report, "the map")->required();
  command->footer(
      "Example:\n"
      "  partita embed map novels.bin --report map.html\n"
      "\n"
      "Words are placed at the first two principal components of their vectors. --seed and "
      "--threads "
      "change nothing here.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
