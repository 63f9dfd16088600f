// SPDX-License-Identifier: Apache-2.0
// partita embed map: the most frequent words as a picture.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <numbers>
#include <optional>
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

constexpr double kFont = 11;  // pixels

/// A rectangle in the picture.
struct Box {
  double left;
  double top;
  double right;
  double bottom;

  bool overlaps(const Box& other) const {
    return left < other.right && other.left < right && top < other.bottom && other.top < bottom;
  }
};

/// The room that a word takes around its middle, by the average width of a letter.
Box box_of(const std::string& word, double x, double y) {
  constexpr double kLetter = 0.62 * kFont;
  const auto letters = static_cast<double>(
      std::count_if(word.begin(), word.end(), [](char c) { return (c & 0xC0) != 0x80; }));
  const double half = (letters * kLetter) / 2 + 1;
  return {x - half, y - kFont / 2 - 1, x + half, y + kFont / 2 + 1};
}

/// Labels are placed one after the other, each at the free place nearest to its point.
class Labels {
 public:
  Labels(double width, double height) : width_(width), height_(height) {}

  /// The middle of the label; nothing if there is no room near the point.
  std::optional<Place> place(const std::string& word, Place at) {
    constexpr int kDirections = 16;
    constexpr double kStep = 6;
    constexpr double kFarthest = 60;
    for (double radius = 0; radius <= kFarthest; radius += kStep) {
      for (int i = 0; i < (radius == 0 ? 1 : kDirections); ++i) {
        const double angle = 2 * std::numbers::pi * i / kDirections;
        const Place middle{at.x + 1.5 * radius * std::cos(angle), at.y + radius * std::sin(angle)};
        const Box box = box_of(word, middle.x, middle.y);
        if (box.left < 0 || box.top < 0 || box.right > width_ || box.bottom > height_) continue;
        if (std::any_of(taken_.begin(), taken_.end(),
                        [&](const Box& other) { return box.overlaps(other); })) {
          continue;
        }
        taken_.push_back(box);
        return middle;
      }
    }
    return std::nullopt;
  }

 private:
  double width_;
  double height_;
  std::vector<Box> taken_ = {};
};

struct Picture {
  std::string svg;
  std::size_t unnamed = 0;  // words without room for their names
};

/// Words at their places, or as near as the others leave room, with a line to the place; gnuplot
/// cannot place so many labels.
Picture picture(const std::vector<std::string>& words, const std::vector<Place>& places) {
  constexpr double kSize = 800;
  constexpr double kMargin = 40;
  Place low = places[0];
  Place high = places[0];
  for (const Place& p : places) {
    low = {std::min(low.x, p.x), std::min(low.y, p.y)};
    high = {std::max(high.x, p.x), std::max(high.y, p.y)};
  }
  const double extent = std::max({high.x - low.x, high.y - low.y, 1e-300});
  const double scale = (kSize - 2 * kMargin) / extent;
  const double height = (high.y - low.y) * scale + 2 * kMargin;
  Picture out;
  out.svg = fmt::format(
      R"(<svg viewBox="0 0 {0} {1:.0f}" role="img" aria-label="Map of words" font-size="{2}" )"
      R"(text-anchor="middle" fill="currentColor">)",
      kSize, height, kFont);
  Labels labels(kSize, height);
  for (std::size_t i = 0; i < words.size(); ++i) {
    const Place at{kMargin + (places[i].x - low.x) * scale,
                   kMargin + (high.y - places[i].y) * scale};
    const std::string name = escape_html(words[i]);
    const auto middle = labels.place(words[i], at);
    const bool covered =
        middle && box_of(words[i], middle->x, middle->y).overlaps({at.x, at.y, at.x, at.y});
    if (!covered) {
      out.svg +=
          fmt::format(R"(<circle cx="{:.1f}" cy="{:.1f}" r="1.5"><title>{}</title></circle>)", at.x,
                      at.y, name);
    }
    if (!middle) {
      ++out.unnamed;
      continue;
    }
    if (!covered) {
      out.svg += fmt::format(
          R"(<line x1="{:.1f}" y1="{:.1f}" x2="{:.1f}" y2="{:.1f}" stroke='var(--grid)'/>)", at.x,
          at.y, middle->x, middle->y);
    }
    out.svg += fmt::format(R"(<text x="{:.1f}" y="{:.1f}" dy="0.35em">{}</text>)", middle->x,
                           middle->y, name);
  }
  out.svg += "</svg>";
  return out;
}

void run(const MapOptions& options) {
  const WordVectors vectors = options.vectors.load();
  if (vectors.words.size() < 10) {
    throw DataError(options.vectors.path, fmt::format("{}, expected 10 or more for a map",
                                                      counted(vectors.words.size(), "word")));
  }
  const std::size_t shown = std::min(options.words, vectors.words.size());
  const std::size_t skipped = std::min(options.skip, vectors.words.size() - shown);
  const std::vector<Place> places = principal_components(vectors.rows().slice(skipped, shown));
  const auto first = vectors.words.begin() + static_cast<std::ptrdiff_t>(skipped);
  const std::vector<std::string> words(first, first + static_cast<std::ptrdiff_t>(shown));

  Page page("Map of words",
            fmt::format("{}: {} of {}", options.vectors.path, counted(vectors.words.size(), "word"),
                        counted(vectors.dim, "number")));
  const Picture map = picture(words, places);
  const std::string unnamed =
      map.unnamed == 0 ? ""
                       : fmt::format(
                             " {} shown as dots, for want of room: fewer --words, or another "
                             "--skip, make some.",
                             counted(map.unnamed, "word is", "words are"));
  page.figures({{.svg = map.svg,
                 .caption = fmt::format(
                     "Words {} to {} by frequency, placed by the first two principal components "
                     "of their vectors: the plane in which they differ most.{}",
                     skipped + 1, skipped + shown, unnamed),
                 .wide = true}});
  page.note(command_line());
  write_file(options.report, page.html());
  if (options.common.json) {
    Json json = Json::array();
    for (std::size_t i = 0; i < words.size(); ++i) {
      json.push_back({{"word", words[i]}, {"x", places[i].x}, {"y", places[i].y}});
    }
    print_json({{"report", options.report}, {"words", std::move(json)}});
  } else {
    note(fmt::format("wrote {}: {}", options.report, counted(shown, "word")));
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
