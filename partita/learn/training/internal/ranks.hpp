// SPDX-License-Identifier: Apache-2.0
// What the loop says to other ranks. Not installed: loop.hpp trains on several.
#pragma once

#include <span>

#include "partita/base/group.hpp"
#include "partita/learn/training/loop.hpp"

namespace partita::training {

/// The group of all parts. @throws InvalidArgument if they are of different ones.
Group& group_of(std::span<const Part> parts);

/// That all ranks are about to do the same, from the same weights.
/// @throws InvalidArgument on every rank, saying what is different on which
void check_same_run(const LoopOptions& options, std::span<const Part> parts, Group& group);

/// Rank 0's, on every rank.
Values broadcast(Values values, Group& group);

/// Losses of which each rank has its share; on the CPU if there are several ranks.
Losses added_up(const Losses& losses, Group& group);

/// Gradients of which each rank has its share, undefined ones being 0; what no rank has remains
/// undefined. One message.
void add_up(std::span<const Tensor> parameters, std::span<Tensor> gradients, Group& group);

}  // namespace partita::training
