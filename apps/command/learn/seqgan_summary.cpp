// SPDX-License-Identifier: Apache-2.0
#include "apps/command/learn/seqgan_summary.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <utility>
#include <vector>

#include "apps/experiments/seqgan/comparison.hpp"
#include "apps/report/numbers.hpp"

namespace partita::app {
namespace {

Json phases_json(const std::vector<SeqganPhase>& phases) {
  Json out = Json::array();
  for (const SeqganPhase& phase : phases) {
    out.push_back({{"name", phase.name}, {"steps", phase.steps}, {"seconds", phase.seconds}});
  }
  return out;
}

std::string phases_text(const std::vector<SeqganPhase>& phases) {
  std::string out;
  for (const SeqganPhase& phase : phases) {
    out += fmt::format("{}: {} in {:.1f} s\n", phase.name, counted(phase.steps, "step"),
                       phase.seconds);
  }
  return out;
}

Json quality_json(const SeqganQuality& q) {
  return {{"name", q.name},
          {"oracle_nll", q.oracle_nll},
          {"oracle_nll_error", q.oracle_nll_error},
          {"held_out_nll", q.held_out_nll},
          {"distinct", q.distinct}};
}

Json quality_json(const std::vector<SeqganQuality>& all) {
  Json out = Json::array();
  for (const SeqganQuality& q : all) out.push_back(quality_json(q));
  return out;
}

Json temperatures_json(const std::vector<SeqganSweep>& sweeps) {
  Json out = Json::array();
  for (const SeqganSweep& sweep : sweeps) {
    for (std::size_t i = 0; i < sweep.quality.size(); ++i) {
      Json point = quality_json(sweep.quality[i]);
      point["temperature"] = sweep.temperatures[i];
      out.push_back(std::move(point));
    }
  }
  return out;
}

Json comparison_json(const SeqganComparison& comparison) {
  Json generators = Json::array();
  for (const auto& [name, nll, error] : comparison.generators) {
    generators.push_back({{"name", name}, {"oracle_nll", nll}, {"oracle_nll_error", error}});
  }
  return {{"held_out_nll", {comparison.from, comparison.to}},
          {"generators", std::move(generators)}};
}

double least(const SeqganCurve& curve) {
  return curve.value.empty() ? NAN : *std::min_element(curve.value.begin(), curve.value.end());
}

}  // namespace

Json summary_json(const SeqganOracleResult& result, const SeqganOptions& options,
                  const std::string& report) {
  return {{"vocabulary", options.vocabulary},
          {"sequences", options.sequences},
          {"length", options.length},
          {"methods", quality_json(result.quality)},
          {"mle_least_oracle_nll", least(curve_of(result.phases.front(), "oracle_nll"))},
          {"temperatures", temperatures_json(result.sweeps)},
          {"equally_diverse", comparison_json(compare(result.sweeps))},
          {"phases", phases_json(result.phases)},
          {"report", report},
          {"seed", options.seed}};
}

std::string summary_text(const SeqganOracleResult& result) {
  std::string out = fmt::format("{:<24} {:>22} {:>14} {:>10}\n", "", "NLL under the oracle",
                                "held-out NLL", "distinct");
  for (const SeqganQuality& q : result.quality) {
    out += fmt::format("{:<24} {:>22} {:>14.4f} {:>10.4f}\n", q.name,
                       with_error(q.oracle_nll, q.oracle_nll_error), q.held_out_nll, q.distinct);
  }
  out += in_words(compare(result.sweeps)) + '\n';
  return out + phases_text(result.phases);
}

Json summary_json(const SeqganTextResult& result, const SeqganOptions& options,
                  const std::string& report) {
  Json methods = Json::array();
  for (const SeqganTextQuality& q : result.quality) {
    methods.push_back({{"name", q.name},
                       {"held_out_nll", q.held_out_nll},
                       {"distinct", q.distinct},
                       {"in_corpus", q.in_corpus},
                       {"held_out", q.held_out},
                       {"samples", q.samples}});
  }
  return {{"corpus", options.corpus},
          {"lines", result.lines},
          {"too_long", result.too_long},
          {"vocabulary", result.tokens},
          {"length", options.length},
          {"methods", std::move(methods)},
          {"phases", phases_json(result.phases)},
          {"model", options.output},
          {"report", report},
          {"seed", options.seed}};
}

std::string summary_text(const SeqganTextResult& result) {
  std::string out;
  for (const SeqganTextQuality& q : result.quality) {
    out += fmt::format(
        "{}: held-out NLL {:.4f} per character; of the samples {:.1f} % distinct, {:.1f} % in the "
        "corpus, {:.2f} % held-out lines\n  {}\n",
        q.name, q.held_out_nll, 100 * q.distinct, 100 * q.in_corpus, 100 * q.held_out,
        fmt::join(q.samples, "  "));
  }
  return out + phases_text(result.phases);
}

Json summary_json(const SeqganContinuousResult& result, const SeqganOptions& options,
                  const std::string& report) {
  Json methods = Json::array();
  for (const SeqganContinuousQuality& q : result.quality) {
    methods.push_back({{"name", q.name},
                       {"oracle_nll", q.oracle_nll},
                       {"oracle_nll_error", q.oracle_nll_error},
                       {"held_out_nll", q.held_out_nll},
                       {"mean_distance", q.mean_distance}});
  }
  return {{"sequences", options.sequences},
          {"length", options.length},
          {"methods", std::move(methods)},
          {"phases", phases_json(result.phases)},
          {"report", report},
          {"seed", options.seed}};
}

std::string summary_text(const SeqganContinuousResult& result) {
  std::string out = fmt::format("{:<12} {:>22} {:>14} {:>26}\n", "", "NLL under the oracle",
                                "held-out NLL", "mean trajectory's distance");
  for (const SeqganContinuousQuality& q : result.quality) {
    out +=
        fmt::format("{:<12} {:>22} {:>14.4f} {:>26.4f}\n", q.name,
                    with_error(q.oracle_nll, q.oracle_nll_error), q.held_out_nll, q.mean_distance);
  }
  return out + phases_text(result.phases);
}

}  // namespace partita::app
