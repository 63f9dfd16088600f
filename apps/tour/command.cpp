// SPDX-License-Identifier: Apache-2.0
// partita tour: every claim, run and shown.
#include "apps/tour/claim.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "apps/experiments/run.hpp"
#include "partita/base/error.hpp"
#include "partita/io/file.hpp"
#include "partita/io/text.hpp"

namespace partita::app {
namespace {

struct TourCommand {
  std::string out = "tour";
  std::vector<std::string> chapters;
  std::vector<std::string> rows;
  std::string words;
  bool quick = false;
  CommonOptions common;
};

const char* name_of(Relation relation) {
  switch (relation) {
    case Relation::at_most:
      return "at most";
    case Relation::at_least:
      return "at least";
    case Relation::equal:
      break;
  }
  return "equal";
}

Json to_json(std::span<const ChapterResult> results, const TourOptions& options) {
  Json claims = Json::array();
  for (const ChapterResult& chapter : results) {
    for (const ClaimResult& result : chapter.claims) {
      Json measurements = Json::array();
      for (const Check& m : result.finding.checks) {
        Json json = {{"what", m.what},
                     {"measured", m.measured},
                     {"relation", name_of(m.relation)},
                     {"expected", m.expected}};
        if (m.relation == Relation::equal) json["tolerance"] = m.tolerance;
        json["passed"] = m.passed();
        measurements.push_back(std::move(json));
      }
      Json json = {{"row", result.claim->row},        {"chapter", chapter.chapter.name},
                   {"claim", result.claim->sentence}, {"passed", result.passed()},
                   {"seconds", result.seconds},       {"measurements", std::move(measurements)}};
      if (!result.error.empty()) json["error"] = result.error;
      claims.push_back(std::move(json));
    }
  }
  return {{"claims", std::move(claims)}, {"quick", options.quick}, {"seed", options.seed}};
}

std::string to_text(std::span<const ChapterResult> results) {
  std::string out;
  for (const ChapterResult& chapter : results) {
    for (const ClaimResult& result : chapter.claims) {
      out += fmt::format("{}  {:<5}  {}\n", result.claim->row, result.passed() ? "holds" : "FAILS",
                         result.claim->sentence);
      if (!result.error.empty()) out += fmt::format("           {}\n", result.error);
      for (const Check& m : result.finding.checks) {
        if (m.passed()) continue;
        out += fmt::format("           {}: {:.6g}, expected {} {:.6g}\n", m.what, m.measured,
                           name_of(m.relation), m.expected);
      }
    }
  }
  return out;
}

/// The chapters that are named (all, if none is) and have a claim to run.
std::vector<Chapter> chosen(const std::vector<std::string>& names, const TourOptions& options) {
  std::vector<Chapter> all = tour_chapters();
  std::erase_if(all, [&](const Chapter& chapter) {
    const bool is_named =
        names.empty() || std::find(names.begin(), names.end(), chapter.name) != names.end();
    return !is_named || std::none_of(chapter.claims.begin(), chapter.claims.end(),
                                     [&](const Claim& claim) { return is_chosen(claim, options); });
  });
  return all;
}

/// The tour's own words, used if no others are given.
std::vector<std::string> words_of(const TourCommand& command) {
  if (!command.words.empty()) return read_lines(command.words).lines;
  return {"sing",   "singing", "singer",   "song",   "songs",  "ring",     "ringing", "rang",
          "long",   "longing", "longer",   "strong", "strung", "string",   "stringy", "spring",
          "sprung", "bring",   "bringing", "cling",  "clung",  "clinging", "swing",   "swung"};
}

/// The directory for the results, looked at before the work.
std::filesystem::path made_directory(const std::string& name) {
  std::error_code error;
  std::filesystem::create_directories(name, error);
  if (error) throw IoError(name, "cannot make this directory: " + error.message());
  for (const char* const file : {"tour.json", "index.html"}) {
    check_writable(std::filesystem::path(name) / file);
  }
  return name;
}

void run(const TourCommand& command) {
  const std::vector<std::string> words = words_of(command);
  const std::filesystem::path out = made_directory(command.out);
  const TourOptions options{.rows = command.rows,
                            .quick = command.quick,
                            .seed = command.common.seed,
                            .threads = command.common.threads,
                            .words_file = command.words,
                            .words = words};
  use_threads(options.threads);
  const std::vector<Chapter> chapters = chosen(command.chapters, options);
  std::uint64_t total = 0;
  for (const Chapter& chapter : chapters) {
    for (const Claim& claim : chapter.claims) total += is_chosen(claim, options) ? 1 : 0;
  }
  std::vector<ChapterResult> results;
  {
    Meter meter("tour");
    std::uint64_t done = 0;
    results = run_tour(chapters, options, [&](const Claim&) {
      meter.update({done++, total, "claims"});
    });
    meter.update({total, total, "claims"});
  }
  const Json json = to_json(results, options);
  write_file(out / "tour.json", json.dump(2) + "\n");
  write_file(out / "index.html", tour_page(results, options, command_line()));
  if (command.common.json) {
    print_json(json);
  } else {
    print(to_text(results));
  }
  note(fmt::format("open {}", (out / "index.html").string()));
  for (const ChapterResult& chapter : results) {
    for (const ClaimResult& result : chapter.claims) {
      if (!result.passed()) throw Error(fmt::format("{} does not hold", result.claim->row));
    }
  }
}

}  // namespace

void add_tour(CLI::App& app) {
  auto* command = app.add_subcommand(kTour.name, kTour.description);
  auto options = std::make_shared<TourCommand>();
  std::vector<std::string> names;
  std::vector<std::string> rows;
  for (const Chapter& chapter : tour_chapters()) {
    names.emplace_back(chapter.name);
    for (const Claim& claim : chapter.claims) rows.emplace_back(claim.row);
  }
  command->add_option("--out", options->out, "directory for index.html and tour.json (tour)")
      ->option_text("DIR");
  command
      ->add_option(
          "--chapter", options->chapters,
          fmt::format("run only this chapter: {}; may be repeated", fmt::join(names, ", ")))
      ->option_text("NAME")
      ->check(CLI::IsMember(names));
  command
      ->add_option("--claim", options->rows,
                   "run only this claim: A1, A2 ... as on the page; may be repeated")
      ->option_text("ROW")
      ->check(CLI::IsMember(rows));
  command
      ->add_option("--words", options->words,
                   "a word list for the language model of G6 (two dozen words of the tour's own)")
      ->option_text("FILE");
  command->add_flag("--quick", options->quick, "fewer draws and shorter training");
  add_common(*command, options->common);
  command->footer(
      "Example:\n"
      "  partita tour --quick --out tour\n"
      "  partita tour --quick --claim B3\n"
      "  partita tour --chapter without-replacement --words /usr/share/dict/words\n"
      "\n"
      "Prints whether each claim holds, and ends with exit code 1 if one does not.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
