// What `lm` and `generate` need libtorch for: neural models. Both programs parse these commands;
// partita-learn has these functions, and in partita they become partita-learn with the same command
// line (see commands.hpp).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "options.hpp"
#include "text_generator.hpp"

namespace partita::app {

struct LmTrainOptions {
  std::string text;
  std::string kind = "ngram";
  std::string units = "char";
  bool units_file = false;  // units is the file of a SentencePiece model
  std::string output;
  int order = 6;
  // Of the neural kinds.
  std::size_t vocabulary = 0;
  std::int64_t dim = 256;
  std::int64_t layers = 0;  // 0: the kind's own
  std::int64_t heads = 4;
  double dropout = 0;
  std::string loss = "full";
  std::int64_t noise = 100;
  std::vector<std::int64_t> cutoffs;  // none: the usual ones
  double epochs = 10;
  std::int64_t batch = 64;
  std::int64_t length = 64;
  double learning_rate = 2e-3;
  double held_out = 0.05;
  std::uint64_t patience = 0;
  RunOptions run;
  CommonOptions common;
};

void train_neural(const LmTrainOptions& options);

/// A model of `partita lm train --kind lstm` or transformer, or a TorchScript module.
TextGenerator open_neural(const ModelFile& file);

}  // namespace partita::app
