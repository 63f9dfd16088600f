// SPDX-License-Identifier: Apache-2.0
// partita lm train.
#pragma once

#include <CLI/CLI.hpp>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "apps/command/options.hpp"
#include "partita/text/text_units.hpp"

namespace partita::app {

enum class LmKind : std::uint8_t { ngram, lstm, transformer };

inline constexpr auto kLmKinds = names<LmKind>(
    {{"ngram", LmKind::ngram}, {"lstm", LmKind::lstm}, {"transformer", LmKind::transformer}});

enum class LmLoss : std::uint8_t { full, adaptive, nce, sampled };

inline constexpr auto kLmLosses = names<LmLoss>({{"full", LmLoss::full},
                                                 {"adaptive", LmLoss::adaptive},
                                                 {"nce", LmLoss::nce},
                                                 {"sampled", LmLoss::sampled}});

struct LmTrainOptions {
  std::string text;
  LmKind kind = LmKind::ngram;
  std::optional<UnitKind> units = UnitKind::character;  // none: those of a SentencePiece model
  std::string pieces;                                   // its file
  std::size_t vocabulary = 0;                           // 0: that of the units
  std::string output;
  int order = 0;  // 0: that of the units
  // For the neural kinds.
  std::int64_t dim = 256;
  std::int64_t layers = 0;  // 0: the kind's own
  std::int64_t heads = 4;
  double dropout = 0;
  LmLoss loss = LmLoss::full;
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

/// The kind of the units, or the file of the SentencePiece model.
std::string units_name(const LmTrainOptions& options);

/// The units that the options ask for, learned from the lines where necessary.
/// @throws InvalidArgument, IoError, DataError
TextUnits units_of(const LmTrainOptions& options, std::span<const std::string> lines);

void add_lm_train(CLI::App& app);

}  // namespace partita::app
