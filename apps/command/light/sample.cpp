// partita sample: k categories without replacement from each row of a .npy file of logits.
#include <fmt/format.h>

#include <algorithm>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "apps/command/options.hpp"
#include "apps/command/subcommands.hpp"
#include "apps/command/terminal.hpp"
#include "partita/base/error.hpp"
#include "partita/base/internal/check.hpp"
#include "partita/base/parallel.hpp"
#include "partita/gumbel/gumbel_top_k.hpp"
#include "partita/io/npy.hpp"
#include "partita/sampler/sample.hpp"

namespace partita::app {
namespace {

struct SampleOptions {
  std::string logits;
  std::size_t k = 1;
  SamplerSettings filter;
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

/// gumbel_top_k over the whole file, a chunk of rows at a time. A bad row fails the command, since
/// half a result looks too much like a whole one.
TopKSample sample_rows(Rows logits, const SampleOptions& options) {
  TopKSample all{.rows = 0,
                 .k = options.k,
                 .indices = {},
                 .perturbed = {},
                 .log_prob = {},
                 .log_sum_exp = {},
                 .threshold = {}};
  const std::size_t step = std::max<std::size_t>(1, kChunkElements / logits.columns());
  Meter meter("sampling");
  for (std::size_t first = 0; first < logits.rows(); first += step) {
    const Rows chunk = logits.slice(first, std::min(step, logits.rows() - first));
    std::vector<RowError> errors;
    const Streams streams(Stream{.seed = options.common.seed}, first);
    const int threads = options.common.threads;
    append(all,
           options.filter.is_identity()
               ? gumbel_top_k(chunk, options.k, streams, {.threads = threads, .errors = &errors})
               : sample_without_replacement(chunk, options.k, options.filter, streams,
                                            {.threads = threads, .errors = &errors}));
    if (!errors.empty()) {
      throw DataError(options.logits,
                      fmt::format("row {}: {}", first + errors.front().row, errors.front().reason));
    }
    meter.update({first + chunk.rows(), logits.rows(), "rows"});
  }
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

void run(const SampleOptions& options) {
  const NpyFile file(options.logits);
  const Rows logits = file.rows();
  check_between("-k", options.k, 1, logits.columns(), "the categories of " + options.logits);
  const TopKSample sample = sample_rows(logits, options);
  if (!options.output.empty()) {
    save_npy(options.output, std::span<const std::int64_t>(sample.indices), sample.rows, sample.k);
    note(fmt::format("wrote {}: int64 ({}, {})", options.output, sample.rows, sample.k));
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
      ->add_option("LOGITS", options->logits,
                   ".npy file of float16, float32 or float64, (rows, categories)")
      ->option_text("FILE")
      ->required();
  add_k(*command, options->k, "categories to draw from each row, all different");
  add_filter(*command, options->filter);
  add_common(*command, options->common);
  add_output(*command, options->output, "the categories as .npy, int64 (rows, k)")
      ->excludes("--json");
  command->footer(
      "Example:\n"
      "  partita sample logits.npy -k 10 --seed 1 --top-p 0.95 --json\n"
      "\n"
      "Prints, for each row, the categories in the order drawn, their log-probabilities with and\n"
      "without Gumbel noise (perturbed), the row's log-sum-exp, and the threshold: the perturbed\n"
      "log-probability of the next one.");
  command->callback([options] { run(*options); });
}

}  // namespace partita::app
