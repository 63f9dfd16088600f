// SPDX-License-Identifier: Apache-2.0
// A group whose ranks are threads of this process: for tests, and to try out how work divides.
//
//   partita::run_threads(4, [&](partita::Group& group) { train(group); });
#pragma once

#include <functional>

#include "partita/base/group.hpp"

namespace partita {

/// Calls body(group) on `size` threads, one for each rank, and returns when all have. Where one
/// throws, pending and later calls on the group throw Error on the others; then the exception of
/// the lowest rank that did not end for that reason is rethrown.
/// @throws InvalidArgument if size < 1.
void run_threads(int size, const std::function<void(Group& group)>& body);

}  // namespace partita
