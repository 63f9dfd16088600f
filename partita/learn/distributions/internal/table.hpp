// SPDX-License-Identifier: Apache-2.0
// Tables of one number per category. Internal.
#pragma once

#include "partita/learn/tensor.hpp"

namespace partita::distributions {

/// table[..., value] for a table of [batch, V], the value broadcast against the batch.
Tensor look_up(const Tensor& table, const Tensor& value);

}  // namespace partita::distributions
