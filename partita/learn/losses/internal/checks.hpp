// SPDX-License-Identifier: Apache-2.0
// What the losses of classes ask of logits and targets, and how they combine rows. The checks throw
// InvalidArgument, naming row and value.
#pragma once

#include "partita/learn/losses/losses.hpp"

namespace partita::losses {

/// The index of the first element that is false, if there is one, else -1.
std::int64_t first_false(const Tensor& valid);

void check_floating(const char* argument, const Tensor& tensor);
/// @param name of `input`, for the message
void check_same_shape(const Tensor& target, const char* name, const Tensor& input);

/// Floating-point [..., K], each < +inf, one in each row > -inf.
void check_logits(const Tensor& logits);

/// Classes, integers [...], not probabilities [..., K].
bool is_classes(const Tensor& target);
/// Either of them, as fits the logits.
void check_target(const Tensor& logits, const Tensor& target);

Tensor reduce(const Tensor& loss, Reduction reduction);

}  // namespace partita::losses
