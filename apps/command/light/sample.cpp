// SPDX-License-Identifier: Apache-2.0
// partita sample: k categories without replacement from each row of a file of logits, or one with
// all that can be said about the draw.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/processes.hpp"
#include "apps/command/sampler_options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/parallel.hpp"
#include "partita/base/process_rank.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/io/array_file.hpp"
#include "partita/sampler/sample.hpp"
#include "partita/split/gumbel_top_k.hpp"
#include "partita/split/sample.hpp"

namespace partita::app {
namespace {

struct SampleOptions {
  std::string logits;
  std::size_t k = 1;
  SamplerOptions sampler;
  std::string settings;                 ///< a file of them, one line for each row
  std::optional<std::size_t> logprobs;  ///< how many of the most likely a report lists
  std::optional<std::size_t> shards;    ///< of the columns, over which processes share a row
  CommonOptions common;
  std::string output;
};

constexpr std::size_t kChunkElements = 1U << 23U;

void append(TopKSample& all, TopKSample&& part) {
  const auto join = [](auto& to, auto& from) { to.insert(to.end(), from.begin(), from.end()); };
  all.rows += part.rows;
  join(all.indices, part.indices);
  join(all.perturbed, part.perturbed);
  join(all.log_prob, part.log_prob);
  join(all.log_sum_exp, part.log_sum_exp);
  join(all.threshold, part.threshold);
}

/// The settings of all rows or, where they differ or have a state, of each.
class SettingsOfRows {
 public:
  SettingsOfRows(const SampleOptions& options, Rows logits) {
    SamplerOptions common = options.sampler;
    const SamplerSettings s = common.settings();
    if (!options.settings.empty()) {
      options_ = read_sampler_settings(options.settings, logits.rows(), logits.columns(), common);
    } else {
      const bool has_state = s.mirostat != 0 || s.adaptive_target >= 0;
      options_.assign(has_state ? logits.rows() : 1, common);
    }
    for (SamplerOptions& row : options_) each_.push_back(row.settings());
  }

  const SamplerSettings& operator[](std::size_t row) const {
    return each_.size() == 1 ? each_.front() : each_[row];
  }
  RowSettings slice(std::size_t first, std::size_t rows) const {
    if (each_.size() == 1) return each_.front();
    return std::span(each_).subspan(first, rows);
  }
  /// Whether they are the same for all rows and change nothing.
  bool is_identity() const { return each_.size() == 1 && each_.front().is_identity(); }

 private:
  std::deque<SamplerOptions> options_;  // what each_ points to
  std::vector<SamplerSettings> each_;
};

/// Calls draw(chunk, its settings, its streams, errors) on a chunk of rows at a time. A bad row
/// fails the command, since half a result looks too much like a whole one.
template <class Draw>
void for_each_chunk(Rows logits, const SampleOptions& options, const SettingsOfRows& settings,
                    const Draw& draw) {
  const std::size_t step = std::max<std::size_t>(1, kChunkElements / logits.columns());
  Meter meter("sampling");
  for (std::size_t first = 0; first < logits.rows(); first += step) {
    const Rows chunk = logits.slice(first, std::min(step, logits.rows() - first));
    std::vector<RowError> errors;
    draw(chunk, settings.slice(first, chunk.rows()),
         Streams(Stream{.seed = options.common.seed}, first), errors);
    if (!errors.empty()) {
      throw DataError(options.logits,
                      fmt::format("row {}: {}", first + errors.front().row, errors.front().reason));
    }
    meter.update({first + chunk.rows(), logits.rows(), "rows"});
  }
}

/// @param columns if set, this process has only its part of them, and knows of the others'
TopKSample sample_rows(Rows logits, const SampleOptions& options, const SettingsOfRows& settings,
                       const SplitColumns* columns) {
  TopKSample all{.rows = 0,
                 .k = options.k,
                 .indices = {},
                 .perturbed = {},
                 .log_prob = {},
                 .log_sum_exp = {},
                 .threshold = {}};
  // By the options and not by each row's settings, so that no row's draw depends on others'.
  const bool plain = options.settings.empty() && settings.is_identity();
  for_each_chunk(
      logits, options, settings,
      [&](Rows chunk, const RowSettings& each, const Streams& streams,
          std::vector<RowError>& errors) {
        const int threads = options.common.threads;
        const RowOptions how{.threads = threads, .errors = &errors};
        const std::size_t k = options.k;
        if (columns != nullptr) {
          const Rows own = columns->part_of(chunk);
          append(all, plain ? gumbel_top_k(own, k, streams, *columns, how)
                            : sample_without_replacement(own, k, each, streams, *columns, how));
        } else {
          append(all, plain
                          ? gumbel_top_k(chunk, k, streams, {.threads = threads, .errors = &errors})
                          : sample_without_replacement(chunk, k, each, streams, how));
        }
      });
  return all;
}

std::vector<Draw> draw_rows(Rows logits, const SampleOptions& options,
                            const SettingsOfRows& settings) {
  std::vector<Draw> all;
  for_each_chunk(
      logits, options, settings,
      [&](Rows chunk, const RowSettings& each, const Streams& streams,
          std::vector<RowError>& errors) {
        auto draws = sample_with_report(
            chunk, each, streams,
            {.top = *options.logprobs, .threads = options.common.threads, .errors = &errors});
        std::move(draws.begin(), draws.end(), std::back_inserter(all));
      });
  return all;
}

template <class T>
std::span<const T> row_of(const std::vector<T>& matrix, std::size_t row, std::size_t k) {
  return std::span(matrix).subspan(row * k, k);
}

Json to_json(const TopKSample& sample, std::uint64_t seed) {
  Json rows = Json::array();
  for (std::size_t row = 0; row < sample.rows; ++row) {
    rows.push_back({{"indices", row_of(sample.indices, row, sample.k)},
                    {"log_prob", row_of(sample.log_prob, row, sample.k)},
                    {"perturbed", row_of(sample.perturbed, row, sample.k)},
                    {"log_sum_exp", sample.log_sum_exp[row]},
                    {"threshold", sample.threshold[row]}});
  }
  return {{"rows", std::move(rows)}, {"seed", seed}};
}

std::string to_text(const TopKSample& sample) {
  std::string out;
  for (std::size_t row = 0; row < sample.rows; ++row) {
    out += fmt::format("row {}: log-sum-exp {:.6g}, threshold {:.6g}\n{:>10}  {:>10}  {:>10}\n",
                       row, sample.log_sum_exp[row], sample.threshold[row], "category", "log_prob",
                       "perturbed");
    for (std::size_t j = row * sample.k; j < (row + 1) * sample.k; ++j) {
      out += fmt::format("{:>10}  {:>10.4f}  {:>10.4f}\n", sample.indices[j], sample.log_prob[j],
                         sample.perturbed[j]);
    }
  }
  return out;
}

Json to_json(const std::vector<Draw>& draws, const SettingsOfRows& settings, std::uint64_t seed) {
  Json rows = Json::array();
  for (std::size_t row = 0; row < draws.size(); ++row) {
    const Draw& draw = draws[row];
    Json top = Json::array();
    for (const CategoryLogProb& each : draw.top) {
      top.push_back({{"index", each.index}, {"log_prob", each.log_prob}});
    }
    Json out = {{"index", draw.index},
                {"log_prob", draw.log_prob},
                {"raw_log_prob", draw.raw_log_prob},
                {"tempered_log_prob", draw.tempered_log_prob},
                {"rank", draw.rank},
                {"kept_count", draw.kept_count},
                {"kept_mass", draw.kept_mass},
                {"raw_entropy", draw.raw_entropy},
                {"entropy", draw.entropy},
                {"top", std::move(top)}};
    if (settings[row].mirostat != 0) {
      out["mirostat_mu"] = settings[row].mirostat_state->mu;
    }
    rows.push_back(std::move(out));
  }
  return {{"rows", std::move(rows)}, {"seed", seed}};
}

std::string to_text(const std::vector<Draw>& draws) {
  std::string out = fmt::format("{:>6} {:>10} {:>6} {:>10} {:>10} {:>10} {:>9} {:>9}\n", "row",
                                "category", "rank", "log_prob", "raw", "kept", "mass", "entropy");
  for (std::size_t row = 0; row < draws.size(); ++row) {
    const Draw& draw = draws[row];
    out += fmt::format("{:>6} {:>10} {:>6} {:>10.4f} {:>10.4f} {:>10} {:>9.4f} {:>9.4f}\n", row,
                       draw.index, draw.rank, draw.log_prob, draw.raw_log_prob, draw.kept_count,
                       draw.kept_mass, draw.entropy);
    for (const CategoryLogProb& each : draw.top) {
      out += fmt::format("{:>17} {:>17} {:>10.4f}\n", each.index, "", each.log_prob);
    }
  }
  return out;
}

void save_indices(const SampleOptions& options, std::span<const std::int64_t> indices,
                  std::size_t rows, std::size_t k) {
  save_array(options.output, indices, rows, k);
  note(fmt::format("wrote {}: int64 ({}, {})", options.output, rows, k));
}

/// The processes that share the rows; alone unless --shards says so.
std::shared_ptr<Group> group_for(const SampleOptions& options) {
  if (options.shards) return command_group();
  const auto self = process_rank();
  if (self && self->size > 1) {
    throw InvalidArgument("shards", fmt::format("expected with {} processes, which share the "
                                                "columns by it",
                                                self->size));
  }
  return {std::shared_ptr<Group>(), &Group::alone()};
}

void run(const SampleOptions& options) {
  const std::shared_ptr<Group> group = group_for(options);
  const ArrayFile file(options.logits);
  const Rows logits = file.rows(OneDimension::row);
  check_between("-k", options.k, 1, logits.columns(), "the categories of " + options.logits);
  const SettingsOfRows settings(options, logits);
  if (options.logprobs) {
    const std::vector<Draw> draws = draw_rows(logits, options, settings);
    if (!options.output.empty()) {
      std::vector<std::int64_t> indices;
      for (const Draw& draw : draws) indices.push_back(draw.index);
      save_indices(options, indices, draws.size(), 1);
    } else if (options.common.json) {
      print_json(to_json(draws, settings, options.common.seed));
    } else {
      print(to_text(draws));
    }
    return;
  }
  std::optional<SplitColumns> columns;
  if (options.shards) columns.emplace(logits.columns(), *group, *options.shards);
  const TopKSample sample = sample_rows(logits, options, settings, columns ? &*columns : nullptr);
  if (group->rank() > 0) return;
  if (!options.output.empty()) {
    save_indices(options, sample.indices, sample.rows, sample.k);
  } else if (options.common.json) {
    print_json(to_json(sample, options.common.seed));
  } else {
    print(to_text(sample));
  }
}

}  // namespace

void add_sample(CLI::App& app) {
  auto* command =
      app.add_subcommand("sample", "Draw categories without replacement from rows of logits");
  auto options = std::make_shared<SampleOptions>();
  command
      ->add_option(
          "LOGITS", options->logits,
          "rows of logits, or one: .npy, .npz, .safetensors or .csv, gzip or not; - for standard "
          "input")
      ->option_text("FILE[:ARRAY]")
      ->required();
  add_k(*command, options->k, "categories to draw from each row, all different");
  command
      ->add_option("--logprobs", options->logprobs,
                   "draw one category a row, and report on it, with the N most likely")
      ->option_text("N")
      ->check(whole_number(0, 1U << 20U))
      ->excludes("-k");
  command
      ->add_option("--shards", options->shards,
                   "cut the columns into N shards, each drawing by itself, which processes share")
      ->option_text("N")
      ->check(whole_number(1, 1U << 20U))
      ->excludes("--logprobs");
  command
      ->add_option("--settings", options->settings,
                   "settings of each row: a JSON object a line, over the options given here")
      ->option_text("FILE");
  add_filter(*command, options->sampler);
  add_draw_options(*command, options->sampler);
  add_common(*command, options->common);
  add_output(*command, options->output, "the categories, int64 (rows, k): .npy or .csv",
             {".npy", ".csv"})
      ->excludes("--json");
  command->footer(
      "Example:\n"
      "  partita sample logits.npy -k 10 --seed 1 --top-p 0.95 --json\n"
      "\n"
      "Prints, for each row, the categories in the order drawn, their log-probabilities with and\n"
      "without Gumbel noise (perturbed), the row's log-sum-exp, and the threshold: the perturbed\n"
      "log-probability of the next one.\n"
      "\n"
      "With --shards, several processes may draw together, each from its part of the columns:\n"
      "  partita launch -n 4 -- sample logits.npy -k 10 --shards 64 --seed 1 -o drawn.npy\n"
      "gives the file that one process gives with the same number of shards.\n"
      "\n"
      "With --logprobs, a row's one category is drawn as a server does, and reported on: its\n"
      "log-probability under what was left to draw from and under the row as given (raw), its "
      "rank,\n"
      "how many were kept, their probability, and the entropy of what it was drawn from.\n"
      "\n"
      "A line of --settings has keys as in SamplerSettings:\n"
      "  {\"temperature\": 0.7, \"top_k\": 40, \"history\": [5, 9], \"repeat_penalty\": 1.1,\n"
      "   \"logit_bias\": [[7, -1.5], [8, \"-inf\"]], \"order\": [\"top_k\", \"temperature\"]}");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
