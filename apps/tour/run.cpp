// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <chrono>
#include <cmath>
#include <exception>
#include <string>
#include <utility>

#include "apps/tour/claim.hpp"
#include "partita/random/goodness_of_fit.hpp"

namespace partita::app {

bool Check::passed() const {
  switch (relation) {
    case Relation::equal:
      return std::abs(measured - expected) <= tolerance;
    case Relation::at_most:
      return measured <= expected;
    case Relation::at_least:
      return measured >= expected;
  }
  return false;
}

Check equal(std::string what, double measured, double expected, double tolerance) {
  return {std::move(what), measured, Relation::equal, expected, tolerance};
}

Check at_most(std::string what, double measured, double bound) {
  return {std::move(what), measured, Relation::at_most, bound, 0};
}

Check at_least(std::string what, double measured, double bound) {
  return {std::move(what), measured, Relation::at_least, bound, 0};
}

Check not_rejected(std::string what, double p_value) {
  return at_least(std::move(what) + ", p-value", p_value, kFalseAlarm);
}

Check unbiased(std::string what, std::span<const double> sample, double expected) {
  return at_most(std::move(what) + ", standard errors from the truth", z_score(sample, expected),
                 kFiveSigma);
}

bool ClaimResult::passed() const {
  if (!error.empty() || finding.checks.empty()) return false;
  for (const Check& m : finding.checks) {
    if (!m.passed()) return false;
  }
  return true;
}

std::vector<Chapter> tour_chapters() {
  return {softmax_chapter(),
          open_set_chapter(),
          calibration_chapter(),
          noise_contrastive_chapter(),
          gradients_chapter(),
          gumbel_chapter(),
          without_replacement_chapter(),
          shared_noise_chapter()};
}

namespace {

/// A distinct number for each row; its name is a letter and a number.
std::uint64_t row_number(const Claim& claim) {
  return 16 * static_cast<std::uint64_t>(claim.row[0] - 'A') + std::stoul(claim.row + 1);
}

ClaimResult run(const Claim& claim, const TourOptions& options) {
  const auto begin = std::chrono::steady_clock::now();
  ClaimResult result{.claim = &claim, .finding = {}, .seconds = 0};
  try {
    result.finding = claim.run({options, row_number(claim)});
  } catch (const std::exception& error) {
    result.error = error.what();
  }
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  return result;
}

}  // namespace

bool is_chosen(const Claim& claim, const TourOptions& options) {
  return options.rows.empty() ||
         std::find(options.rows.begin(), options.rows.end(), claim.row) != options.rows.end();
}

std::vector<ChapterResult> run_tour(std::span<const Chapter> chapters, const TourOptions& options,
                                    const std::function<void(const Claim&)>& about_to_run) {
  std::vector<ChapterResult> results;
  for (const Chapter& chapter : chapters) {
    ChapterResult& result = results.emplace_back(ChapterResult{chapter, {}});
    for (const Claim& claim : chapter.claims) {
      if (!is_chosen(claim, options)) continue;
      if (about_to_run) about_to_run(claim);
      result.claims.push_back(run(claim, options));
    }
  }
  return results;
}

}  // namespace partita::app
