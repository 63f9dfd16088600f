// SPDX-License-Identifier: Apache-2.0
#include <fmt/format.h>

#include <cmath>
#include <string>
#include <utility>

#include "apps/report/page.hpp"
#include "apps/tour/claim.hpp"

namespace partita::app {
namespace {

constexpr std::pair<std::string_view, std::string_view> kFormulas[] = {
#include "formulas.inc"
};

std::string number(double x) {
  if (x == std::round(x) && std::abs(x) < 1e6) return fmt::format("{:.0f}", x);
  return std::abs(x) < 1e-3 || std::abs(x) >= 1e6 ? fmt::format("{:.2e}", x)
                                                  : fmt::format("{:.6g}", x);
}

std::string expected(const Check& m) {
  switch (m.relation) {
    case Relation::at_most:
      return "≤ " + number(m.expected);
    case Relation::at_least:
      return "≥ " + number(m.expected);
    case Relation::equal:
      break;
  }
  return m.tolerance == 0 ? number(m.expected)
                          : fmt::format("{} ± {}", number(m.expected), number(m.tolerance));
}

Table table(const Finding& finding) {
  Table table{.columns = {{""}, {"measured", Align::right}, {"expected", Align::right}, {""}}};
  for (const Check& m : finding.checks) {
    table.rows.push_back(
        {m.what, number(m.measured), expected(m), m.passed() ? Cell("✓") : Cell("fails", true)});
  }
  return table;
}

void add_summary(Page& page, std::span<const ChapterResult> results) {
  Table table{.columns = {{"chapter"}, {"claims"}, {"seconds", Align::right}}};
  for (const ChapterResult& chapter : results) {
    std::string rows;
    double seconds = 0;
    bool passed = true;
    for (const ClaimResult& claim : chapter.claims) {
      rows += fmt::format("{}{}{}", rows.empty() ? "" : " ", claim.claim->row,
                          claim.passed() ? "" : " fails");
      seconds += claim.seconds;
      passed = passed && claim.passed();
    }
    table.rows.push_back(
        {chapter.chapter.title, Cell(rows, !passed), fmt::format("{:.1f}", seconds)});
  }
  page.table(table);
}

}  // namespace

std::string_view tour_formula(std::string_view row) {
  for (const auto& [name, mathml] : kFormulas) {
    if (name == row) return mathml;
  }
  return {};
}

std::string tour_page(std::span<const ChapterResult> results, const TourOptions& options,
                      const std::string& command) {
  std::size_t claims = 0;
  std::size_t passed = 0;
  for (const ChapterResult& chapter : results) {
    for (const ClaimResult& claim : chapter.claims) {
      ++claims;
      passed += claim.passed() ? 1U : 0U;
    }
  }
  Page page("Partita: the tour",
            fmt::format("What a softmax is good for, claim by claim: {} of {} "
                        "hold{}. Seed {}.",
                        passed, claims, options.quick ? " in a quick run" : "", options.seed));
  page.paragraph(
      "Each claim was run on this machine to make this page: its formula, what was measured, and "
      "what was expected. A p-value of at least 10⁻⁶ means that a correct program fails for one "
      "seed in a million.");
  add_summary(page, results);
  for (const ChapterResult& chapter : results) {
    page.heading(chapter.chapter.title);
    for (const ClaimResult& result : chapter.claims) {
      page.subheading(fmt::format("{}. {}", result.claim->row, result.claim->sentence));
      page.formula(tour_formula(result.claim->row));
      if (result.error.empty()) {
        page.table(table(result.finding));
      } else {
        page.table({.columns = {{"error"}}, .rows = {{Cell(result.error, true)}}});
      }
      if (!result.finding.figures.empty()) page.figures(result.finding.figures);
    }
  }
  page.note(command);
  return page.html();
}

}  // namespace partita::app
