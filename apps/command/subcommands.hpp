// SPDX-License-Identifier: Apache-2.0
// The subcommands of `partita`. Each adds itself to the command line, in a file of its own.
//
// There are two programs. `partita` links no libtorch, whose libraries take half a second to load.
// The subcommands that need it live in `partita-learn`, which stands beside it and which `partita`
// becomes when one of them is asked for, when lm or generate meet a neural model (neural.hpp), or
// when there are other processes to talk to (processes.hpp); users need not know.
#pragma once

#include <CLI/CLI.hpp>
#include <array>

namespace partita::app {

/// A subcommand as both programs list it.
struct LearnCommand {
  const char* name;
  const char* description;
};

inline constexpr LearnCommand kGradients{
    "gradients", "Compare gradient estimators by bias, variance and how they optimize"};

inline constexpr LearnCommand kNce{
    "nce", "Train without the sum over the vocabulary: NCE against the full softmax"};
inline constexpr LearnCommand kOpenset{
    "openset", "Train classifiers to be unsure about the unknown, and score examples by them"};
inline constexpr LearnCommand kSeqgan{
    "seqgan", "Train generators of sequences against a discriminator, by policy gradient"};
inline constexpr LearnCommand kVae{
    "vae", "Variational auto-encoders: train, evaluate, sample, reconstruct, traverse"};
inline constexpr LearnCommand kTour{"tour", "Run every claim of the toolkit and show the results"};

/// The subcommands of partita-learn.
inline constexpr std::array kLearnCommands{kGradients, kNce, kOpenset, kSeqgan, kVae, kTour};

void add_launch(CLI::App& app);
void add_sample(CLI::App& app);
void add_lm(CLI::App& app);
void add_generate(CLI::App& app);
void add_watermark(CLI::App& app);
void add_calibrate(CLI::App& app);
void add_detect(CLI::App& app);
void add_embed(CLI::App& app);

void add_gradients(CLI::App& app);
void add_nce(CLI::App& app);
void add_openset(CLI::App& app);
void add_seqgan(CLI::App& app);
void add_vae(CLI::App& app);
void add_tour(CLI::App& app);

/// The subcommands that need no libtorch, in both programs.
inline void add_light_commands(CLI::App& app) {
  add_sample(app);
  add_lm(app);
  add_generate(app);
  add_watermark(app);
  add_calibrate(app);
  add_detect(app);
  add_embed(app);
  add_launch(app);
}

/// The subcommands of kLearnCommands, in partita-learn.
inline void add_learn_commands(CLI::App& app) {
  add_gradients(app);
  add_nce(app);
  add_openset(app);
  add_seqgan(app);
  add_vae(app);
  add_tour(app);
}

/// A program's commands: defined in light_subcommands.cpp and in learn_subcommands.cpp.
void add_commands(CLI::App& app);

}  // namespace partita::app
