// SPDX-License-Identifier: Apache-2.0
#include "apps/report/page.hpp"

#include <fmt/format.h>

#include "apps/report/html.hpp"
#include "partita/base/error.hpp"

namespace partita {
namespace {

constexpr std::string_view kStyle = R"(
:root {
  color-scheme: light dark;
  --paper: #fcfcfa; --ink: #1d1f21; --soft: #5c6166; --grid: #dddcd6; --shade: #f2f1ec; --mark: #fde9b3;
  --series-1: #0f6b9c; --series-2: #c9541a; --series-3: #2e7d4f;
  --series-4: #84499f; --series-5: #9a7612; --series-6: #b23561;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16181a; --ink: #e4e4e0; --soft: #a0a5aa; --grid: #383b3f; --shade: #202326; --mark: #5b4a17;
    --series-1: #5db4e3; --series-2: #f08c55; --series-3: #6cc48f;
    --series-4: #c493dc; --series-5: #d9b650; --series-6: #ee7ea4;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: 2rem 1rem 4rem; max-width: 64rem;
  background: var(--paper); color: var(--ink);
  font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif;
}
h1 { font-size: clamp(1.6rem, 5vw, 2.2rem); line-height: 1.2; margin: 0 0 .3rem; letter-spacing: -.01em; }
h2 { font-size: 1.3rem; line-height: 1.3; margin: 2.6rem 0 .6rem; }
h3 { font-size: 1.05rem; line-height: 1.4; margin: 2rem 0 .3rem; max-width: 44rem; }
p { max-width: 44rem; margin: .6rem 0; }
.formula { overflow-x: auto; overflow-y: hidden; padding: .3rem 0; font-size: 1.1rem; }
.formula math { margin: 0; width: max-content; }
.subtitle { color: var(--soft); font-size: 1.05rem; }
.note { color: var(--soft); font-size: .875rem; }
.side { display: flex; flex-wrap: wrap; gap: 1.5rem 2.5rem; align-items: flex-start; margin: 1.2rem 0; }
.table { max-width: 100%; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .9375rem; }
.caption { width: 0; min-width: 100%; font-weight: 600; font-size: .9375rem; margin: 0 0 .4rem; } /* wraps at the table */
th, td { padding: .22rem .7rem; text-align: left; white-space: nowrap; }
th:first-child, td:first-child { padding-left: .3rem; }
th { color: var(--soft); font-weight: 500; white-space: normal; line-height: 1.3; border-bottom: 1.5px solid var(--grid); vertical-align: bottom; }
td { border-bottom: 1px solid var(--grid); }
.right { text-align: right; }
mark { background: var(--mark); color: inherit; border-radius: .2em; padding: .05em .3em; margin: 0 -.3em; }
figure { margin: 0; flex: 1 1 20rem; max-width: 30rem; min-width: 0; }
figure.wide { flex-basis: 100%; max-width: none; }
figure svg { display: block; width: 100%; height: auto; color: var(--ink); }
figcaption { color: var(--soft); font-size: .9rem; line-height: 1.45; margin-top: .4rem; }
footer { margin-top: 3rem; border-top: 1px solid var(--grid); padding-top: .6rem; }
@media (max-width: 40rem) { td:first-child { white-space: normal; min-width: 9rem; } }
@media print { body { max-width: none; padding: 0; } figure, table { break-inside: avoid; } }
)";

std::string_view class_of(const Column& column) {
  return column.align == Align::right ? " class=\"right\"" : "";
}

std::string html_of(const Table& table) {
  std::string out = "<div class=\"table\">";
  if (!table.caption.empty()) {
    out += fmt::format("<p class=\"caption\">{}</p>", escape_html(table.caption));
  }
  out += R"(<div class="scroll" tabindex="0"><table>)";
  out += "<thead><tr>";
  for (const Column& column : table.columns) {
    out += fmt::format("<th scope=\"col\"{}>{}</th>", class_of(column), escape_html(column.name));
  }
  out += "</tr></thead>\n<tbody>";
  for (const auto& row : table.rows) {
    if (row.size() != table.columns.size()) {
      throw InvalidArgument(
          "table", fmt::format("a row of {} cells, expected {}", row.size(), table.columns.size()));
    }
    out += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string text = escape_html(row[i].text);
      out += fmt::format("<td{}>{}</td>", class_of(table.columns[i]),
                         row[i].marked ? fmt::format("<mark>{}</mark>", text) : text);
    }
    out += "</tr>\n";
  }
  return out + "</tbody></table></div></div>\n";
}

}  // namespace

Page::Page(std::string_view title, std::string_view subtitle) : title_(title) {
  body_ = fmt::format("<h1>{}</h1>\n", escape_html(title));
  if (!subtitle.empty())
    body_ += fmt::format("<p class=\"subtitle\">{}</p>\n", escape_html(subtitle));
}

void Page::heading(std::string_view text) {
  body_ += fmt::format("<h2>{}</h2>\n", escape_html(text));
}

void Page::subheading(std::string_view text) {
  body_ += fmt::format("<h3>{}</h3>\n", escape_html(text));
}

void Page::formula(std::string_view mathml) {
  body_ += fmt::format(
      "<div class=\"formula\" tabindex=\"0\"><math display=\"block\">{}</math></div>\n", mathml);
}

void Page::paragraph(std::string_view text) {
  body_ += fmt::format("<p>{}</p>\n", escape_html(text));
}

void Page::tables(const std::vector<Table>& tables) {
  body_ += "<div class=\"side\">\n";
  for (const Table& table : tables) body_ += html_of(table);
  body_ += "</div>\n";
}

void Page::figures(const std::vector<CaptionedFigure>& figures) {
  body_ += "<div class=\"side\">\n";
  for (const CaptionedFigure& figure : figures) {
    body_ +=
        fmt::format("<figure{}>\n{}\n<figcaption>{}</figcaption></figure>\n",
                    figure.wide ? " class=\"wide\"" : "", figure.svg, escape_html(figure.caption));
  }
  body_ += "</div>\n";
}

void Page::note(std::string_view text) {
  body_ += fmt::format("<footer><p class=\"note\">{}</p></footer>\n", escape_html(text));
}

std::string Page::html() const {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<title>{}</title>\n<style>{}</style>\n</head>\n<body>\n<main>\n{}</main>\n</body>\n</"
      "html>\n",
      escape_html(title_), kStyle, body_);
}

}  // namespace partita
