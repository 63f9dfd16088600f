// SPDX-License-Identifier: Apache-2.0
// What `lm` and `generate` need libtorch for: neural models. Both programs parse these commands;
// partita-learn has these functions, and in partita they become partita-learn with the same command
// line (see subcommands.hpp).
#pragma once

#include "apps/command/light/lm_train.hpp"
#include "apps/command/text_generator.hpp"

namespace partita::app {

void train_neural(const LmTrainOptions& options);

/// A model of `partita lm train --kind lstm` or transformer, or a TorchScript module.
TextGenerator open_neural(const ModelFile& file);

}  // namespace partita::app
