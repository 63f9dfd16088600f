// SPDX-License-Identifier: Apache-2.0
// Logits with labels for which the right temperature is known.
#pragma once

#include <cmath>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "partita/base/rows.hpp"
#include "partita/random/stream.hpp"

namespace partita::testing {

struct Labeled {
  std::size_t rows;
  std::size_t classes;
  std::vector<double> logits;
  std::vector<std::int64_t> labels;

  Rows view() const { return {logits.data(), rows, classes}; }
};

/// Labels are drawn from softmax(logits / temperature), where logits are `temperature` times
/// normals of standard deviation 3.
inline Labeled make_labeled(std::size_t rows, std::size_t classes, double temperature,
                            std::uint64_t seed) {
  Labeled data{rows, classes, {}, {}};
  for (std::size_t r = 0; r < rows; ++r) {
    Draws draws({.seed = seed, .id = r});
    double best = -INFINITY;
    std::size_t label = 0;
    for (std::size_t k = 0; k < classes; ++k) {
      const double z = 3 * draws.normal();
      const double perturbed = z + draws.gumbel();
      if (perturbed > best) {
        best = perturbed;
        label = k;
      }
      data.logits.push_back(temperature * z);
    }
    data.labels.push_back(static_cast<std::int64_t>(label));
  }
  return data;
}

}  // namespace partita::testing
