// SPDX-License-Identifier: Apache-2.0
#include "browser.hpp"

#include <fmt/format.h>

#include <array>
#include <sstream>
#include <stdexcept>
#include <vector>

#include "command.hpp"
#include "partita/io/file.hpp"
#include "temporary_directory.hpp"

namespace partita::testing {
namespace {

// The page in frames of two screens' widths (a window of Chromium's is never narrower than 500),
// and what a reader of each would see, for the outside: --dump-dom prints the document as it then
// is.
constexpr const char* kLook = R"(<!DOCTYPE html><html><body>
<iframe width="400" height="1000" style="border: 0" srcdoc="PAGE"></iframe>
<iframe width="1400" height="1000" style="border: 0" srcdoc="PAGE"></iframe>
<script>addEventListener('load', () => {
  const drawn = 'path, polyline, polygon, rect, circle, line, text, image, use';
  // In gnuplot's pictures a series is a group; its sample in the key is of the same kinds.
  const series = svg => [...svg.querySelectorAll('[id*="plot_plot_"]')];
  const unmarked = svg => series(svg).some(one => {
    const own = one.querySelector('text') ? 1 : 0;
    const lines = [...one.querySelectorAll('path')]
        .map(path => (path.getAttribute('d').match(/L/g) || []).length).reduce((a, b) => a + b, 0);
    return lines <= own && ['use', 'image', 'rect', 'polygon', 'circle'].every(
        kind => one.querySelectorAll(kind).length <= own);
  });
  // The numbers (or names) of the y axis end at it, those of the x axis stand under their places, or
  // end there if they are turned.
  const unnumbered = svg => {
    const texts = [...svg.querySelectorAll('text')]
        .filter(text => !text.closest('[id*="plot_plot_"]')).map(text => text.parentElement);
    if (!series(svg).length || !texts.length) return false;
    const count = (anchor, turned, pattern) => texts.filter(text =>
        text.getAttribute('text-anchor') === anchor && pattern.test(text.textContent) &&
        /rotate/.test(text.getAttribute('transform') || '') === turned).length;
    const any = /\S/;
    const number = /^\s*[-−]?[\d.]/;
    const x = count('middle', false, number) || count('end', true, any) ||
        count('middle', false, any) > 1;  // names; one may be the axis's own
    return !x || !count('end', false, any);
  };
  const see = ({contentDocument: page}) => {
    const figures = [...page.querySelectorAll('figure')];
    const blank = figures.filter(figure => {
      const picture = figure.querySelector('svg, img');
      if (!picture) return true;
      const box = picture.getBoundingClientRect();
      return box.width < 100 || box.height < 50 ||
          (picture.matches('svg') && !picture.querySelector(drawn));
    });
    const pictures = [...page.querySelectorAll('figure svg')];
    const lost = [...page.images].filter(image => !image.naturalWidth);
    return [page.documentElement.scrollWidth, figures.length, blank.length, lost.length,
        pictures.filter(unmarked).length, pictures.filter(unnumbered).length].join(' ');
  };
  document.documentElement.dataset.seen = [...document.querySelectorAll('iframe')].map(see);
});</script></body></html>)";

constexpr std::array kWidths = {400, 1400};
constexpr std::size_t kNumbers = 6;  // that a frame gives

std::size_t count(const std::string& text, const std::string& part) {
  std::size_t times = 0;
  for (auto at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++times;
  return times;
}

std::string replaced(std::string text, const std::string& what, const std::string& by) {
  for (auto at = text.find(what); at != std::string::npos; at = text.find(what, at + by.size())) {
    text.replace(at, what.size(), by);
  }
  return text;
}

/// "CONSOLE(1)] ..." of each line that the console got.
std::string console(const std::string& log) {
  std::string said;
  for (auto at = log.find("CONSOLE"); at != std::string::npos; at = log.find("CONSOLE", at + 1)) {
    said += log.substr(at, log.find('\n', at) - at) + "; ";
  }
  return said;
}

}  // namespace

bool has_browser() { return PARTITA_CHROMIUM[0] != '\0'; }

std::string problems_of_page(const std::string& path) {
  if (!has_browser()) return "";
  const std::string html = read_file(path);
  const TemporaryDirectory directory;
  write_file(directory / "look.html",
             replaced(kLook, "PAGE", replaced(replaced(html, "&", "&amp;"), "\"", "&quot;")));
  const Outcome chromium =
      run_program({PARTITA_CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
                   "--hide-scrollbars", "--enable-logging=stderr", "--window-size=1500,2100",
                   "--user-data-dir=" + (directory / "profile"), "--dump-dom",
                   "file://" + (directory / "look.html")});
  std::string problems = console(chromium.err);
  const std::string mark = "data-seen=\"";
  const auto seen = chromium.out.find(mark);
  std::array<std::size_t, 2 * kNumbers> numbers{};
  std::istringstream read(seen == std::string::npos
                              ? std::string()
                              : replaced(chromium.out.substr(seen + mark.size(), 200), ",", " "));
  for (std::size_t& number : numbers) read >> number;
  if (!read) {
    throw std::runtime_error("chromium shows nothing: " + chromium.err.substr(0, 2000));
  }
  for (std::size_t i = 0; i < kWidths.size(); ++i) {
    const auto width = static_cast<std::size_t>(kWidths[i]);
    const std::size_t* const at = &numbers[kNumbers * i];
    if (at[0] > width) problems += fmt::format("{} pixels wide on a screen of {}; ", at[0], width);
    if (at[1] != count(html, "<figure")) problems += fmt::format("figures missing at {}; ", width);
    if (at[2] > 0) problems += fmt::format("{} figures show nothing at {}; ", at[2], width);
    if (at[3] > 0) problems += fmt::format("{} pictures not found at {}; ", at[3], width);
    if (at[4] > 0) problems += fmt::format("{} figures with an empty series; ", at[4]);
    if (at[5] > 0) problems += fmt::format("{} figures with an axis without numbers; ", at[5]);
  }
  return problems;
}

}  // namespace partita::testing
