// SPDX-License-Identifier: Apache-2.0
#include "partita/calibration/sampling_rule.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/random/goodness_of_fit.hpp"
#include "partita/random/shuffle.hpp"

namespace partita {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr std::size_t kRejections = 16;  // thresholds of the grid, of similarity and of quality
constexpr std::size_t kStops = 64;       // and of confidence

using Prompts = std::vector<const Candidates*>;

/// Goes through candidates as algorithm 1 does.
/// @param draw       the quality of the next candidate, or nothing
/// @param similarity of candidates i and j
/// @param keep       (i, confidence) is called for each candidate that is kept; false ends it
/// @return how many were drawn
template <class Draw, class Similarity, class Keep>
std::size_t grow(const SamplingRule& rule, const Draw& draw, const Similarity& similarity,
                 const Keep& keep) {
  const SetConfidence by = rule.options.confidence;
  const bool compares = rule.similarity < kInfinity;
  std::vector<std::size_t> kept;
  double confidence = by == SetConfidence::max ? -kInfinity : 0;
  for (std::size_t i = 0; i < rule.max_draws; ++i) {
    const std::optional<double> quality = draw();
    if (!quality) return i;
    const bool similar = compares && std::any_of(kept.begin(), kept.end(), [&](std::size_t j) {
                           return similarity(i, j) > rule.similarity;
                         });
    if (similar || *quality < rule.quality) continue;
    kept.push_back(i);
    confidence = by == SetConfidence::max   ? std::max(confidence, *quality)
                 : by == SetConfidence::sum ? confidence + *quality
                                            : static_cast<double>(kept.size());
    if (!keep(i, confidence)) return i + 1;
  }
  return rule.max_draws;
}

template <class Keep>
std::size_t grow(const SamplingRule& rule, const Candidates& candidates, const Keep& keep) {
  const std::size_t k = candidates.quality.size();
  std::size_t next = 0;
  const auto draw = [&]() -> std::optional<double> {
    if (next == k) return std::nullopt;
    return candidates.quality[next++];
  };
  const auto similarity = [&](std::size_t i, std::size_t j) {
    return candidates.similarity[i * k + j];
  };
  return grow(rule, draw, similarity, keep);
}

/// The set that a rule makes of what grow() goes through.
template <class... Source>
SampledSet collect(const SamplingRule& rule, const Source&... source) {
  SampledSet set;
  set.draws = grow(rule, source..., [&](std::size_t i, double reached) {
    set.kept.push_back(i);
    return reached < rule.confidence;
  });
  return set;
}

std::size_t misses(const SamplingRule& rule, const Prompts& prompts) {
  std::size_t count = 0;
  for (const Candidates* each : prompts) {
    const SampledSet set = collect(rule, *each);
    const bool held = std::any_of(set.kept.begin(), set.kept.end(),
                                  [&](std::size_t i) { return each->admissible[i]; });
    count += held ? 0 : 1;
  }
  return count;
}

/// Up to n of the values, evenly spaced in rank, without repetitions.
std::vector<double> levels(std::vector<double> values, std::size_t n) {
  std::sort(values.begin(), values.end());
  values.erase(std::unique(values.begin(), values.end()), values.end());
  if (values.size() <= n) return values;
  std::vector<double> out;
  for (std::size_t i = 0; i < n; ++i) out.push_back(values[i * (values.size() - 1) / (n - 1)]);
  return out;
}

/// The thresholds of the grid, those that do nothing included.
struct Grid {
  std::vector<double> similarity{kInfinity};
  std::vector<double> quality{-kInfinity};
  std::vector<double> confidence;  // ascending
};

Grid make_grid(const SamplingRule& everything, const Prompts& prompts) {
  std::vector<double> quality;
  std::vector<double> similarity;
  std::vector<double> confidence;
  for (const Candidates* each : prompts) {
    const std::size_t k = each->quality.size();
    quality.insert(quality.end(), each->quality.begin(), each->quality.end());
    for (std::size_t i = 1; i < k && !each->similarity.empty(); ++i) {
      const auto row = each->similarity.begin() + static_cast<std::ptrdiff_t>(i * k);
      similarity.push_back(*std::max_element(row, row + static_cast<std::ptrdiff_t>(i)));
    }
    grow(everything, *each, [&](std::size_t, double reached) {
      confidence.push_back(reached);
      return true;
    });
  }
  Grid grid;
  const auto add = [](std::vector<double>& to, const std::vector<double>& from) {
    to.insert(to.end(), from.begin(), from.end());
  };
  add(grid.similarity, levels(similarity, kRejections));
  add(grid.quality, levels(quality, kRejections));
  grid.confidence = levels(confidence, kStops);
  grid.confidence.push_back(kInfinity);
  return grid;
}

struct Proposal {
  SamplingRule rule;
  std::size_t misses = 0;
  std::size_t cost = 0;  // draws and kept candidates of all prompts
};

/// A rule for each threshold of confidence, with the rejections of `rule`. A set only grows, so one
/// pass over a prompt's candidates finds where each of them ends.
std::vector<Proposal> propose(SamplingRule rule, const Prompts& prompts,
                              const std::vector<double>& confidence) {
  std::vector<Proposal> out;
  for (const double threshold : confidence) {
    out.push_back({rule});
    out.back().rule.confidence = threshold;
  }
  for (const Candidates* each : prompts) {
    std::size_t next = 0;  // the first threshold that is not reached yet
    std::size_t kept = 0;
    bool held = false;
    const auto end = [&](std::size_t draws) {
      out[next].misses += held ? 0 : 1;
      out[next].cost += draws + kept;
      ++next;
    };
    const std::size_t draws = grow(rule, *each, [&](std::size_t i, double reached) {
      ++kept;
      held = held || each->admissible[i];
      while (next < out.size() && confidence[next] <= reached) end(i + 1);
      return true;
    });
    while (next < out.size()) end(draws);
  }
  return out;
}

/// The proposals that no other beats in both, by rising misses and falling cost.
std::vector<Proposal> frontier(const SamplingRule& everything, const Prompts& prompts) {
  const Grid grid = make_grid(everything, prompts);
  std::vector<Proposal> all;
  for (const double similarity : grid.similarity) {
    for (const double quality : grid.quality) {
      SamplingRule rule = everything;
      rule.similarity = similarity;
      rule.quality = quality;
      const auto proposals = propose(rule, prompts, grid.confidence);
      all.insert(all.end(), proposals.begin(), proposals.end());
    }
  }
  std::stable_sort(all.begin(), all.end(), [](const Proposal& a, const Proposal& b) {
    return a.misses != b.misses ? a.misses < b.misses : a.cost < b.cost;
  });
  std::vector<Proposal> best;
  for (const Proposal& each : all) {
    if (best.empty() || each.cost < best.back().cost) best.push_back(each);
  }
  return best;
}

void check_quality(double quality, SetConfidence confidence) {
  confidence == SetConfidence::sum ? check_in("quality", quality, "[0, inf)")
                                   : check_in("quality", quality, "(-inf, inf)");
}

void check(const Candidates& candidates, SetConfidence confidence) {
  const std::size_t k = candidates.quality.size();
  for (const double quality : candidates.quality) check_quality(quality, confidence);
  if (candidates.similarity.empty()) return;
  check_size("similarity", candidates.similarity.size(), k * k, "one for each pair");
  for (const double similarity : candidates.similarity) {
    check_in("similarity", similarity, "(-inf, inf)");
  }
}

bool is_compared(const Candidates& candidates) {
  return candidates.quality.size() < 2 || !candidates.similarity.empty();
}

void check(std::span<const Candidates> prompts, const SamplingRuleOptions& options) {
  check_in("epsilon", options.epsilon, "(0, 1)");
  check_in("delta", options.delta, "(0, 1)");
  check_at_least("prompts", prompts.size(), 2, "one to propose a rule, one to test it");
  const bool compared = std::any_of(prompts.begin(), prompts.end(),
                                    [](const Candidates& c) { return !c.similarity.empty(); });
  for (std::size_t p = 0; p < prompts.size(); ++p) {
    try {
      check(prompts[p], options.confidence);
      check_size("admissible", prompts[p].admissible.size(), prompts[p].quality.size(),
                 "one for each candidate");
      if (compared && !is_compared(prompts[p])) {
        throw InvalidArgument("similarity", "missing, where other prompts have it");
      }
    } catch (const InvalidArgument& error) {
      throw InvalidArgument("prompts", fmt::format("prompt {}: {}", p, error.what()));
    }
  }
}

/// P(Binomial(n, p) <= k), as the tail of those that do not miss: small values keep their digits.
double lower_tail(std::size_t n, double p, std::size_t k) {
  return binomial_upper_tail(n, 1 - p, n - k);
}

/// The least epsilon at which k misses of n reject that the risk exceeds it (Clopper, Pearson).
double least_epsilon(std::size_t n, std::size_t k, double delta) {
  double low = 0;
  double high = 1;
  for (int i = 0; i < 50; ++i) {
    const double middle = (low + high) / 2;
    (lower_tail(n, middle, k) <= delta ? high : low) = middle;
  }
  return high;
}

}  // namespace

std::string_view name_of(SetConfidence confidence) {
  switch (confidence) {
    case SetConfidence::first_k:
      return "first-k";
    case SetConfidence::max:
      return "max";
    case SetConfidence::sum:
      break;
  }
  return "sum";
}

double SamplingRule::p_value() const { return lower_tail(tested, options.epsilon, misses); }

SamplingRule fit_sampling_rule(std::span<const Candidates> prompts, const Stream& stream,
                               const SamplingRuleOptions& options) {
  check(prompts, options);
  Prompts proposing;
  for (const Candidates& each : prompts) proposing.push_back(&each);
  shuffle(proposing, stream);
  const auto middle = proposing.begin() + static_cast<std::ptrdiff_t>(proposing.size() / 2);
  const Prompts testing(middle, proposing.end());
  proposing.erase(middle, proposing.end());

  SamplingRule rule{.options = options, .tested = testing.size()};
  for (const Candidates* each : proposing) {
    rule.max_draws = std::max(rule.max_draws, each->quality.size());
  }
  rule.misses = misses(rule, testing);
  if (rule.p_value() > options.delta) {
    const double least = least_epsilon(rule.tested, rule.misses, options.delta);
    throw InvalidArgument(
        "epsilon", fmt::format("no rule is shown to keep {:g}: {} of {} prompts tested have no "
                               "admissible candidate at all, which shows {:.4f} at best",
                               options.epsilon, rule.misses, rule.tested, least));
  }
  for (Proposal& next : frontier(rule, proposing)) {
    next.rule.misses = misses(next.rule, testing);
    if (next.rule.p_value() > options.delta) break;
    rule = next.rule;
  }
  return rule;
}

SampledSet sample_set(const SamplingRule& rule, const Candidates& candidates) {
  check(candidates, rule.options.confidence);
  if (rule.similarity < kInfinity && !is_compared(candidates)) {
    throw InvalidArgument("similarity", "missing: the rule rejects similar candidates");
  }
  return collect(rule, candidates);
}

SampledSet sample_set(const SamplingRule& rule, const std::function<std::optional<double>()>& draw,
                      const std::function<double(std::size_t, std::size_t)>& similarity) {
  if (rule.similarity < kInfinity && !similarity) {
    throw InvalidArgument("similarity", "missing: the rule rejects similar candidates");
  }
  const auto checked = [&] {
    const std::optional<double> quality = draw();
    if (quality) check_quality(*quality, rule.options.confidence);
    return quality;
  };
  const auto compared = [&](std::size_t i, std::size_t j) {
    const double value = similarity(i, j);
    check_in("similarity", value, "(-inf, inf)");
    return value;
  };
  return collect(rule, checked, compared);
}

}  // namespace partita
