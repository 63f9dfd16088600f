// SPDX-License-Identifier: Apache-2.0
// Draws from logits that stay on their device.
#pragma once

#include <span>

#include "partita/learn/tensor.hpp"
#include "partita/random/stream.hpp"

namespace partita::seqgan {

/// One category per row of logits [rows, V], int64 [rows], by inverting the row's distribution
/// function at one uniform number from its stream: only these numbers cross to the device. A row's
/// category depends on its logits and its stream alone, but is another than gumbel_max() draws.
Tensor draw_by_inversion(const Tensor& logits, std::span<const Stream> streams);

}  // namespace partita::seqgan
