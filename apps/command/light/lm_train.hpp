// partita lm train.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "apps/command/options.hpp"
#include "partita/text/text_units.hpp"

namespace partita::app {

struct LmTrainOptions {
  std::string text;
  std::string kind = "ngram";
  std::string units = "char";  // or the file of a SentencePiece model
  std::size_t vocabulary = 0;  // 0: that of the units
  std::string output;
  int order = 0;  // 0: that of the units
  // For the neural kinds.
  std::int64_t dim = 256;
  std::int64_t layers = 0;  // 0: the kind's own
  std::int64_t heads = 4;
  double dropout = 0;
  std::string loss = "full";
  std::int64_t noise = 100;
  std::vector<std::int64_t> cutoffs;  // none: the defaults
  double epochs = 10;
  std::int64_t batch = 64;
  std::int64_t length = 64;
  double learning_rate = 2e-3;
  double held_out = 0.05;
  std::uint64_t patience = 0;
  RunOptions run;
  CommonOptions common;
};

/// The units that the options ask for, learned from the lines where necessary.
/// @throws InvalidArgument, IoError, DataError
TextUnits units_of(const LmTrainOptions& options, std::span<const std::string> lines);

void add_lm_train(CLI::App& app);

}  // namespace partita::app
