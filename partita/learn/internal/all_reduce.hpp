// SPDX-License-Identifier: Apache-2.0
// A tensor's numbers as messages of a group.
#pragma once

#include <cstddef>
#include <span>

#include "partita/base/group.hpp"
#include "partita/learn/tensor.hpp"

namespace partita {

/// Group::all_reduce of a tensor's elements, in place. @param x on the CPU, contiguous, float or
/// double
inline void all_reduce(const Tensor& x, Reduction reduction, Group& group) {
  const auto size = static_cast<std::size_t>(x.numel());
  if (x.scalar_type() == at::kDouble) {
    group.all_reduce(std::span(x.data_ptr<double>(), size), reduction);
  } else {
    group.all_reduce(std::span(x.data_ptr<float>(), size), reduction);
  }
}

}  // namespace partita
