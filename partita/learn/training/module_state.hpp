// SPDX-License-Identifier: Apache-2.0
// What a network has learned, its parameters and buffers, in an archive.
//
//   ArchiveWriter out("classifier", 1);
//   training::write_state(out, *network);
//   out.save("classifier.model");
//
//   auto in = ArchiveReader::open("classifier.model", "classifier", 1);
//   training::read_state(in, *network);        // one built in the same way, on any device
#pragma once

#include <torch/nn/module.h>

#include "partita/io/archive.hpp"

namespace partita::training {

/// Appends every parameter and buffer with its name, type and shape.
void write_state(ArchiveWriter& out, const torch::nn::Module& module);

/// Reads them back into the module's own tensors.
/// @throws DataError naming the first tensor that differs in name, type or shape
void read_state(ArchiveReader& in, torch::nn::Module& module);

}  // namespace partita::training
