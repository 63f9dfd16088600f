// SPDX-License-Identifier: Apache-2.0
// A tabular decision process, from a file or built in. This header needs no libtorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace partita::app {

struct Mdp {
  std::string title;
  std::string description = {};
  std::int64_t horizon = 1;              ///< actions per trajectory
  std::vector<double> start = {};        ///< P(first state), [states]
  std::vector<double> transitions = {};  ///< P(next | state, action), [states, actions, states]
  std::vector<double> rewards = {};      ///< of an action in a state, [states, actions]

  std::int64_t states() const { return static_cast<std::int64_t>(start.size()); }
  std::int64_t actions() const { return static_cast<std::int64_t>(rewards.size()) / states(); }
};

/// Three states: against the current of a river, to the right, lies a large reward; a small one
/// lies at the left.
Mdp river();

/// Reads a process from JSON:
///
///   {"horizon": 2,
///    "transitions": [[[1, 0], [0.3, 0.7]], [[1, 0], [0, 1]]],     state, action, next state
///    "rewards": [[0.1, 0], [0, 1]],                               state, action
///    "start": [1, 0]}                                             if none, the first state
///
/// Probabilities that sum to 1 to within 1e-6 are divided by their sum.
/// @throws IoError, DataError naming the place in the file
Mdp read_mdp(const std::string& path);

}  // namespace partita::app
