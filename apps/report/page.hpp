// SPDX-License-Identifier: Apache-2.0
// A report as one HTML file: headings, paragraphs, tables, figures. It is self-contained (no
// script, no font, no picture from elsewhere), and readable on a phone and on a wide screen, on
// light and dark backgrounds.
//
//   partita::Page page("Distinct words", "25 words from a 6-gram model, seed 1");
//   page.heading("What was drawn");
//   page.paragraph("Both samplers saw the same model.");
//   page.tables({{.caption = "Stochastic beam",
//                 .columns = {{"word"}, {"p", partita::Align::right}},
//                 .rows = {{"singing", "0.0012"},
//                          {{.text = "blorping", .marked = true}, "0.0001"}}}});
//   page.figures({{partita::to_svg(figure), "Error against k."}});
//   partita::write_file("report.html", page.html());
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace partita {

enum class Align : std::uint8_t { left, right };

struct Column {
  std::string name = {};
  Align align = Align::left;
};

struct Cell {
  std::string text;
  bool marked = false;  ///< set off by a background; the page's text says why

  Cell(std::string value, bool mark = false)  // NOLINT(google-explicit-constructor)
      : text(std::move(value)), marked(mark) {}
  Cell(const char* value) : text(value) {}  // NOLINT(google-explicit-constructor)
};

struct Table {
  std::string caption = {};
  std::vector<Column> columns = {};
  std::vector<std::vector<Cell>> rows = {};  ///< each as long as columns
};

struct CaptionedFigure {
  std::string svg = {};  ///< from to_svg(), inserted unchanged
  std::string caption = {};
  bool wide = false;  ///< as wide as the page
};

/// Collects a page from top to bottom. All text is escaped.
class Page {
 public:
  explicit Page(std::string_view title, std::string_view subtitle = {});

  void heading(std::string_view text);
  void subheading(std::string_view text);
  void paragraph(std::string_view text);
  /// A displayed formula: the contents of a <math> element, inserted unchanged. One that is wider
  /// than the screen scrolls on its own.
  void formula(std::string_view mathml);
  void table(const Table& table) { tables({table}); }
  /// Side by side where the paper is wide enough. @throws InvalidArgument if a row's length is
  /// wrong.
  void tables(const std::vector<Table>& tables);
  void figures(const std::vector<CaptionedFigure>& figures);
  /// Small print at the foot.
  void note(std::string_view text);

  std::string html() const;

 private:
  std::string title_;
  std::string body_;
};

}  // namespace partita
